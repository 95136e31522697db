"""What a model sees beside the question: nothing, what was retrieved, the evidence, or all but the evidence."""

# ruff: noqa: SIM905 - a list of words reads best as words

import random
import re
from collections.abc import Callable, Iterable, Sequence

from ragft.types import Context, Passage, Question, digest

# The contexts that are made from the evidence; leaving it out for lack of room would change what they are.
GOLD_IS_KNOWN: tuple[Context, ...] = ("oracle", "oracle_distractors")

HasEvidence = Callable[[str, Sequence[str]], bool]
"""Whether a passage's text holds one of the pieces of evidence (`ragft.retrieval.metrics.has_evidence`)."""


_WORD = re.compile(r"[^\W_]+")
# Words that say nothing of an answer.
_COMMON = frozenset(
    "a an and are as at be by for from has have in is it its of on or that the their there they this to was were will "
    "with".split()
)


def gold_passages(question: Question, passages: Iterable[Passage], has_evidence: HasEvidence) -> tuple[Passage, ...]:
    """Return the passages of the question's documents that hold evidence, in document order; empty when unknown."""
    if not question.evidence:
        return ()
    own = [p for p in passages if p.document_id in question.documents and has_evidence(p.text, question.evidence)]
    return tuple(sorted(own, key=lambda p: (p.document_id, p.position)))


def withheld_passages(
    question: Question, ranking: Sequence[Passage], k: int, has_evidence: HasEvidence
) -> tuple[Passage, ...]:
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


def context_passages(
    context: Context,
    question: Question,
    retrieved: Sequence[Passage],
    gold: Sequence[Passage],
    withheld: Sequence[Passage] = (),
) -> tuple[Passage, ...] | None:
    """Return the passages of one context, or None where it does not exist for the question.

    The contexts of the evidence need to know it. ``withheld`` needs as many passages as ``retrieved`` has
    (`withheld_passages`), of a question that `can_be_withheld`.

    ``oracle_distractors`` has as many passages as ``retrieved``: the gold ones, at a position drawn from
    the question's id, and the nearest retrieved ones that are not gold.
    """
    if context == "none":
        return ()
    if context == "retrieved":
        return tuple(retrieved)
    if context == "withheld":
        return tuple(withheld) if withheld and len(withheld) == len(retrieved) else None
    if not gold:
        return None
    if context == "oracle":
        return tuple(gold)
    ids = {passage.id for passage in gold}
    distractors = [passage for passage in retrieved if passage.id not in ids]
    wanted = max(len(retrieved), len(gold))
    mixed: list[Passage] = distractors[: wanted - len(gold)]
    place = random.Random(digest(["oracle_distractors", question.id])).randint(0, len(mixed))
    return (*mixed[:place], *gold, *mixed[place:])


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))
