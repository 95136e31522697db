"""The passages of a split's questions: retrieved once or given in a file, frozen, and the gold ones where known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from entrypoints.steps.shared.given import read_given, with_passages, withheld_given
from entrypoints.steps.shared.preparation import has_documents
from entrypoints.steps.shared.searching import read_by, search_of, tell_search
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.data import BaseParams, DataParams
from ragft.retrieval.chunking import chunk
from ragft.retrieval.contexts import GOLD_IS_KNOWN, context_passages, gold_passages
from ragft.retrieval.metrics import has_evidence, hit_at_k, recall_at_k, reciprocal_rank
from ragft.retrieval.opening import open_retriever
from ragft.retrieval.retriever import EXACT
from ragft.retrieval.withheld import can_be_withheld, find_withheld
from ragft.store.datasets import Preparation, load_dataset
from ragft.types import WITHHELD, Answer, Context, Passage, Question, Search, Split

NO_EVIDENCE = "no question says which text of its documents holds the answer: add the column evidence (docs/data.md)"
LOST_EVIDENCE = "of no question does the evidence stand in a passage of its documents: look with prepare -P check=True"
NO_NAMED_DOCUMENTS = "no question with an answer names its documents, so nobody knows which passages do not hold it"


@dataclass(frozen=True)
class RetrievedSplit:
    """The passages from which the questions of a split can be answered.

    Attributes:
        retrieved: Question id -> the nearest passages, nearest first.
        gold: Question id -> the passages that hold the evidence; empty where it is unknown.
        withheld: Question id -> the nearest passages that cannot answer it; missing where there are none, or where
            they were not looked for.
        missed: Ids of the questions whose evidence is known and in none of the passages that were given: the search
            missed it, however many passages hold it.
        collection: Id of the collection that the passages come from.
        search: How they were found there; passages that were given were found elsewhere.
    """

    questions: tuple[Question, ...]
    retrieved: Mapping[str, Sequence[Passage]]
    gold: Mapping[str, Sequence[Passage]]
    withheld: Mapping[str, Sequence[Passage]] = field(default_factory=dict)
    missed: frozenset[str] = frozenset()
    collection: str = ""
    search: Search = EXACT

    def context(self, context: Context) -> dict[str, Sequence[Passage]]:
        """Return question id -> passages, leaving out questions for which the context is not available."""
        found = {
            q.id: context_passages(context, q, self.retrieved[q.id], self.gold[q.id], self.withheld.get(q.id, ()))
            for q in self.questions
        }
        return {question: passages for question, passages in found.items() if passages is not None}

    def why_not(self, context: Context, params: DataParams) -> str:
        """Return why a context is available for no question, and what would make it so."""
        if context != WITHHELD:
            return NO_EVIDENCE if not any(q.evidence for q in self.questions) else LOST_EVIDENCE
        if not any(can_be_withheld(question) for question in self.questions):
            return NO_NAMED_DOCUMENTS
        most = max((len(passages) for passages in self.withheld.values()), default=0)
        ways = []
        if not (isinstance(params, BaseParams) and params.retrieved.strip()) and params.collection == "split":
            ways.append("-P collection=all takes them from all documents")
        if most:
            ways.append(f"-P top_k={most} shows as many as there are")
        return (
            f"for no question there are {params.top_k} passages of other documents that do not hold its answer "
            f"(at most {most}): {', or '.join(ways) or 'add documents'}"
        )

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
            relevant = {passage.id for passage in self.gold[question.id]}
            ranking = [passage.id for passage in self.retrieved[question.id]]
            found: tuple[float | None, ...] = (None, None, None)
            if relevant:
                found = (
                    float(hit_at_k(ranking, relevant, k)),
                    recall_at_k(ranking, relevant, k),
                    reciprocal_rank(ranking, relevant),
                )
            elif question.id in self.missed:
                found = (0.0, 0.0, 0.0)
            for name, value in zip(metrics, found, strict=True):
                metrics[name][question.id] = value
        return metrics


def retrieve(
    params: DataParams,
    preparation: Preparation,
    split: Split,
    questions: Sequence[Question],
    workspace: Workspace,
    *,
    withheld: bool = False,
) -> RetrievedSplit:
    """Return the questions with their passages: those of ``retrieved``, else of the split's own collection.

    Without documents and a file there are none. With ``withheld`` passages that cannot answer are looked for too. Of
    a file, questions without passages are left out.

    Raises:
        DataError: If the file cannot be used.
    """
    if isinstance(params, BaseParams) and params.retrieved.strip():
        return _given(params, preparation, split, questions, workspace, withheld=withheld)
    if not has_documents(preparation):
        return RetrievedSplit(tuple(questions), {q.id: () for q in questions}, {q.id: () for q in questions})
    collection = preparation.collections[split]
    search = search_of(params)
    retriever = open_retriever(workspace.store, params.embedder, collection, search)
    read = read_by(retriever)
    ranked = retriever.retrieve([question.text for question in questions], params.top_k)
    wanted = {document for question in questions for document in question.documents}
    dataset = load_dataset(workspace.store, preparation.dataset)
    passages = {d.id: chunk(d, preparation.settings["chunk_chars"]) for d in dataset.documents if d.id in wanted}
    gold = {
        q.id: gold_passages(q, [p for d in q.documents for p in passages.get(d, ())], has_evidence) for q in questions
    }
    retrieved = {q.id: p for q, p in zip(questions, ranked, strict=True)}
    others = find_withheld(retriever, questions, params.top_k) if withheld else {}
    tell_search(retriever, read, split, retrieved, questions, params, workspace)
    return RetrievedSplit(
        tuple(questions),
        retrieved,
        gold,
        # Where fewer share a word with the question than top_k, as many are withheld.
        {question: passages[: len(retrieved[question])] for question, passages in others.items()},
        collection=collection,
        search=search,
    )


def _given(
    params: BaseParams,
    preparation: Preparation,
    split: Split,
    questions: Sequence[Question],
    workspace: Workspace,
    *,
    withheld: bool,
) -> RetrievedSplit:
    """Return the questions with the passages of a file, the best ``top_k`` of each."""
    given = read_given(params, preparation, split, workspace)
    asked = with_passages(given, split, questions, workspace)
    gold = {question.id: given.gold(question) for question in asked}
    retrieved = {question.id: given.frozen[question.id][: params.top_k] for question in asked}
    others = withheld_given(given, params, preparation, split, workspace) if withheld else {}
    return RetrievedSplit(
        asked,
        retrieved,
        {question: passages for question, (passages, _) in gold.items()},
        # Where the search gave fewer passages than top_k, as many are withheld.
        {question: others[question][: len(shown)] for question, shown in retrieved.items() if question in others},
        frozenset(question for question, (_, missed) in gold.items() if missed),
        given.content.collection,
    )
