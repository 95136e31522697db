"""The message that asks a judge for a score, safe from what it quotes.

Constant text comes first, then the item, then the criterion, so several criteria share one
prefix. Every quoted part follows a fence that its writer could not know. `reply.py` reads what
the judge replies.
"""

import hashlib
import hmac
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from ragft.prompts.criterion import Criterion
from ragft.prompts.reply import read_reason, read_score

__all__ = [
    "REASON_LINE",
    "SCORE_LINE",
    "fence_of",
    "read_reason",
    "read_score",
    "render_judge_message",
    "without_fence",
]

_PROMPTS = files("ragft.prompts")
_MESSAGE = Template((_PROMPTS / "judge.txt").read_text(encoding="utf-8").strip())
_FORMS = {
    reasoned: Template((_PROMPTS / f"form_{name}.txt").read_text(encoding="utf-8").strip())
    for reasoned, name in ((True, "reasoned"), (False, "score_only"))
}

SCORE_LINE = "Score:"
REASON_LINE = "Reason:"


def fence_of(secret: bytes, *parts: str) -> str:
    """Return the 8 hex digits that fence an item: always the same for the item, unknown without the secret."""
    text = "\x00".join(parts).encode("utf-8", "surrogatepass")
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:8]


def render_judge_message(
    criterion: Criterion,
    *,
    question: str,
    answer: str,
    references: Sequence[str],
    passages: Sequence[str] = (),
    secret: bytes,
    reasoned: bool,
) -> str:
    """Return the user message for one answer under one criterion.

    The judge sees only what ``criterion.sees`` names, and always the answer. Of several references
    it sees all, as alternatives. The message depends on nothing else: the same answer to the same
    question gives the same message whatever else came with it, so that identical answers tie.
    """
    parts: list[tuple[str, str]] = []
    if "question" in criterion.sees:
        parts.append(("Question", question))
    if "passages" in criterion.sees:
        parts.append(("Passages", "\n\n".join(passages)))
    if "reference" in criterion.sees:
        parts.append(("Reference", "\nor: ".join(references)))
    parts.append(("Answer to grade", answer))
    fence = fence_of(secret, *(text for _, text in parts))
    item = "\n".join(f"{title} {fence}\n{without_fence(fence, text)}" for title, text in parts)
    return _MESSAGE.substitute(
        fence=fence,
        item=f"{item}\nEnd {fence}",
        criterion=criterion.render(),
        form=_FORMS[reasoned].substitute(labels=", ".join(criterion.scores)),
    )


def without_fence(fence: str, text: str) -> str:
    """Return ``text`` with the fence taken out, however often it was nested."""
    while fence in text:  # taking one out may join the halves of another
        text = text.replace(fence, "")
    return text
