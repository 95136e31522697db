"""What says whether a version is better: judged criteria, or anything measured of every answer."""

from collections.abc import Sequence

from entrypoints.steps.shared.evaluation import Evaluation
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.scale import Measured, Scale
from ragft.errors import ConfigError
from ragft.judging import closed_book
from ragft.judging.outcomes import rule_tells
from ragft.judging.overlap import OVERLAP
from ragft.params.values import MEASURES, NO_JUDGE
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import Criterion
from ragft.types import Question
from registry.gate import Policy

USUAL = Design().primary
# Data are taken for data with short answers where at least this share of the questions with an answer has one.
MOSTLY = 0.5


def settle_primaries(
    params: CompareParams, criteria: Sequence[Criterion], questions: Sequence[Question]
) -> tuple[str, ...]:
    """Return what decides: what was named; else `right` for data with short answers; else the judged criteria.

    Without a judge `right` decides only where a rule tells it of so many questions that a verdict may lack the others.
    Else it is `answer_f1`: whether a sentence says what another says is not told by a rule.

    Raises:
        ConfigError: If a primary is neither judged nor measured, or a criterion has the name of a measure.
    """
    if taken := [criterion.name for criterion in criteria if criterion.name in MEASURES]:
        raise ConfigError(
            f"criteria names a criterion {taken[0]}, which is the name of something that is measured: give it another "
            "name in its file"
        )
    judged = [] if params.judge == NO_JUDGE else [criterion.name for criterion in criteria]
    named = params.primaries()
    if unknown := [name for name in named if name not in judged and name not in MEASURES]:
        raise ConfigError(
            f"primary is {params.primary!r}, and {', '.join(unknown)} is not measured here: measured are "
            f"{', '.join([*judged, *MEASURES])}; further criteria are judged with -P criteria=..."
        )
    if named:
        return named
    if not judged:
        untold = sum(not rule_tells(question) for question in questions)
        return ("right",) if untold <= Policy().most_missing * len(questions) else ("answer_f1",)
    if has_short_answers(questions):
        return ("right",)
    return tuple(name for name in USUAL if name in judged) or (judged[0],)


def has_short_answers(questions: Sequence[Question]) -> bool:
    """Return whether most questions with an answer have a short one, which a rule can look for."""
    answerable = [question for question in questions if question.answerable]
    short = sum(bool(closed_book.short_answers(question)) for question in answerable)
    return bool(answerable) and short >= MOSTLY * len(answerable)


def asked_by(primaries: Sequence[str], questions: Sequence[Question]) -> list[Question]:
    """Return the questions that the primaries ask: where shared words alone decide, those with an answer.

    A right refusal need not share a word with the mark "Unanswerable".
    """
    words_alone = set(primaries) <= OVERLAP.keys()
    return [question for question in questions if question.answerable or not words_alone]


def measured(primaries: Sequence[str], criteria: Sequence[Criterion]) -> tuple[Measured, ...]:
    """Return the criteria, and those primaries that no judge gives."""
    judged = [criterion.name for criterion in criteria]
    return (*criteria, *(Scale(name) for name in primaries if name not in judged))


def values_of(evaluation: Evaluation, name: str) -> dict[str, float | None] | None:
    """Return question id -> what was measured of its answer; None where nothing of that name was measured."""
    rows = evaluation.rows
    if name in evaluation.scores:
        return {row.id: score.value for row, score in zip(rows, evaluation.scores[name], strict=True)}
    if name in OVERLAP:
        return {row.id: row.overlap(name) for row in rows}
    if not any(name in row.numbers for row in rows):
        return None
    return {row.id: row.numbers.get(name) for row in rows}
