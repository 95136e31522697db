"""The passages of ``-P retrieved``: read, checked against the split, frozen, and used in place of our own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from entrypoints.steps.shared.workspace import Workspace
from ragft.data.retrieved_rows import GivenPassages, read_retrieved
from ragft.errors import DataError
from ragft.lists import first_of
from ragft.params.data import BaseParams
from ragft.retrieval.given import freeze_given, gold_among, passages_by_document
from ragft.retrieval.opening import open_embedder
from ragft.retrieval.retriever import Retriever, collect_passages
from ragft.retrieval.withheld import can_be_withheld, find_withheld, withheld_passages
from ragft.store.datasets import Preparation, load_dataset
from ragft.store.passages import load_passages
from ragft.types import Passage, Question, Split

# Of the questions of a split, so many may have no passages and are left out.
MOST_WITHOUT = 0.01
SEEN: tuple[Split, ...] = ("train", "dev")
HELD_OUT: tuple[Split, ...] = ("test", "confirm")


@dataclass(frozen=True)
class Given:
    """The passages of a file for the questions of a split.

    Attributes:
        source: The file.
        frozen: Question id -> its passages as the store keeps them, best first.
        by_document: Document id -> all its passages in the file.
        documents: Ids of all documents that the data set knows.
    """

    source: str
    content: GivenPassages
    frozen: Mapping[str, Sequence[Passage]]
    by_document: Mapping[str, Sequence[Passage]]
    documents: Collection[str]

    def gold(self, question: Question) -> tuple[tuple[Passage, ...], bool]:
        """Return the passages with the question's evidence, and whether it is known to be in none of them."""
        said = self.content.rankings[question.id].gold
        if said is not None:
            return said, False
        ranking = self.frozen[question.id]
        found = gold_among(question, ranking, self.by_document, self.documents)
        return found, bool(question.evidence) and not found


def read_given(params: BaseParams, preparation: Preparation, split: Split, workspace: Workspace) -> Given:
    """Return what the file holds for a split, frozen.

    Raises:
        DataError: If a row is bad, or a question of train or dev has a passage of a document that test or confirm ask
            about while ``collection`` is split.
    """
    path = Path(params.retrieved.strip())
    dataset = load_dataset(workspace.store, preparation.dataset)
    content = read_retrieved(path, dataset.questions, lambda ids: load_passages(workspace.store, ids))
    if split in SEEN and params.collection == "split":
        _refuse_held_out(path, content, preparation, split)
    documents = {d.id for d in dataset.documents} | {d for q in dataset.questions for d in q.documents}
    by_document = passages_by_document(content.passages().values())
    return Given(str(path), content, freeze_given(workspace.store, content), by_document, documents)


def with_passages(
    given: Given, split: Split, questions: Sequence[Question], workspace: Workspace
) -> tuple[Question, ...]:
    """Return the questions that have passages; the others are said.

    Raises:
        DataError: If more than 1 % have none, with the first of them.
    """
    without = [question for question in questions if question.id not in given.frozen]
    if len(without) > MOST_WITHOUT * len(questions):
        raise DataError(
            f"{given.source} has no passages for {len(without)} of {len(questions)} questions of {split}, at most "
            f"{MOST_WITHOUT:.0%} may have none: add a row for each, or ask fewer with -P questions",
            [f"{question.id}: {question.text}" for question in without],
        )
    if without:
        workspace.alert(
            f"{len(without)} of {len(questions)} questions of {split} have no passages in {given.source} and are left "
            f"out: {first_of([question.id for question in without])}"
        )
    lost = {question.id for question in without}
    return tuple(question for question in questions if question.id not in lost)


def withheld_given(
    given: Given, params: BaseParams, preparation: Preparation, split: Split, workspace: Workspace
) -> dict[str, Sequence[Passage]]:
    """Return question id -> passages that cannot answer it: those of the file, else the nearest of its split's others.

    Of a passage whose document the data do not know nobody can say that it is not the question's own: only passages
    of known documents are taken.
    """
    rankings, k = given.content.rankings, params.top_k
    asked = [q for q in preparation.splits[split] if q.id in given.frozen]
    said = {q.id: withheld_passages(q, rankings[q.id].withheld or (), k) for q in asked if can_be_withheld(q)}
    found: dict[str, Sequence[Passage]] = {question: passages for question, passages in said.items() if passages}
    missing = [q for q in asked if rankings[q.id].withheld is None]
    pool = {p.id: p for q in asked for p in given.frozen[q.id] if p.document_id in given.documents}
    if missing and pool:
        embedder = open_embedder(params.embedder)
        collection = collect_passages(workspace.store, embedder, list(pool.values()))
        found |= find_withheld(Retriever(workspace.store, embedder, collection), missing, k)
    return found


def _refuse_held_out(path: Path, content: GivenPassages, preparation: Preparation, split: Split) -> None:
    """Stop where what is learnt from would show documents that the held-out questions are about."""
    named = {
        side: {document for each in splits for q in preparation.splits.get(each, ()) for document in q.documents}
        for side, splits in {"seen": SEEN, "held out": HELD_OUT}.items()
    }
    secret = named["held out"] - named["seen"]
    leaks = [
        f"{question.id}: document {passage.document_id}"
        for question in preparation.splits[split]
        if (ranking := content.rankings.get(question.id)) is not None
        for passage in dict.fromkeys((*ranking.passages, *(ranking.gold or ()), *(ranking.withheld or ())))
        if passage.document_id in secret
    ]
    if leaks:
        raise DataError(
            f"{path} gives questions of {split} {len(leaks)} passages of documents that {' and '.join(HELD_OUT)} ask "
            "about: take them out, or go on with -P collection=all, as where all documents are searched here",
            leaks,
        )
