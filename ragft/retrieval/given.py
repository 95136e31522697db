"""Passages that another search found: frozen as our own are, with the evidence found in them where it is known."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from ragft.data.retrieved_rows import GivenPassages
from ragft.retrieval.metrics import has_evidence
from ragft.store.connection import Store
from ragft.store.passages import write_texts
from ragft.store.retrievals import freeze, frozen
from ragft.types import Passage, Question, digest


def freeze_given(store: Store, given: GivenPassages) -> dict[str, tuple[Passage, ...]]:
    """Return question id -> passages, best first, as the store now keeps them under the file's collection.

    A question for which the file has no passages is left out, unless the file says that it is asked without.
    """
    collection = given.collection
    keys = {
        question: digest({"given": collection, "question": question})
        for question, ranking in given.rankings.items()
        if ranking.passages or ranking.asked_without
    }
    write_texts(store, list(given.passages().values()))
    freeze(store, {key: given.rankings[question].passages for question, key in keys.items()})
    passages = frozen(store, keys.values())
    return {question: passages[key] for question, key in keys.items()}


def passages_by_document(passages: Iterable[Passage]) -> dict[str, list[Passage]]:
    """Return document id -> its passages; those whose document is not named are left out."""
    found: dict[str, list[Passage]] = {}
    for passage in passages:
        if passage.document_id:
            found.setdefault(passage.document_id, []).append(passage)
    return found


def gold_among(
    question: Question,
    ranking: Sequence[Passage],
    by_document: Mapping[str, Sequence[Passage]],
    documents: Collection[str],
) -> tuple[Passage, ...]:
    """Return the passages that hold the question's evidence; none where the evidence is unknown.

    Looked through are the question's own ranking and all given passages of its documents. A passage of another of the
    data set's ``documents`` holds the evidence of another question; where its document has a name that the data do not
    know, or none, its text decides.
    """
    if not question.evidence:
        return ()
    others = [passage for document in question.documents for passage in by_document.get(document, ())]
    looked_through = {passage.id: passage for passage in (*ranking, *others)}.values()
    return tuple(
        passage
        for passage in looked_through
        if (passage.document_id in question.documents or passage.document_id not in documents)
        and has_evidence(passage.text, question.evidence)
    )
