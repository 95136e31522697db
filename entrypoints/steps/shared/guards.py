"""The rates of harm of both sides: what was answered without support, refused without need, and forgotten."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from entrypoints.steps.shared.compared import Sides, Task
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING, GuardRates
from ragft.retrieval.withheld import can_be_withheld
from ragft.types import AS_ANSWERED, DECIDING, WITHHELD

# Guard -> the number of a row that it counts.
COUNTED = {FALSE_ANSWERS: "false_answer", FALSE_REFUSALS: "false_refusal"}
NO_QUESTION = {
    FALSE_ANSWERS: f"no question without an answer was asked, and none in the context {WITHHELD} (-P context=...)",
    FALSE_REFUSALS: "no question with an answer was asked",
}
WITHHELD_LACKS = (
    f"no question without an answer was asked, and the context {WITHHELD}, which asks others with passages that do not "
    "hold the answer, is not available: "
)
NO_ROW = {
    FALSE_ANSWERS: "no row asks what has no answer (an empty expected_output, or answerable false)",
    FALSE_REFUSALS: "no row has a reference",
}
NEVER = (
    "neither side abstained in any of {n:,} answers, so whether it would where nothing is to be found cannot be told "
    "(abstentions are recognised by English wording)"
)


@dataclass(frozen=True)
class Remembered:
    """What both sides answered about what was not trained on: question id -> whether it was right.

    Attributes:
        unmeasured: Why nothing is known, as the end of a sentence; "" where it is.
    """

    base: Mapping[str, bool] = field(default_factory=dict)
    version: Mapping[str, bool] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    unmeasured: str = ""


def rates(
    task: Task, sides: Sides, remembered: Remembered, no_question: Mapping[str, str] = NO_QUESTION
) -> tuple[GuardRates, ...]:
    """Return what each guard that was asked for saw, those that could not be measured included.

    ``no_question`` is guard -> why it saw none, as the end of a sentence.
    """
    labels = cluster(task.questions).labels
    pair = sides[task.against.uri], sides[task.version.uri]
    answers = [row for side in pair for evaluation in side.values() for row in evaluation.rows]
    found = []
    for name, margin in task.params.guard_margins().items():
        if name == FORGETTING:
            found.append(_forgetting(remembered, margin))
            continue
        base, version = ({row.id: row.numbers.get(COUNTED[name]) for row in _counted(side, name)} for side in pair)
        both = base.keys() & version.keys()
        why = "" if both else (name == FALSE_ANSWERS and _without_withheld(task)) or no_question[name]
        if both and not any(row.abstained for row in answers):
            why = NEVER.format(n=len(answers))
        if why:
            found.append(GuardRates(name, margin=margin, unmeasured=why))
        else:
            one, other = ({each: side[each] for each in both} for side in (base, version))
            found.append(GuardRates(name, one, other, {each: labels[each] for each in both}, margin))
    return tuple(found)


def _without_withheld(task: Task) -> str:
    """Return what is missing for the context withheld, as the end of a sentence; "" where it was not asked for."""
    if task.params.answers.strip() or WITHHELD not in task.params.contexts():
        return ""
    if not any(can_be_withheld(question) for question in task.questions):
        return f"{WITHHELD_LACKS}the questions do not name their documents (the column documents)"
    return f"{WITHHELD_LACKS}there are too few passages of other documents (-P collection=all, or a smaller top_k)"


def metrics(comparison: Comparison) -> dict[str, float]:
    """Return what a run logs of the measured guards: both rates, and the rise with its interval, as shares."""
    found: dict[str, float] = {}
    for guard in comparison.guards:
        if guard.effect and guard.bounds:
            values = {
                "_base": guard.effect.base,
                "_version": guard.effect.version,
                "_rise": -guard.effect.gain,
                "_rise_low": -guard.bounds.high,
                "_rise_high": -guard.bounds.low,
                "_n": float(guard.effect.n),
            }
            found |= {f"guard_{guard.name}{end}": value for end, value in values.items()}
    return found


def _counted(side: Mapping[str, Evaluation], guard: str) -> Iterator[Scored]:
    """Yield the rows of a side that a guard counts, of the contexts that can show harm; some may lack an answer."""
    for context in (DECIDING, WITHHELD, AS_ANSWERED):
        for row in side[context].rows if context in side else ():
            if row.numbers.get(COUNTED[guard]) is not None or (row.guard == COUNTED[guard] and not row.given):
                yield row


def _forgetting(remembered: Remembered, margin: float) -> GuardRates:
    if remembered.unmeasured:
        return GuardRates(FORGETTING, margin=margin, unmeasured=remembered.unmeasured)
    base, version = (
        {each: float(not right) for each, right in side.items()} for side in (remembered.base, remembered.version)
    )
    return GuardRates(FORGETTING, base, version, remembered.clusters, margin)
