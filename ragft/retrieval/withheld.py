"""The context withheld: the nearest passages that cannot answer a question, so that the right reply is to abstain."""

# ruff: noqa: SIM905 - a list of words reads best as words

import re
from collections.abc import Sequence

from ragft.retrieval.metrics import has_evidence
from ragft.retrieval.retriever import Retriever
from ragft.types import Passage, Question

# Passages looked through for each that is withheld: a question's own documents are mostly among the first.
SEARCHED_FIRST = 4
_WORD = re.compile(r"[^\W_]+")
# Words that say nothing of an answer.
_COMMON = frozenset(
    "a an and are as at be by for from has have in is it its of on or that the their there they this to was were will "
    "with".split()
)


def find_withheld(retriever: Retriever, questions: Sequence[Question], k: int) -> dict[str, Sequence[Passage]]:
    """Return question id -> the nearest ``k`` passages that cannot answer it; a question without any is left out.

    Where the nearest hold too few, twice as many are looked through, until there are enough or no more.
    """
    missing = [question for question in questions if can_be_withheld(question)]
    withheld: dict[str, Sequence[Passage]] = {}
    depth = SEARCHED_FIRST * k
    while missing:
        rankings = retriever.retrieve([question.text for question in missing], depth)
        found = list(zip(missing, rankings, strict=True))
        withheld |= {question.id: withheld_passages(question, ranking, k) for question, ranking in found}
        missing = [question for question, ranking in found if len(withheld[question.id]) < k and len(ranking) == depth]
        depth *= 2
    return {question: passages for question, passages in withheld.items() if passages}


def withheld_passages(question: Question, ranking: Sequence[Passage], k: int) -> tuple[Passage, ...]:
    """Return the first ``k`` passages of a ranking that cannot answer the question, fewer where it holds fewer.

    They come from other documents than the question's and hold neither its evidence nor the words of a reference: the
    negative rejection of RGB (Chen et al. 2023, arXiv 2309.01431). The only right reply to them is to abstain.
    """
    asked = _words(question.text)
    needed = [words for reference in question.references if (words := _words(reference) - asked - _COMMON)]
    chosen: list[Passage] = []
    for passage in ranking:
        if len(chosen) == k:
            break
        if passage.document_id in question.documents or has_evidence(passage.text, question.evidence):
            continue
        there = _words(passage.text)
        if not any(words <= there for words in needed):
            chosen.append(passage)
    return tuple(chosen)


def can_be_withheld(question: Question) -> bool:
    """Return whether a question has an answer that can be kept from a model: in documents that are known."""
    return question.answerable and bool(question.documents)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))
