"""Compare: evaluate both sides under the same conditions, and say what the difference allows."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import mlflow

from entrypoints.steps import evaluate, prepare
from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.probe import knowledge_slices
from entrypoints.steps.reporting import cards, planning, report
from entrypoints.steps.reporting.tables import metric_table
from entrypoints.steps.shared import integrity
from entrypoints.steps.shared.model_under_test import open_registry, settle
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.scoring import Evaluation
from entrypoints.steps.shared.sources import DEFAULT_DATASET, require_name
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.verdict.compare import Findings, Side, compare, slices_of
from ragft.analysis.verdict.comparison import Comparison, Design
from ragft.errors import ConfigError
from ragft.judging.abstention import abstains
from ragft.judging.calibration import TRUTH, Calibration, calibrate, reasons_against
from ragft.params import CompareParams, EvaluateParams
from ragft.pocket.truth import TRUTH_OF
from ragft.prompts.criterion import load_criteria
from ragft.store.trials import begin_trial, find_trials, settle_trial
from ragft.types import CONTEXTS, Question
from registry.card import Verdict, note
from registry.gate import Decision, Policy, decide
from registry.versions import CHALLENGER, CHAMPION, Version, registered_name

DECIDING = Design().context

Known = Mapping[str, Mapping[str, Evaluation]]
NOTHING_KNOWN: Known = MappingProxyType({})


@dataclass(frozen=True)
class Compared:
    """The verdict on a version, and the run that holds it.

    Attributes:
        sides: Version's address -> context -> evaluation.
    """

    version: Version
    against: Version
    sides: Mapping[str, Mapping[str, Evaluation]]
    comparison: Comparison
    decision: Decision
    run_id: str


def run(params: CompareParams, workspace: Workspace, known: Known = NOTHING_KNOWN) -> Compared:
    """Return the verdict on a version against another; what both sides lack is computed first.

    ``known`` is version's address -> context -> evaluation, for sides evaluated with these parameters before.

    Raises:
        ConfigError: If the two sides do not share data, base, judge, estimator, retrieval or messages.
        PrerequisiteError: If one of the versions is not in the registry.
    """
    require_name(params, workspace.store)
    version, against = _versions(params)
    given, params = params, settle(params, version)
    with step_run(params, f"{params.data_name}|compare", {"ragft.step": "compare"}, workspace.home) as run_:
        criteria = load_criteria(params.criteria)
        spreads = planning.before(params, version, against, criteria, workspace)
        sides = {each.uri: known.get(each.uri) or evaluate_side(params, each, workspace) for each in (against, version)}
        questions = _questions(params, sides[version.uri], workspace)
        data = sides[version.uri][DECIDING].conditions["data"]
        findings = Findings(
            checks=integrity.checks(params, version, against, {uri: [side[DECIDING]] for uri, side in sides.items()}),
            advisory=_advisory(sides),
            tried=len(begin_trial(workspace.store, data, report.identity(version), version.uri)),
            spreads=spreads,
        )
        comparison = compare(
            _side(against, sides[against.uri]),
            _side(version, sides[version.uri]),
            questions,
            criteria,
            slices={**slices_of(questions), **knowledge_slices(questions, version, workspace)},
            design=Design(margin_share=params.margin),
            findings=findings,
        )
        decision = decide(comparison, Policy(advisory=params.advisory))
        _log(params, version, against, comparison, decision)
        compared = Compared(version, against, sides, comparison, decision, run_.info.run_id)
        text = cards.log(version, verdict_of(compared, decision, params))
        if not cards.is_decided(version):
            open_registry().describe(version, text)
        _say({_short(each): sides[each.uri] for each in (against, version)}, decision, workspace)
        settle_trial(workspace.store, data, report.identity(version), decision.outcome, decision.comparison)
        planning.tell_of(comparison, workspace)
        for check in comparison.checks:
            if check.name == integrity.PADDING_CHECK and check.detail.startswith("warning"):
                workspace.say(f"  - {check.detail}")
        _tell_causes(comparison, report.all_contexts(given, params, version), workspace)
        trials = find_trials(workspace.store, data)
        path = report.log(given, params, compared, questions, criteria, trials, workspace.home)
        workspace.say(f"report: {path.as_uri()}")
        mlflow.log_metrics(forgetting.metrics_of(version))
        for line in forgetting.lines_of(version):
            workspace.say(f"  - {line}")
    return compared


def address_of(params: CompareParams) -> str:
    """Return the version's address; ``challenger`` alone is that of the data set and base."""
    if params.model != CHALLENGER:
        return params.model
    name = registered_name(params.data_name or DEFAULT_DATASET, params.base or "pocket")
    return f"models:/{name}@{CHALLENGER}"


def verdict_of(compared: Compared, decision: Decision, params: CompareParams) -> Verdict:
    """Return what a model card says of a comparison and of the decision on it."""
    judge = cards.judge_name(params, compared.version)
    served_as = compared.sides[compared.version.uri][DECIDING].served_as
    asked = served_as.words if served_as else ""
    return Verdict(compared.comparison, decision, params.split, judge, compared.run_id, asked)


def _versions(params: CompareParams) -> tuple[Version, Version]:
    """Return the version and what it is compared against, which must be of one registered model."""
    registry = open_registry()
    against = params.against
    version = registry.get(address_of(params))
    other = registry.get(f"models:/{version.name}@{CHAMPION}" if against == CHAMPION else against)
    if version.name != other.name:
        raise ConfigError(f"{version.uri} and {other.uri} belong to different data or bases and cannot be compared")
    if version.number == other.number:
        raise ConfigError(f"{version.uri} is {params.against} already: there is nothing to compare it with")
    return version, other


