"""Compare two files of answers: the verdict on what other systems answered, without a model or a registry."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import mlflow

from entrypoints.steps.reporting import file_report, verdicts
from entrypoints.steps.reporting.file_report import ComparedFiles, FilesToCompare, data_name
from entrypoints.steps.shared import guards, integrity, judges, outcomes, scoring, traces
from entrypoints.steps.shared.answer_files import question_of, scored
from entrypoints.steps.shared.compared import Sides, decisive
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.guards import Remembered
from entrypoints.steps.shared.judges import Judge
from entrypoints.steps.shared.labelled import find_people
from entrypoints.steps.shared.model_under_test import settle
from entrypoints.steps.shared.primaries import asked_by, settle_primaries
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.verdict.compare import Findings
from ragft.analysis.verdict.comparison import Check, Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.slices import slices_of
from ragft.data.answer_pairs import AnswerFile, AnswerPairs, named, pair_answers, read_two
from ragft.data.answers import AnswerRow
from ragft.errors import DataError
from ragft.judging.overlap import OVERLAP
from ragft.params.values import NO_JUDGE
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import Criterion, load_criteria
from ragft.store.trials import begin_trial, find_trials, settle_trial
from ragft.types import AS_ANSWERED, Question, Score
from registry.card import note
from registry.gate import Policy, decide

UNKNOWN = "not known"
NOTHING_REMEMBERED = "files of answers do not show what a model knew before"


def run(params: CompareParams, workspace: Workspace) -> ComparedFiles:
    """Return the verdict on the file ``answers`` against the file ``against``.

    Raises:
        ConfigError: If a file is not there, both are one, or a primary is not measured.
        DataError: If a file cannot be read, or the two cannot be held against each other.
        RejectedError: If the verdict is reject and ``on_reject`` is fail.
    """
    version, against = read_two(Path(params.answers), Path(params.against))
    pairs = pair_answers(version, against)
    name = tracking.run_name(data_name(params), 0, f"{version.short} against {against.short}")
    tags = {"ragft.step": "compare", "ragft.version": version.uri, "ragft.against": against.uri}
    with step_run(params, name, tags, workspace.home) as run_:
        task = _task(params, version, against, pairs)
        verdicts.announce(task.design, task.params, workspace)
        for check in _to_be_told(task, pairs):
            workspace.say(f"note: {check.name}: {check.detail}")
        sides = _evaluate_sides(task, pairs, workspace)
        comparison = _compare(task, pairs, sides, workspace)
        decision = decide(comparison, Policy(advisory=params.advisory))
        compared = ComparedFiles(version, against, sides, comparison, decision, run_.info.run_id)
        _log(compared, workspace)
        verdicts.tell(task, sides, comparison, decision, {}, workspace)
        trials = find_trials(workspace.store, comparison.conditions["data"])
        workspace.say(f"report: {file_report.log(task, compared, trials, workspace.home).as_uri()}")
    verdicts.fail_if_rejected(params, decision)
    return compared


def both_sides(params: CompareParams, workspace: Workspace) -> tuple[FilesToCompare, Sides]:
    """Return what a comparison would compare, judged where that was not done; the verdict is not looked at."""
    version, against = read_two(Path(params.answers), Path(params.against))
    pairs = pair_answers(version, against)
    task = _task(params, version, against, pairs)
    return task, _evaluate_sides(task, pairs, workspace)


def _task(params: CompareParams, version: AnswerFile, against: AnswerFile, pairs: AnswerPairs) -> FilesToCompare:
    """Return what is to be compared, and by what."""
    settled = settle(params, None)
    criteria = load_criteria(settled.criteria) if settled.judge != NO_JUDGE else ()
    questions = [question_of(row) for row in pairs.base]
    if not criteria and all(row.answerable is None for row in pairs.base):
        raise DataError(
            f"no row of {version.path} or {against.path} has a reference, and judge is {NO_JUDGE}: give rows an "
            "expected_output, or name a judge (-P judge=...)"
        )
    told = questions if criteria else _with_reference(questions)
    design = Design(settle_primaries(settled, criteria, told), AS_ANSWERED, margin_share=settled.margin)
    task = FilesToCompare(settled, params, version, against, criteria, design, questions, _passages(pairs))
    if not questions_of(task):
        raise DataError(
            f"no row of {version.path} or {against.path} has a reference by which {', '.join(design.primary)} can be "
            "told: give rows an expected_output, or name other primaries (-P primary=...)"
        )
    return task


def _passages(pairs: AnswerPairs) -> str:
    """Return, as the end of a sentence, whether both sides saw the same passages, as far as the files say."""
    both = [(one.context, other.context) for one, other in zip(pairs.version, pairs.base, strict=True)]
    known = [(one, other) for one, other in both if one and other]
    if not known:
        return "whether they saw the same passages is not known, since the files do not both carry them"
    same = sum(one == other for one, other in known)
    said = f"their passages are equal in {same:,} of {len(known):,} questions"
    if unknown := len(both) - len(known):
        said += f", and not known in {unknown:,} more"
    return said if same == len(known) else f"{said}, so the change is that of retrieval and model together"


def _evaluate_sides(task: FilesToCompare, pairs: AnswerPairs, workspace: Workspace) -> Sides:
    """Return name -> the evaluation of that file's answers, the base's first, each in a run of its own."""
    sides = {}
    with ExitStack() as stack:
        judge = judges.open_judge(task.params, None, workspace, stack)
        criteria = judges.with_judges_steps(task.criteria, judge, workspace)
        for file, rows in ((task.against, pairs.base), (task.version, pairs.version)):
            with step_run(
                task.given,
                tracking.run_name(data_name(task.params), 0, file.short),
                {"ragft.step": "evaluate", "ragft.model": "answers"},
                workspace.home,
            ):
                found = _evaluate(task, rows, (judge, criteria), workspace)
                conditions = {"data": pairs.identity, "retrieval": UNKNOWN, "messages": UNKNOWN}
                found = dataclasses.replace(
                    found,
                    name=file.short,
                    context=AS_ANSWERED,
                    conditions={**found.conditions, **conditions},
                    data_sha256=file.sha256,
                    calibrations=judges.known_calibrations(workspace.store, judge, criteria, task.params, file.sha256),
                    model=file.short,
                )
                traces.write(found, task.params, workspace)
            sides[file.uri] = {AS_ANSWERED: found}
    return sides


def _evaluate(
    task: FilesToCompare,
    answers: Sequence[AnswerRow],
    judging: tuple[Judge | None, Sequence[Criterion]],
    workspace: Workspace,
) -> Evaluation:
    """Return the scores of a file's answers; a question without one is a row without a score."""
    judge, criteria = judging
    rows = [_bare(row) if _words_alone(task) else row for row in map(scored, answers)]
    given, lacking = ([row for row in rows if row.given is wanted] for wanted in (True, False))
    found = scoring.score(given, criteria, judge, task.params, workspace)
    numbers = dict.fromkeys(found.rows[0].numbers)
    return dataclasses.replace(
        found,
        rows=[*found.rows, *(dataclasses.replace(row, numbers=numbers) for row in lacking)],
        scores={name: [*scores, *(Score(name, None) for _ in lacking)] for name, scores in found.scores.items()},
    )


