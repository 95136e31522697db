"""What a model sees beside the question: nothing, what was retrieved, the evidence, or all but the evidence."""

import random
from collections.abc import Callable, Iterable, Sequence

from ragft.types import Context, Passage, Question, digest

# The contexts that are made from the evidence; leaving it out for lack of room would change what they are.
GOLD_IS_KNOWN: tuple[Context, ...] = ("oracle", "oracle_distractors")

HasEvidence = Callable[[str, Sequence[str]], bool]
"""Whether a passage's text holds one of the pieces of evidence (`ragft.retrieval.metrics.has_evidence`)."""


def gold_passages(question: Question, passages: Iterable[Passage], has_evidence: HasEvidence) -> tuple[Passage, ...]:
    """Return the passages of the question's documents that hold evidence, in document order; empty when unknown."""
    if not question.evidence:
        return ()
    own = [p for p in passages if p.document_id in question.documents and has_evidence(p.text, question.evidence)]
    return tuple(sorted(own, key=lambda p: (p.document_id, p.position)))


def context_passages(
    context: Context,
    question: Question,
    retrieved: Sequence[Passage],
    gold: Sequence[Passage],
    withheld: Sequence[Passage] = (),
) -> tuple[Passage, ...] | None:
    """Return the passages of one context, or None where it does not exist for the question.

    The contexts of the evidence need to know it. ``withheld`` needs as many passages as ``retrieved`` has
    (`ragft.retrieval.withheld`).

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
