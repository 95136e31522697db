"""What became of each question of an evaluation, and which harm each answer could do."""

import dataclasses
from collections.abc import Mapping, Sequence

from entrypoints.steps.shared.evaluation import Scored
from entrypoints.steps.shared.retrieved import RetrievedSplit
from ragft.judging.outcomes import JUDGED_BY, Guard, harm_of, judged_right, outcome_of
from ragft.prompts.criterion import Criterion
from ragft.types import DECIDING, WITHHELD, Answer, Context, Question

MEASURES = ("right", "false_answer", "false_refusal")


def guard_of(found: RetrievedSplit, context: Context, question: Question, answer: Answer) -> Guard | None:
    """Return which harm an answer could do; None where there is none that is counted.

    A refusal is false where evidence was shown; where the data do not say what is evidence, every question with an
    answer counts, on both sides of a comparison alike.
    """
    if context == WITHHELD:
        return "false_answer"
    if context != DECIDING:
        return None
    if not question.answerable:
        return "false_answer"
    if question.id in found.missed:
        return None
    gold = {passage.id for passage in found.gold[question.id]}
    return "false_refusal" if not gold or gold & set(answer.passages) else None


def judging(criteria: Sequence[Criterion]) -> Criterion | None:
    """Return the criterion that says whether an answer is right; None where it is not among those judged."""
    return next((criterion for criterion in criteria if criterion.name == JUDGED_BY), None)


def undecided(rows: Sequence[Scored]) -> list[Scored]:
    """Return the rows that only a judge can decide: they answer, and no rule says whether rightly."""
    return [row for row in rows if row.right is None and not row.abstained and row.facts.get("answerable", True)]


def judged_right_or_wrong(rows: Sequence[Scored]) -> list[Scored]:
    """Return the rows, with outcomes, of which a judge alone says whether they are right."""
    return [row for row in undecided(rows) if row.outcome is not None]


def with_outcomes(
    rows: Sequence[Scored], criterion: Criterion | None, scores: Mapping[str, float | None]
) -> list[Scored]:
    """Return the rows with their outcomes, and with these and their harm among the numbers.

    Args:
        rows: Of one context.
        criterion: The one that says whether an answer is right; None where it was not judged.
        scores: Row id -> its score under the criterion; missing where the judge was not asked.
    """
    return [_with_outcome(row, criterion, scores.get(row.id)) for row in rows]


def _with_outcome(row: Scored, criterion: Criterion | None, score: float | None) -> Scored:
    answerable = bool(row.facts.get("answerable", True))
    judged = judged_right(criterion, score) if criterion and answerable else None
    outcome = outcome_of(row.right if answerable else False, judged, abstained=row.abstained)
    numbers: dict[str, float | None] = {
        "right": None if outcome is None else float(outcome == ("right" if answerable else "abstained"))
    }
    for guard in ("false_answer", "false_refusal"):
        numbers[guard] = harm_of(guard, outcome) if row.guard == guard else None
    return dataclasses.replace(row, outcome=outcome, numbers={**row.numbers, **numbers})
