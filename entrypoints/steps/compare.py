"""Compare: evaluate both sides under the same conditions, and say what the difference allows."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from entrypoints.steps import evaluate
from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.knowledge.probed import knowledge_slices
from entrypoints.steps.reporting import cards, planning, report, verdicts
from entrypoints.steps.shared import guards, integrity
from entrypoints.steps.shared.compared import (
    Compared,
    OneAfterAnother,
    Sides,
    ToCompare,
    Turns,
    decisive,
)
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.labelled import find_people
from entrypoints.steps.shared.model_under_test import require_held_out, settle
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.primaries import asked_by, settle_primaries
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.sources import require_name
from entrypoints.steps.shared.verifiers import (
    CHECKED,
    ChecksFor,
    checks_of_other_side,
    checks_of_version,
    with_checks,
)
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.verdict.attribution import ORDER as ATTRIBUTED
from ragft.analysis.verdict.compare import Findings
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.power import Spread
from ragft.analysis.verdict.slices import slices_of
from ragft.errors import ConfigError
from ragft.params.scoring import EvaluateParams
from ragft.params.searches import RemedyParams
from ragft.params.values import DEFAULT_DATASET, NO_JUDGE
from ragft.params.verdict import CompareParams, VerdictParams
from ragft.prompts.criterion import load_criteria
from ragft.report.advice import remedy_command
from ragft.report.words import NEEDS_EVIDENCE
from ragft.store.trials import begin_trial, find_trials, settle_trial
from ragft.types import DECIDING, Question, digest
from registry.card import Verdict, note
from registry.gate import Decision, Policy, decide
from registry.versions import CHALLENGER, CHAMPION, Version, registered_name


def run(params: CompareParams, workspace: Workspace, turns: Turns | None = None) -> Compared:
    """Return the verdict on a version against another; what both sides lack is computed first.

    ``turns`` says which side comes first, and knows sides that were evaluated with these parameters before.

    Raises:
        ConfigError: If the two sides do not share data, base, judge, estimator, retrieval or messages.
        PrerequisiteError: If one of the versions is not in the registry.
        RejectedError: If the verdict is reject and ``on_reject`` is fail.
    """
    require_name(params, workspace.store)
    version, against = versions_of(params)
    settled = settle(params, version)
    tags = {"ragft.step": "compare"}
    with step_run(settled, f"{settled.data_name}|compare", tags, workspace.home) as run_:
        task = _task(settled, params, version, against, workspace)
        spreads = planning.before(task, workspace)
        sides = _evaluate_sides(task, turns or OneAfterAnother(), workspace)
        comparison = _compare(task, sides, spreads, workspace)
        decision = decide(comparison, Policy(advisory=settled.advisory))
        compared = Compared(version, against, sides, comparison, decision, run_.info.run_id)
        _log(task, compared, workspace)
        tell(task, compared, spreads, workspace)
        _report(task, compared, workspace)
    verdicts.fail_if_rejected(params, decision)
    return compared


def look(params: CompareParams, workspace: Workspace, turns: Turns | None = None) -> Comparison:
    """Return the comparison alone, as `run` makes it: nothing is decided, reported, or noted of the version.

    The ledger counts it all the same.

    Raises:
        ConfigError: As `run` does.
        PrerequisiteError: As `run` does.
    """
    version, against = versions_of(params)
    task = _task(settle(params, version), params, version, against, workspace)
    return _compare(task, _evaluate_sides(task, turns or OneAfterAnother(), workspace), {}, workspace)


def both_sides(
    settled: CompareParams, version: Version, against: Version, workspace: Workspace
) -> tuple[ToCompare, Sides]:
    """Return what a comparison would compare, computed where it lacks; the verdict is not looked at."""
    task = _task(settled, settled, version, against, workspace)
    return task, _evaluate_sides(task, OneAfterAnother(), workspace)


def address_of(params: VerdictParams | RemedyParams) -> str:
    """Return the version's address; ``challenger`` alone is that of the data set and base."""
    if params.model != CHALLENGER:
        return params.model
    name = registered_name(params.data_name or DEFAULT_DATASET, params.base or "pocket")
    return f"models:/{name}@{CHALLENGER}"


def verdict_of(compared: Compared, decision: Decision, params: VerdictParams) -> Verdict:
    """Return what a model card says of a comparison and of the decision on it."""
    judge = cards.judge_name(params, compared.version)
    served_as = compared.sides[compared.version.uri][DECIDING].served_as
    asked = served_as.words if served_as else ""
    if CHECKED in compared.comparison.conditions:
        asked += "; what its verifier did not let leave counted as an abstention"
    return Verdict(compared.comparison, decision, params.split, judge, compared.run_id, asked)


def _task(
    settled: CompareParams, given: CompareParams, version: Version, against: Version, workspace: Workspace
) -> ToCompare:
    """Return what is to be compared, and say what will decide before anything is computed."""
    for each in (version, against):
        require_held_out(each, settled, workspace)
    preparation = ensure_prepared(settled, workspace)
    criteria = load_criteria(settled.criteria) if settled.judge != NO_JUDGE else ()
    questions = preparation.splits[settled.split]  # type: ignore[index]  # checked by the params
    design = Design(settle_primaries(settled, criteria, questions), margin_share=settled.margin)
    verdicts.announce(design, settled, workspace)
    return ToCompare(settled, preparation, given, version, against, criteria, design)


def versions_of(params: VerdictParams) -> tuple[Version, Version]:
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


