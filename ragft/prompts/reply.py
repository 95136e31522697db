"""Reading a judge's reply: the last score line counts, and what was not offered is a failure.

A reply may quote the answer it grades, and that answer may have been written to be quoted. So two things are read: a
line of its own that begins with the marker, and a reply that is nothing but a legal label; never a number somewhere in
prose. Whatever is ambiguous is unreadable: an unscored row is counted and shown, a misread one goes unnoticed.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from ragft.folding import normal_form
from ragft.prompts.criterion import Criterion

Outcome = Literal["scored", "unreadable", "not_offered", "refused", "cut"]

# Most characters of a reply after its thinking; a judge writes a few hundred, and one that never stops says nothing.
MOST_CHARACTERS = 20_000
# A line that begins with "Score:", with the Markdown, list number and adjectives that judges put
# around it. No ">": a quoted line is somebody else's.
# Nothing is given back ("*+"): a model that repeats one sign for ever must not cost quadratic time.
_MARKER = r"""^[ \t]*+(?:[-*•#][-*•# \t]*+)?+(?:\d{1,2}[.)][ \t]++)?+[*_"'`]*+
    (?:(?:the|my|final|overall|NAME)[ ])*+score
    [*_"'`]*+[ \t]*+(?:\([^()\n]*+\))?+[*_"'`]*+[ \t]*+[:=][*_`]*+[ \t]*+(?P<rest>.*)$"""
_REASON = re.compile(r"^[\s*_#-]*reason(?:ing)?[*_]*\s*:[*_]*\s*", flags=re.IGNORECASE)
_CODE_FENCE = re.compile(r"```\w*[ \t]*\n(.*?)\n?```", flags=re.DOTALL)
_REFUSAL = re.compile(
    r"\b(i['’]?m sorry|i am sorry|i apologi[sz]e|as an ai\b"
    r"|i (?:can\s?not|can['’]t|won['’]t|will not|am unable to|am not able to|must decline))",
    flags=re.IGNORECASE,
)
_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">", '"': '"', "'": "'", "$": "$", "“": "”"}
# What may follow a label in the same sentence without changing it: prose with none of these.
_TAKES_BACK = re.compile(
    r"[\d?+%]|\b(zero|one|two|three|four|five|six|seven|eight|nine|ten|half|or|if|but|would|could|should|might|may|maybe"
    r"|perhaps|minus|plus|not|no|never|instead|rather|unless|except|although|though|however|lower|higher)\b",
    flags=re.IGNORECASE,
)
# After the end of its sentence a label stands, unless a second verdict follows.
_SECOND_THOUGHTS = re.compile(r"\b(scores?|scored|rating|rate|wait|actually|correction|instead)\b", flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReadReply:
    """What was read from a reply; ``value`` is a number only when ``outcome`` is "scored"."""

    outcome: Outcome
    value: float | None = None


def read_verdict(reply: str, criterion: Criterion, *, cut: bool = False) -> ReadReply:
    """Return the verdict of a reply; a ``cut`` reply never has one, since its last line is not known."""
    if cut:
        return ReadReply("cut")
    text = _own_words(reply)
    if text is None:
        return ReadReply("cut")
    rest = _last_score(text, criterion)
    if rest is None and (label := _lone_label(text, criterion)) is not None:
        return ReadReply("scored", criterion.scores[label])
    if rest is None:
        return ReadReply("refused" if _REFUSAL.search(text[:300]) else "unreadable")
    if not rest:
        return ReadReply("unreadable")
    label = _label(rest, criterion)
    return ReadReply("not_offered") if label is None else ReadReply("scored", criterion.scores[label])


def read_score(reply: str, criterion: Criterion) -> float | None:
    """Return the number of the last score line of a reply, or None when it is unreadable."""
    return read_verdict(reply, criterion).value


def read_reason(reply: str, criterion: Criterion | None = None) -> str:
    """Return the text before the first score line, without its ``Reason:``; "" for a lone label of ``criterion``."""
    text = _own_words(reply) or ""
    if criterion is not None and _lone_label(text, criterion) is not None:
        return ""
    match = _marker("score").search(text)
    return _REASON.sub("", (text[: match.start()] if match else text).strip()).strip()


def before_last_score(reply: str) -> str:
    """Return a reply up to its last score line, where the form can be filled in anew."""
    matches = list(_marker("score").finditer(reply))
    return (reply[: matches[-1].start()] if matches else reply).rstrip()


def start_of_last_label(reply: str, labels: Sequence[str] = ()) -> int | None:
    """Return where the label of the last score line can begin at the latest; None without such a line.

    A reply that is one of ``labels`` and nothing else begins with it.
    """
    matches = list(_marker("score").finditer(reply))
    if not matches and _unwrapped(reply) in labels:
        return 0
    return matches[-1].start("rest") if matches else None


@cache
def _marker(name: str) -> re.Pattern[str]:
    pattern = _MARKER.replace("NAME", re.escape(name).replace("_", "[_ ]"))
    return re.compile(pattern, flags=re.IGNORECASE | re.MULTILINE | re.VERBOSE)


def _own_words(reply: str) -> str | None:
    """Return the reply without its thinking and code fence, or None where the thinking never ends.

    A reply that is longer than any judge's is read as an empty one.
    """
    text = reply.rpartition("</think>")[2]
    if len(text) > MOST_CHARACTERS:
        return ""
    text = normal_form("NFKC", text)
    if len(text) > MOST_CHARACTERS:  # one sign can become eighteen
        return ""
    if not text.isascii():  # no format character is in ASCII, and looking at each sign costs more than all the rest
        unseen = [sign for sign in set(text) if unicodedata.category(sign) == "Cf"]
        text = text.translate(dict.fromkeys(map(ord, unseen)))
    text = text.rpartition("</think>")[2]
    if "<think>" in text:
        return None
    fenced = _CODE_FENCE.fullmatch(text.strip())
    return fenced[1] if fenced else text


def _last_score(text: str, criterion: Criterion) -> str | None:
    """Return the text after the last marker ("" for nothing), or None without a marker."""
    matches = list(_marker(criterion.name).finditer(text))
    if not matches:
        return _json_score(text)
    after = text[matches[-1].end() :]
    return matches[-1]["rest"].strip() or next((line.strip() for line in after.splitlines() if line.strip()), "")


def _lone_label(text: str, criterion: Criterion) -> str | None:
    """Return the label that is the whole reply, alone or after the criterion's name as in G-Eval's published form."""
    name = re.escape(criterion.name).replace("_", "[_ ]")
    named = re.fullmatch(rf"[-*#_ \t]*{name}[*_]*[ \t]*:[*_]*[ \t]*(\S[^\n]*)", text.strip(), flags=re.IGNORECASE)
    alone = _unwrapped(named[1] if named else text).casefold()
    return next((label for label in criterion.scores if label.casefold() == alone), None)


def _json_score(text: str) -> str | None:
    # Only a reply that is one JSON object: an object inside prose may be a quotation.
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    scores = [entry for key, entry in value.items() if key.lower() == "score"] if isinstance(value, dict) else []
    if len(scores) != 1 or isinstance(scores[0], bool) or not isinstance(scores[0], str | int | float):
        return None
    return str(scores[0])


def _label(rest: str, criterion: Criterion) -> str | None:
    text = _unwrapped(rest)
    for label in sorted(criterion.scores, key=len, reverse=True):
        match = re.fullmatch(rf"{re.escape(label)}(?:\.0+)?(?P<tail>|\W.*)", text, flags=re.IGNORECASE | re.DOTALL)
        if match and (not match["tail"] or _confirms(match["tail"].strip(), label, criterion)):
            return label
    return None


def _confirms(tail: str, label: str, criterion: Criterion) -> bool:
    """Whether the text after a label confirms it: its own scale (once), its own meaning, harmless prose."""
    scale = re.fullmatch(
        r"(?:/|out of|of)\s*(\d+)(?:\.0+)?(?:\s+(?:points?|stars?))?(?P<rest>|\W.*)", tail, flags=re.DOTALL
    )
    if scale:
        if scale[1] != _top_of_scale(criterion):
            return False
        if not scale["rest"].strip(" \t*_."):
            return True
        tail = scale["rest"].strip()
    words = _unwrapped(tail.lstrip("-–—:=.,;*_ \t")).casefold()
    meant = [other for other, meaning in criterion.meanings.items() if meaning and meaning.casefold() == words]
    if meant or words in ("", "point", "points", "star", "stars"):
        return meant in ([], [label])
    if re.match(r"[.;][*_]*\s", tail):
        return not _SECOND_THOUGHTS.search(tail)
    return tail[0] in "-–—:=,;(|[" and not _TAKES_BACK.search(tail)


def _top_of_scale(criterion: Criterion) -> str | None:
    """Return the label that "out of" may name, or None when the labels are not numbers."""
    numbers = [label for label in criterion.scores if label.isascii() and label.isdigit()]
    return max(numbers, key=int) if len(numbers) == len(criterion.scores) else None


def _unwrapped(text: str) -> str:
    """Return ``text`` without the full stops after it and the pairs of quotes, brackets or Markdown around it."""
    while True:
        inner = text.strip("*_` \t\r\n").rstrip(".,;! \t")
        if boxed := re.fullmatch(r"\\boxed\{([^{}]*)\}", inner):
            inner = boxed[1]
        elif len(inner) > 2 and _PAIRS.get(inner[0]) == inner[-1] and inner[-1] not in inner[1:-1]:
            inner = inner[1:-1]
        elif inner.endswith(('"', "'")) and inner[-1] not in inner[:-1]:
            inner = inner[:-1]  # opened before the marker
        if inner == text:
            return text
        text = inner
