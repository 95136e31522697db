"""The passages of a split's questions: retrieved once and frozen, and the gold ones where they are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from entrypoints.steps.shared.preparation import has_documents, open_embedder
from entrypoints.steps.shared.workspace import Workspace
from ragft.retrieval.chunking import chunk
from ragft.retrieval.contexts import GOLD_IS_KNOWN, context_passages, gold_passages
from ragft.retrieval.metrics import has_evidence, hit_at_k, recall_at_k, reciprocal_rank
from ragft.retrieval.retriever import Retriever
from ragft.retrieval.withheld import find_withheld
from ragft.store.datasets import Preparation, load_dataset
from ragft.types import Answer, Context, Passage, Question, Split


@dataclass(frozen=True)
class RetrievedSplit:
    """The passages from which the questions of a split can be answered.

    Attributes:
        retrieved: Question id -> the nearest passages, nearest first.
        gold: Question id -> the passages that hold the evidence; empty where it is unknown.
        withheld: Question id -> the nearest passages that cannot answer it; missing where there are none, or where
            they were not looked for (`with_withheld`).
    """

    questions: tuple[Question, ...]
    retrieved: Mapping[str, Sequence[Passage]]
    gold: Mapping[str, Sequence[Passage]]
    withheld: Mapping[str, Sequence[Passage]] = field(default_factory=dict)

    def context(self, context: Context) -> dict[str, Sequence[Passage]]:
        """Return question id -> passages, leaving out questions for which the context is not available."""
        found = {
            q.id: context_passages(context, q, self.retrieved[q.id], self.gold[q.id], self.withheld.get(q.id, ()))
            for q in self.questions
        }
        return {question: passages for question, passages in found.items() if passages is not None}

    def kept_longest(self, context: Context) -> dict[str, frozenset[str]]:
        """Return question id -> ids of the passages that are left out last if not all fit."""
        gold = self.gold if context in GOLD_IS_KNOWN else {}
        return {question: frozenset(passage.id for passage in passages) for question, passages in gold.items()}

    def gold_left_out(self, question: Question, shown: Sequence[Passage], answer: Answer) -> int:
        """Return how many passages with the evidence should have been ``shown`` and did not fit."""
        gold = {passage.id for passage in self.gold[question.id]}
        return len({passage.id for passage in shown} & gold - set(answer.passages))

    def row_metrics(self, k: int) -> dict[str, dict[str, float | None]]:
        """Return metric -> question id -> value, None where the evidence is unknown.

        All three count the same passages as relevant: the gold ones.
        """
        metrics: dict[str, dict[str, float | None]] = {f"hit_at_{k}": {}, f"recall_at_{k}": {}, "mrr": {}}
        for question in self.questions:
            known = bool(self.gold[question.id])
            ranking = [passage.id for passage in self.retrieved[question.id]]
            relevant = {passage.id for passage in self.gold[question.id]}
            metrics[f"hit_at_{k}"][question.id] = float(hit_at_k(ranking, relevant, k)) if known else None
            metrics[f"recall_at_{k}"][question.id] = recall_at_k(ranking, relevant, k) if known else None
            metrics["mrr"][question.id] = reciprocal_rank(ranking, relevant) if known else None
        return metrics


def retrieve(
    preparation: Preparation, split: Split, questions: Sequence[Question], embedder: str, k: int, workspace: Workspace
) -> RetrievedSplit:
    """Return the passages of the questions from the split's own collection; none where the data have no documents."""
    if not has_documents(preparation):
        return RetrievedSplit(tuple(questions), {q.id: () for q in questions}, {q.id: () for q in questions})
    retriever = Retriever(workspace.store, open_embedder(embedder), preparation.collections[split])
    found = retriever.retrieve([question.text for question in questions], k)
    wanted = {document for question in questions for document in question.documents}
    dataset = load_dataset(workspace.store, preparation.dataset)
    passages = {d.id: chunk(d, preparation.settings["chunk_chars"]) for d in dataset.documents if d.id in wanted}
    gold = {
        q.id: gold_passages(q, [p for d in q.documents for p in passages.get(d, ())], has_evidence) for q in questions
    }
    return RetrievedSplit(tuple(questions), {q.id: p for q, p in zip(questions, found, strict=True)}, gold)


def with_withheld(
    found: RetrievedSplit, preparation: Preparation, split: Split, embedder: str, k: int, workspace: Workspace
) -> RetrievedSplit:
    """Return the questions with as many passages that cannot answer them, from the same collection."""
    retriever = Retriever(workspace.store, open_embedder(embedder), preparation.collections[split])
    return replace(found, withheld=find_withheld(retriever, found.questions, k))
