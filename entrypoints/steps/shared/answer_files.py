"""Rows of answer files as what is scored: what each is held against, and which harm it could do."""

from entrypoints.steps.shared.evaluation import Scored
from ragft.data.answers import AnswerRow
from ragft.data.rows import short_answers
from ragft.judging.outcomes import is_right
from ragft.types import UNANSWERABLE, Question


def question_of(row: AnswerRow) -> Question:
    """Return what a row asks; a reference of a few words is a short answer, which a rule can look for."""
    return Question(
        id=row.id,
        text=row.input,
        references=references_of(row),
        documents=row.documents,
        answerable=row.answerable is not False,
        metadata=short_answers(row.expected_output) if row.answerable else {},
    )


def references_of(row: AnswerRow) -> tuple[str, ...]:
    """Return what an answer is held against; none where the row does not say."""
    return (UNANSWERABLE,) if row.answerable is False else row.expected_output


def scored(row: AnswerRow) -> Scored:
    """Return a row as it is scored."""
    guard = {True: "false_refusal", False: "false_answer", None: ""}
    return Scored(
        id=row.id,
        question=row.input,
        answer=row.output,
        references=references_of(row),
        passages=row.context,
        documents=row.documents,
        facts={"answerable": row.answerable is not False, "answer_words": len(row.output.split())},
        right=is_right(question_of(row), row.output),
        guard=guard[row.answerable],  # type: ignore[arg-type]  # each is a guard or ""
        given=row.given,
    )
