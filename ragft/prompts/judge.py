"""The message that asks a judge for a score, safe from what it quotes.

Constant text comes first, then the item, then the criterion, so several criteria share one
prefix. Every quoted part stands after a fence that whoever wrote it could not know.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from ragft.prompts.criterion import Criterion

_PROMPTS = files("ragft.prompts")
_MESSAGE = Template((_PROMPTS / "judge.txt").read_text(encoding="utf-8").strip())
_FORMS = {
    reasoned: Template((_PROMPTS / f"form_{name}.txt").read_text(encoding="utf-8").strip())
    for reasoned, name in ((True, "reasoned"), (False, "score_only"))
}

SCORE_LINE = "Score:"
REASON_LINE = "Reason:"


def fence_of(secret: bytes, *parts: str) -> str:
    """Return the 8 hex digits that fence an item: stable for the item, unknown without the secret."""
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
    it sees all, as alternatives.
    """
    fence = fence_of(secret, question, answer, *references, *passages)
    parts: list[tuple[str, str]] = []
    if "question" in criterion.sees:
        parts.append(("Question", question))
    if "passages" in criterion.sees:
        parts.append(("Passages", "\n\n".join(passages)))
    if "reference" in criterion.sees:
        parts.append(("Reference", "\nor: ".join(references)))
    parts.append(("Answer to grade", answer))
    item = "\n".join(f"{title} {fence}\n{_without(fence, text)}" for title, text in parts)
    return _MESSAGE.substitute(
        fence=fence,
        item=f"{item}\nEnd {fence}",
        criterion=criterion.render(),
        form=_FORMS[reasoned].substitute(labels=", ".join(criterion.scores)),
    )


def _without(fence: str, text: str) -> str:
    return text.replace(fence, "")


def read_score(reply: str, criterion: Criterion) -> float | None:
    """Return the number of the last score line of a reply, or None when it is unreadable.

    A label that was not offered makes the reply unreadable, as does more than a label on the line:
    the last verdict counts, and a verdict that was not offered is a failure.
    """
    lines = re.findall(rf"^[\s*_#>-]*{SCORE_LINE[:-1]}[*_]*\s*:[*_]*\s*(.*?)[\s*_.]*$", reply, flags=re.MULTILINE | re.IGNORECASE)
    if not lines:
        return None
    return criterion.scores.get(lines[-1])


def read_reason(reply: str) -> str:
    """Return the text before the last score line, without its ``Reason:``."""
    head = re.split(rf"^[\s*_#>-]*{SCORE_LINE[:-1]}[*_]*\s*:", reply, flags=re.MULTILINE | re.IGNORECASE)[0]
    return head.strip().removeprefix(REASON_LINE).strip()
