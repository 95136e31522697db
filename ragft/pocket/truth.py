"""The programmatic truth of telecom answers, as metrics alongside the judge's."""

from ragft.pocket.grading import grade
from ragft.types import Question

# Keys that only the world's own questions carry.
MARKS = {"facts", "form", "held_wording"}

# Criterion -> the metric that measures the same thing without a judge.
TRUTH_OF = {"accuracy": "truth_facts", "completeness": "truth_facts"}


def truth_metrics(question: Question, answer: str) -> dict[str, float | None]:
    """Return what is objectively right about an answer; nothing for questions that are not telecom's.

    ``truth_right`` is 1.0 when every fact is right and none is wrong (for a question without an answer:
    when the model refuses), ``truth_facts`` the share of facts that are right, ``truth_wrong`` 1.0 when
    something false is stated, ``truth_false_refusal`` 1.0 when an answer was there and was not given
    (None where refusing is right), ``truth_refusal`` 1.0 when no answer was there and none was made up.
    """
    if not question.metadata.keys() >= MARKS:
        return {}
    graded = grade(question, answer)
    facts = graded.right + graded.wrong + graded.missing
    return {
        "truth_right": float(graded.right == facts),
        "truth_facts": graded.right / facts,
        "truth_wrong": float(graded.wrong > 0),
        "truth_refusal": None if question.answerable else float(graded.refused),
        "truth_false_refusal": float(graded.refused) if question.answerable else None,
    }