def _words_alone(task: FilesToCompare) -> bool:
    """Return whether only shared words decide."""
    return not task.criteria and set(task.design.primary) <= OVERLAP.keys()


def _bare(row: Scored) -> Scored:
    """Return a row without the reference "Unanswerable", of which a right refusal need not share a word."""
    return row if row.facts["answerable"] else dataclasses.replace(row, references=())


def questions_of(task: FilesToCompare) -> list[Question]:
    """Return the questions that the primaries ask: by a rule, only those of which it is known what is right."""
    asked = asked_by(task.design.primary, task.questions)
    return _with_reference(asked) if _by_rule(task) else asked


def _by_rule(task: FilesToCompare) -> bool:
    """Return whether no judge has a say in the primaries."""
    primary = set(task.design.primary)
    judged = "right" in primary and outcomes.judging(task.criteria)
    return not judged and primary.isdisjoint(criterion.name for criterion in task.criteria)


def _with_reference(questions: Sequence[Question]) -> list[Question]:
    return [question for question in questions if question.references]


def _compare(task: FilesToCompare, pairs: AnswerPairs, sides: Sides, workspace: Workspace) -> Comparison:
    questions, deciding = questions_of(task), decisive(sides, AS_ANSWERED)
    version, doubts = task.version, verdicts.doubts(task, sides, deciding)
    return verdicts.compare_sides(
        task,
        sides,
        questions,
        guard_rates=guards.rates(task, sides, Remembered(unmeasured=NOTHING_REMEMBERED), guards.NO_ROW),
        slices=slices_of(questions),
        findings=Findings(
            checks=(
                *_checks(task, pairs),
                *integrity.of_rule(deciding, task.design.primary),
                *integrity.of_judge(deciding),
            ),
            advisory=doubts.advisory,
            outcomes_judged=doubts.outcomes_judged,
            tried=len(begin_trial(workspace.store, pairs.identity, version.identity, version.uri)),
            health=doubts.health,
            people=find_people(task, deciding, workspace),
        ),
    )