def _evaluate_sides(task: ToCompare, turns: Turns, workspace: Workspace) -> Sides:
    """Return version's address -> context -> evaluation, the base's first."""

    def evaluated(side: Version, checks: ChecksFor | None) -> Mapping[str, Evaluation]:
        asked = task.params.pick(EvaluateParams, model=side.uri)
        return {found.context: found for found in evaluate.run(asked, workspace, task.preparation, checks)}

    both = (task.against, task.version)
    checks: dict[Version, ChecksFor | None] = {}
    with ExitStack() as stack:
        if task.params.verify:
            # The version comes first: its promise may turn out not to be one of such answers.
            checks[task.version] = checks_of_version(task.version, task.params, workspace, stack)
            checks[task.against] = checks_of_other_side(task.against, task.params, workspace, stack)
        asked = tuple(checks) or both
        sides = {
            side.uri: turns.evaluate(side, partial(evaluated, side, checks.get(side))) for side in turns.order(asked)
        }
    return with_checks({side.uri: sides[side.uri] for side in both}, task.version.uri)


def _compare(task: ToCompare, sides: Sides, spreads: Mapping[str, Spread], workspace: Workspace) -> Comparison:
    """Return the comparison of both sides on the questions that the deciding context asked."""
    version, against = task.version, task.against
    questions = questions_of(task, sides)
    deciding = decisive(sides)
    data = deciding[version.uri].conditions["data"]
    doubts = verdicts.doubts(task, sides, deciding)
    return verdicts.compare_sides(
        task,
        sides,
        questions,
        guard_rates=guards.rates(task, sides, forgetting.remembered(version, against)),
        slices={**slices_of(questions), **knowledge_slices(questions, version, workspace)},
        findings=Findings(
            checks=integrity.checks(task.params, version, against, deciding, task.design.primary),
            advisory=doubts.advisory,
            outcomes_judged=doubts.outcomes_judged,
            tried=len(begin_trial(workspace.store, data, _identity(task), version.uri)),
            spreads=spreads,
            health=doubts.health,
            people=find_people(task, deciding, workspace),
        ),
    )


def _identity(task: ToCompare) -> str:
    """Return what is compared, whatever it is called: with its verifier a version is another one."""
    version = task.version
    return digest([version.identity, version.promise]) if task.params.verify else version.identity


def questions_of(task: ToCompare, sides: Sides) -> Sequence[Question]:
    """Return the questions that the deciding context asked and the primaries ask."""
    params, asking = task.params, sides[task.version.uri].get(DECIDING)
    if asking is None:
        raise ConfigError(f"context is {params.context}: the verdict is given in the context {DECIDING}, add it")
    asked = {row.id for row in asking.rows}
    return [question for question in asked_by(task.design.primary, task.questions) if question.id in asked]


def _tell_causes(comparison: Comparison, everything: str, workspace: Workspace) -> None:
    """Say where the change comes from, or how to find out."""
    for found in comparison.attributions:
        workspace.say(f"  - {found.conclusion}")
        for term in found.terms:
            workspace.say(f"      {term.words}")
        for context, length in found.lengths.items():
            workspace.say(f"      in the context {context}, {length.words}")
        for context, refusals in found.refusals.items():
            workspace.say(f"      in the context {context}, {refusals.words}")
    asked = {result.context for result in comparison.results}
    missing = [context for context in ATTRIBUTED if context not in asked]
    if missing and not everything:
        workspace.say(f"  - where the change comes from also needs {NEEDS_EVIDENCE}")
    elif missing:
        workspace.say(f"  - where the change comes from also needs the contexts {', '.join(missing)}: {everything}")


def _log(task: ToCompare, compared: Compared, workspace: Workspace) -> None:
    """Keep the verdict: in the run, on the version's card, and among the trials on these data."""
    version, comparison, decision = compared.version, compared.comparison, compared.decision
    lineage = version.lineage
    tracking.name_run(
        tracking.run_name(lineage.data, lineage.samples, f"{version.short} against v{compared.against.number}"),
        {
            "ragft.version": version.uri,
            "ragft.against": compared.against.uri,
            "ragft.split": task.params.split,
            "ragft.compared_data": comparison.conditions["data"],
            "ragft.verdict": decision.outcome,
            "ragft.comparison": comparison.sha256,
            "mlflow.note.content": note(decision),
        },
    )
    verdicts.log(comparison, decision)
    text = cards.log(version, verdict_of(compared, decision, task.params))
    if not cards.is_decided(version):
        open_registry().describe(version, text)
    settle_trial(workspace.store, comparison.conditions["data"], _identity(task), decision.outcome, decision.comparison)


def tell(task: ToCompare, compared: Compared, spreads: Mapping[str, Spread], workspace: Workspace) -> None:
    """Say the verdict and what it rests on, what the comparison could show, and where the change comes from."""
    verdicts.tell(task, compared.sides, compared.comparison, compared.decision, spreads, workspace)
    _tell_causes(compared.comparison, report.all_contexts(task, compared.version), workspace)
    if remedy := remedy_command(compared.comparison, compared.decision.outcome, report.situation_of(task)):
        workspace.say(f"  - what may mend it: {remedy}")


def _report(task: ToCompare, compared: Compared, workspace: Workspace) -> None:
    """Log the report and say where it lies, and what the adapter forgot."""
    questions = questions_of(task, compared.sides)
    trials = find_trials(workspace.store, compared.comparison.conditions["data"])
    path = report.log(task, compared, questions, trials, workspace.home)
    workspace.say(f"report: {path.as_uri()}")
    forgetting.tell(compared.version, workspace, "  - ")
