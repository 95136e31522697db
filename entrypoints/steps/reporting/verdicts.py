"""What every comparison does, of versions or of files of answers: settle, compare, log, tell."""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import mlflow

from entrypoints.steps.reporting import planning
from entrypoints.steps.reporting.tables import metric_table
from entrypoints.steps.shared import guards, integrity
from entrypoints.steps.shared.compared import Sides, Task, decisive, judged_side, side_of
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.health import health_of
from entrypoints.steps.shared.outcomes import judged_right_or_wrong
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verdict.compare import Findings, compare
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.guards import FALSE_ANSWERS, GuardRates
from ragft.analysis.verdict.health import Health
from ragft.analysis.verdict.power import Spread
from ragft.errors import RejectedError
from ragft.judging.advisory import why_advisory
from ragft.judging.outcomes import JUDGED_BY
from ragft.params.verdict import CompareParams, LabelParams
from ragft.report.advice import next_command
from ragft.report.words import sentence
from ragft.types import Question
from registry.gate import Decision
from registry.recommendation import short

# By whom a change is logged, where people scored some of the answers.
WHO = ("judge_alone", "people_alone", "together")


def announce(design: Design, params: CompareParams, workspace: Workspace) -> None:
    """Say what will decide, before anything is computed."""
    named = [f"{guard} (margin {margin:g} points)" for guard, margin in params.guard_margins().items()]
    workspace.say(f"primaries: {', '.join(design.primary)}; guards: {', '.join(named) or 'none'}")


def compare_sides(
    task: Task,
    sides: Sides,
    questions: Sequence[Question],
    *,
    guard_rates: Sequence[GuardRates],
    slices: Mapping[str, Collection[str]],
    findings: Findings,
) -> Comparison:
    """Return the comparison of both sides on ``questions``."""
    version, against = task.version, task.against
    return compare(
        side_of(against, sides[against.uri], task),
        side_of(version, sides[version.uri], task),
        questions,
        task.measures,
        guards=guard_rates,
        slices=slices,
        design=task.design,
        findings=findings,
    )


@dataclass(frozen=True)
class Doubts:
    """What is to be said of the judge and of the comparison before its numbers count.

    Attributes:
        advisory: Why the judge is only advisory; empty where none of its scores decides.
        outcomes_judged: The primaries and guards for which it also says which answers are right.
        health: Whether the comparison is to be believed at all.
    """

    advisory: tuple[str, ...]
    outcomes_judged: tuple[str, ...]
    health: Health


def doubts(task: Task, sides: Sides, deciding: Mapping[str, Evaluation]) -> Doubts:
    """Return what is to be said of the judge, under the criteria whose scores decide."""
    outcomes_judged = tuple(_judged_by_outcome(task, sides, deciding))
    first = next(iter(deciding.values()))
    names = [
        criterion.name
        for criterion in task.criteria
        if criterion.name in task.design.primary or (outcomes_judged and criterion.name == JUDGED_BY)
    ]
    judged = [name for name in names if name in first.scores]
    return Doubts(
        why_advisory([judged_side(each) for each in deciding.values()], judged) if judged else (),
        outcomes_judged,
        health_of({short(uri): each for uri, each in deciding.items()}, judged),
    )


def _judged_by_outcome(task: Task, sides: Sides, deciding: Mapping[str, Evaluation]) -> Iterator[str]:
    """Yield the primary and the guard that rest on answers which only the judge calls right or wrong.

    It can excuse a false answer, by calling it right. What it calls wrong counts as false without it, too.
    """
    if "right" in task.design.primary and any(judged_right_or_wrong(each.rows) for each in deciding.values()):
        yield "right"
    if FALSE_ANSWERS in task.params.guard_margins() and any(
        row.guard == "false_answer" and row.outcome == "right"
        for contexts in sides.values()
        for each in contexts.values()
        for row in judged_right_or_wrong(each.rows)
    ):
        yield FALSE_ANSWERS


def log(comparison: Comparison, decision: Decision) -> None:
    """Log the comparison, the decision, and the numbers that both rest on."""
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
    for found in comparison.corrected:
        for who, each in zip(WHO, (found.judge, found.people, found.both), strict=True):
            if each is not None:
                numbers = {"": each.change, "_low": each.low, "_high": each.high}
                mlflow.log_metrics({f"change_{found.criterion}_{who}{end}": value for end, value in numbers.items()})
    mlflow.log_metrics(guards.metrics(comparison))


def tell(
    task: Task,
    sides: Sides,
    comparison: Comparison,
    decision: Decision,
    spreads: Mapping[str, Spread],
    workspace: Workspace,
) -> None:
    """Say the verdict, what it rests on, and what the comparison could show."""
    deciding = decisive(sides, task.design.context)
    workspace.say("")
    for line in metric_table({each.short: deciding[each.uri].metrics for each in (task.against, task.version)}):
        workspace.say(line)
    workspace.say("")
    tell_summary(decision, workspace)
    if comparison.belief:
        workspace.say(f"  {'Believable?':13} {sentence(comparison.belief)}")
    workspace.say(decision.headline)
    for reason in (*decision.reasons, *decision.would_change):
        workspace.say(f"  - {reason}")
    for line in _people(comparison):
        workspace.say(f"  {line}")
    if not comparison.faults:
        planning.tell_after(comparison, spreads, workspace)
    if warning := integrity.padding_warning(deciding):
        workspace.say(f"  - warning: {warning}")
    corrected = {found.criterion for found in comparison.corrected if found.decides}
    if warning := integrity.rule_warning(deciding, set(task.design.primary) - corrected):
        workspace.say(f"  - warning: {warning}: {_asking_people(task)}")
    for name, term in comparison.equal_length.items():
        workspace.say(f"  - {name}: {term.words}, if longer answers score higher in a straight line")


def _asking_people(task: Task) -> str:
    """Return the command that asks people what is right."""
    of = {} if task.given.answers.strip() else {"model": task.version.uri}
    return next_command("label", task.given, LabelParams, primary="right", **of)


def _people(comparison: Comparison) -> list[str]:
    """Return what the judge, people and both say, as lines of a table; none where people said nothing."""
    rows = [(each.criterion, who, found) for each in comparison.corrected for who, found in each.rows]
    if not rows:
        return []
    lines = [f"{'':16}{'by':20}{'change':>8}  95 % interval"]
    return [
        *lines,
        *(f"{name:16}{who:20}{each.change:>+8.2f}  {each.low:+.2f} to {each.high:+.2f}" for name, who, each in rows),
    ]


def tell_summary(decision: Decision, workspace: Workspace) -> None:
    """Say the recommendation and the three questions behind it."""
    workspace.say(f"{decision.summary.title}.")
    for question, answer in decision.summary.lines:
        workspace.say(f"  {question:13} {answer}")


def fail_if_rejected(params: CompareParams, decision: Decision) -> None:
    """End with the exit code of a rejection, where the caller asked for that.

    Raises:
        RejectedError: If the verdict is reject and ``on_reject`` is fail.
    """
    if decision.outcome == "reject" and params.on_reject == "fail":
        raise RejectedError(f"{decision.summary.title} ({decision.headline})")
