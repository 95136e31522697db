"""What is scored of the answers in one context: each with its question, what it was shown, and what is known of it."""

from collections.abc import Mapping

from entrypoints.steps.shared import outcomes
from entrypoints.steps.shared.evaluation import Scored
from entrypoints.steps.shared.retrieved import RetrievedSplit
from ragft.judging.outcomes import is_right
from ragft.judging.squad import squad_metrics
from ragft.pocket.truth import truth_metrics
from ragft.types import WITHHELD, Answer, Context


def rows_of(found: RetrievedSplit, context: Context, answers: Mapping[str, Answer], k: int) -> list[Scored]:
    """Return the rows to be scored: a question whose context is not available is not a row."""
    retrieval, passages = {} if context == WITHHELD else found.row_metrics(k), found.context(context)
    return [
        Scored(
            id=question.id,
            question=question.text,
            answer=answers[question.id].text,
            references=question.references,
            passages=tuple(p.text for p in passages[question.id] if p.id in answers[question.id].passages),
            documents=question.documents,
            kind=question.kind,
            facts={
                "answerable": question.answerable,
                "prompt_tokens": answers[question.id].written.prompt_tokens,
                "answer_tokens": answers[question.id].written.tokens,
                "cut": answers[question.id].written.cut,
                "dropped_passages": answers[question.id].dropped_passages,
                "dropped_gold": found.gold_left_out(question, passages[question.id], answers[question.id]),
            },
            numbers={
                **{name: values[question.id] for name, values in retrieval.items()},
                **truth_metrics(question, answers[question.id].text),
                # To passages that cannot answer, the answer that the data hold is not the right one.
                **(squad_metrics(question, answers[question.id].text) if context != WITHHELD else {}),
            },
            right=is_right(question, answers[question.id].text),
            guard=outcomes.guard_of(found, context, question, answers[question.id]) or "",
        )
        for question in found.questions
        if question.id in answers
    ]
