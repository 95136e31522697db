"""Divides a data set into splits, and says what so many questions can show."""

from collections.abc import Collection, Mapping, Sequence

from ragft.data import leakage
from ragft.data.leakage import Likeness
from ragft.data.splits import assign_splits, components
from ragft.types import Dataset, Question, Split

# Of train's questions, those about documents that train still asks about are held out to tell memory from
# generalising.
TEST_SEEN = 0.1
# A guard whose questions fall into fewer independent groups is hardly ever found safe at the usual margin of five
# points, even where nothing differs (docs/verdict.md).
LEAST_GROUPS = 60

Splits = Mapping[Split, Sequence[Question]]


def divide(dataset: Dataset, seed: int) -> tuple[dict[Split, tuple[Question, ...]], Likeness]:
    """Return the questions of each split, and which of them are alike.

    Raises:
        DataError: If there are too few questions that share no document, or only some have a split.
    """
    likeness = leakage.compare(dataset.questions, dataset.documents)
    # A data set with splits of its own has none for what was seen, or its own.
    seen = 0.0 if any(question.split for question in dataset.questions) else TEST_SEEN
    splits = assign_splits(dataset, seed=seed, test_seen=seen, linked=leakage.links(likeness))
    return splits, likeness


def own_documents(splits: Splits, collection: str) -> dict[Split, frozenset[str] | None]:
    """Return the documents from which each split that asks something is answered; None: all of them.

    Questions that name no documents would find nothing in a collection of their own documents.
    """
    asked = {split: questions for split, questions in splits.items() if questions}
    own = collection == "split" and all(q.documents for questions in asked.values() for q in questions)
    return {split: frozenset(d for q in asked[split] for d in q.documents) if own else None for split in asked}


def table(splits: Splits) -> list[str]:
    """Return a line for each split: its questions, those without an answer, and its independent groups."""
    rows: list[tuple[str, ...]] = [("split", "questions", "without an answer", "groups of documents")]
    for split, questions in splits.items():
        without = sum(not question.answerable for question in questions)
        rows.append((split, *(f"{number:,}" for number in (len(questions), without, len(components(questions))))))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]


def out_of_reach(test: Collection[Question], *, with_documents: bool) -> list[str]:
    """Return, in a line, which findings the test split has too few groups for; none where it has enough.

    With documents, a question that names some is asked a second time with passages that do not hold its answer (the
    context withheld), and then counts among those without one.
    """
    answered = _groups([question for question in test if question.answerable])
    withheld = any(question.answerable and question.documents for question in test) and with_documents
    unanswered = _groups([q for q in test if not q.answerable or (with_documents and q.documents)])
    short = []
    if answered < LEAST_GROUPS:
        short.append(f"that false refusals do not rise ({answered:,} with an answer)")
    if unanswered < LEAST_GROUPS:
        also = ", or whose answer can be withheld" if withheld else ""
        short.append(f"that false answers do not rise ({unanswered:,} without an answer{also})")
    if not short:
        return []
    return [
        f"test has too few groups to show {' and '.join(short)}: at the usual margins each takes about {LEAST_GROUPS}, "
        "and promote takes both; a clear loss still rejects"
    ]


def _groups(questions: Sequence[Question]) -> int:
    return len(components(questions))