def evaluate_side(params: CompareParams, version: Version, workspace: Workspace) -> dict[str, Evaluation]:
    """Return the evaluation of one side in each context."""
    found = evaluate.run(params.pick(EvaluateParams, model=version.uri), workspace)
    return {evaluation.context: evaluation for evaluation in found}


def _questions(
    params: CompareParams, evaluations: Mapping[str, Evaluation], workspace: Workspace
) -> Sequence[Question]:
    """Return the questions that the deciding context asked."""
    decisive = evaluations.get(DECIDING)
    if decisive is None:
        raise ConfigError(f"context is {params.context}: the verdict is given in the context {DECIDING}, add it")
    asked = {row.id for row in decisive.rows}
    preparation = prepare.ensure(params, workspace)
    return [question for question in preparation.splits[params.split] if question.id in asked]  # type: ignore[index]


def _side(version: Version, evaluations: Mapping[str, Evaluation]) -> Side:
    return Side(
        name=version.uri,
        conditions=evaluations[DECIDING].conditions,
        scores={
            context: {
                criterion: {row.id: score.value for row, score in zip(found.rows, scores, strict=True)}
                for criterion, scores in found.scores.items()
            }
            for context, found in evaluations.items()
        },
        lengths={
            context: {row.id: float(row.facts["answer_tokens"]) for row in found.rows}
            for context, found in evaluations.items()
        },
        refusals={
            context: {row.id: float(abstains(row.answer)) for row in found.rows}
            for context, found in evaluations.items()
        },
    )


def _advisory(sides: Mapping[str, Mapping[str, Evaluation]]) -> tuple[str, ...]:
    """Return why the judge is only advisory: canaries that fooled it, or too little known of its worth on this data."""
    decisive = [evaluations[DECIDING] for evaluations in sides.values()]
    fooled = [problem for evaluation in decisive for problem in evaluation.advisory]
    people = [calibration for evaluation in decisive for calibration in evaluation.calibrations.values()]
    judged = tuple(decisive[0].scores)
    truth = [found for name in judged if (found := _beside_truth(name, decisive)) is not None]
    return tuple(dict.fromkeys([*fooled, *reasons_against(judged, people, truth)]))


def _beside_truth(criterion: str, decisive: Sequence[Evaluation]) -> Calibration | None:
    """Return how the judge did beside the programmatic truth under a criterion; None where there is no such truth."""
    measure = TRUTH_OF.get(criterion, "")
    rows = [
        (score.value, row.numbers[measure], row.documents or row.question)
        for evaluation in decisive
        for row, score in zip(evaluation.rows, evaluation.scores[criterion], strict=True)
        if row.numbers.get(measure) is not None
    ]
    if not rows:
        return None
    scores, truths, groups = zip(*rows, strict=True)
    return calibrate(criterion, scores, truths, groups, measure, TRUTH)


def _tell_causes(comparison: Comparison, everything: str, workspace: Workspace) -> None:
    """Say where the change comes from, or how to find out; the change of length stands beside it."""
    for name, term in comparison.equal_length.items():
        workspace.say(f"  - {name}: {term.words}, if longer answers score higher in a straight line")
    for found in comparison.attributions:
        workspace.say(f"  - {found.conclusion}")
        for term in found.terms:
            workspace.say(f"      {term.words}")
        for context, length in found.lengths.items():
            workspace.say(f"      in the context {context}, {length.words}")
        for context, refusals in found.refusals.items():
            workspace.say(f"      in the context {context}, {refusals.words}")
    asked = {result.context for result in comparison.results}
    if missing := [context for context in CONTEXTS if context not in asked]:
        workspace.say(f"  - where the change comes from also needs the contexts {', '.join(missing)}: {everything}")


def _log(params: CompareParams, version: Version, against: Version, comparison: Comparison, decision: Decision) -> None:
    lineage = version.lineage
    variant = f"{_short(version)} against v{against.number}"
    tracking.name_run(
        tracking.run_name(lineage.data, lineage.samples, variant),
        {
            "ragft.version": version.uri,
            "ragft.against": against.uri,
            "ragft.split": params.split,
            "ragft.compared_data": comparison.conditions["data"],
            "ragft.verdict": decision.outcome,
            "ragft.comparison": comparison.sha256,
            "mlflow.note.content": note(decision),
        },
    )
    mlflow.log_dict(json.loads(json.dumps(comparison.to_dict())), "comparison.json")
    mlflow.log_dict(dataclasses.asdict(decision), "decision.json")
    for result in comparison.primaries:
        if result.effect is not None:
            mlflow.log_metrics(
                {
                    f"change_{result.criterion}": result.effect.gain,
                    f"change_{result.criterion}_low": result.bounds.low,
                    f"change_{result.criterion}_high": result.bounds.high,
                    f"change_{result.criterion}_n": float(result.missing.asked - result.missing.dropped),
                }
            )


def _short(version: Version) -> str:
    return f"{version.lineage.variant} v{version.number}"


def _say(sides: Mapping[str, Mapping[str, Evaluation]], decision: Decision, workspace: Workspace) -> None:
    workspace.say("")
    for line in metric_table({name: evaluations[DECIDING].metrics for name, evaluations in sides.items()}):
        workspace.say(line)
    workspace.say("")
    workspace.say(decision.headline)
    for sentence in (*decision.reasons, *decision.would_change):
        workspace.say(f"  - {sentence}")