def _checks(task: FilesToCompare, pairs: AnswerPairs) -> tuple[Check, ...]:
    """Return what could be checked of the files, and what they do not tell."""
    return (
        _same_questions(pairs),
        *_references(task, pairs),
        *_lacking(task, pairs),
        *_same_answers(pairs),
        Check("passages", True, task.passages, unknown=task.passages.startswith("whether")),
        Check("prompt and model", True, "files of answers do not say which model answered, or how it was asked", True),
        _groups(pairs),
    )


def _to_be_told(task: FilesToCompare, pairs: AnswerPairs) -> Iterator[Check]:
    """Yield the checks that tell of something missing or odd."""
    if any(pairs.only.values()):
        yield _same_questions(pairs)
    yield from _references(task, pairs)
    yield from _lacking(task, pairs)
    yield from _same_answers(pairs)
    if pairs.regrouped:
        yield _groups(pairs)


def _same_questions(pairs: AnswerPairs) -> Check:
    alone = [f"{len(keys):,} only in {name}: {named(keys)}" for name, keys in pairs.only.items() if keys]
    both = len(pairs.base) - sum(map(len, pairs.only.values()))
    left = f"; {'; '.join(alone)}; the other file has no answer to them" if alone else ""
    return Check("same questions", True, f"{both:,} in both files, joined by {pairs.joined_by}{left}")


def _references(task: FilesToCompare, pairs: AnswerPairs) -> list[Check]:
    took = [f"{count:,} of {name}" for name, count in pairs.unreferenced.items() if count]
    none = sum(row.answerable is None for row in pairs.base)
    said = [f"rows without a reference took that of the other file: {', '.join(took)}"] if took else []
    if none:
        left = f", so {', '.join(task.design.primary)} does not ask them" if _by_rule(task) else ""
        said.append(f"{none:,} of {len(pairs.base):,} questions have no reference in either file{left}")
    return [Check("references", True, "; ".join(said))] if said else []


def _lacking(task: FilesToCompare, pairs: AnswerPairs) -> list[Check]:
    sides = ((task.against.short, pairs.base), (task.version.short, pairs.version))
    by_id = pairs.joined_by == "id"
    lacking = {name: [row.id if by_id else row.input for row in rows if not row.given] for name, rows in sides}
    said = [
        f"{name} has none for {len(ids):,} of {len(pairs.base):,}: {named(ids)}" for name, ids in lacking.items() if ids
    ]
    return [Check("answers", True, f"{'; '.join(said)}; they are unscored")] if said else []


def _same_answers(pairs: AnswerPairs) -> list[Check]:
    """Return, as a note that fails nothing, that one file may be a copy of the other."""
    detail = f"none: all {len(pairs.base):,} are the same words in both files, so there is nothing to compare"
    return [Check("different answers", True, detail)] if pairs.equal else []


def _groups(pairs: AnswerPairs) -> Check:
    count, without = len(pairs.regrouped), sum(not row.documents for row in pairs.base)
    other = f"; the files name different documents for {count:,}: {named(pairs.regrouped)}; they count with all of them"
    regrouped = other if count else ""
    if not without:
        detail = f"questions about one document count as one group{regrouped}"
        return Check("independent groups", True, detail)
    which = "no row names its document" if without == len(pairs.base) else f"{without:,} rows name no document"
    detail = (
        f"{which}, so each such question counts as a group of its own; where several are about one document, the "
        f"intervals are too narrow{regrouped}"
    )
    return Check("independent groups", True, detail, unknown=True)


def _log(compared: ComparedFiles, workspace: Workspace) -> None:
    """Keep the verdict: in the run, and among the trials on these questions."""
    comparison, decision = compared.comparison, compared.decision
    tags = {
        "ragft.compared_data": comparison.conditions["data"],
        "ragft.verdict": decision.outcome,
        "ragft.comparison": comparison.sha256,
        "mlflow.note.content": note(decision),
    }
    mlflow.set_tags(tags)
    verdicts.log(comparison, decision)
    settle_trial(
        workspace.store, comparison.conditions["data"], compared.version.identity, decision.outcome, decision.comparison
    )
