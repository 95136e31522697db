"""The questions as data in the page: each passage once, texts clipped until everything fits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragft.report.page_data import Asked, ShownAnswer
from ragft.report.words import clean, clip

# Most characters of a text, widest first; the next is tried when the page would grow too large.
LIMITS = (4000, 2000, 1000, 500, 250, 120)
PASSAGE_CHARS = 1600
# How much of the room questions, answers and reasons may take; the passages get the rest.
CORE_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Packed:
    """The data block of the page.

    Attributes:
        text: JSON in which no character can end a script element or open another.
        left_out: What did not fit, one sentence per item.
    """

    text: str
    left_out: tuple[str, ...]


def pack(questions: Sequence[Asked], criteria: Sequence[str], room: int, source: str) -> Packed:
    """Return the questions as JSON of at most ``room`` bytes, those that changed most first.

    ``source`` says where the complete rows are.
    """
    ordered = sorted(questions, key=lambda asked: (-abs(asked.gain or 0.0), asked.id))
    chosen, rows, limit = _core(ordered, criteria, int(room * CORE_SHARE))
    left_out = []
    if len(chosen) < len(ordered):
        left_out.append(f"{len(chosen):,} of {len(ordered):,} questions are shown, those that changed most")
    longest = max((len(text) for asked in chosen for text in _texts(asked)), default=0)
    if longest > limit:
        left_out.append(f"texts are cut after {limit:,} characters")
    passages, with_passages = _passages(chosen, rows, room - _size(rows) - 100)
    if with_passages < len(chosen):
        left_out.append(f"passages are shown for the {with_passages:,} questions that changed most")
    if any(len(text) > PASSAGE_CHARS for asked in chosen for text in asked.passages):
        left_out.append(f"passages are cut after {PASSAGE_CHARS:,} characters")
    order = {asked.id: index for index, asked in enumerate(questions)}
    rows.sort(key=lambda row: order[row["_"]])
    for row in rows:
        del row["_"]
    text = embeddable({"criteria": list(criteria), "questions": rows, "passages": passages})
    return Packed(text, (f"To keep this file small, {'; '.join(left_out)}: {source}.",) if left_out else ())


def embeddable(value: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Return ``value`` as JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _core(
    ordered: Sequence[Asked], criteria: Sequence[str], room: int
) -> tuple[Sequence[Asked], list[dict[str, Any]], int]:
    """Return the questions that fit, as rows without passages, and the most characters of a text."""
    for limit in LIMITS:
        rows: list[dict[str, Any]] = []
        left = room
        for asked in ordered:
            row = _row(asked, criteria, limit)
            left -= _size(row) + 1
            if left < 0:
                break
            rows.append(row)
        else:
            break
    return ordered[: len(rows)], rows, limit


def _passages(chosen: Sequence[Asked], rows: Sequence[dict[str, Any]], room: int) -> tuple[list[str], int]:
    """Give each row the numbers of its passages while there is room; return the passages and the number of rows."""
    numbers: dict[str, int] = {}
    kept: list[str] = []
    for index, asked in enumerate(chosen):
        texts = [_text(text, PASSAGE_CHARS) for text in asked.passages]
        new = [text for text in dict.fromkeys(texts) if text not in numbers]
        room -= sum(_size(text) + 1 for text in new) + 6 * len(texts)
        if room < 0:
            return kept, index
        for text in new:
            numbers[text] = len(kept)
            kept.append(text)
        rows[index]["p"] = [numbers[text] for text in texts]
    return kept, len(chosen)


def _row(asked: Asked, criteria: Sequence[str], limit: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "_": asked.id,
        "id": _text(asked.id, 120),
        "q": _text(asked.question, limit),
        "k": _text(asked.kind, 60),
        "r": [_text(text, limit) for text in asked.references[:5]],
        "g": None if asked.gain is None else round(asked.gain, 4),
        "b": _side(asked.base, criteria, limit),
        "v": _side(asked.version, criteria, limit),
    }
    return row


def _side(answered: ShownAnswer, criteria: Sequence[str], limit: int) -> dict[str, Any]:
    side: dict[str, Any] = {
        "t": _text(answered.text, limit),
        "s": [_rounded(answered.scores, name) for name in criteria],
    }
    if any(answered.reasons.get(name) for name in criteria):
        side["w"] = [_text(answered.reasons.get(name, ""), limit) for name in criteria]
    if answered.cut:
        side["c"] = 1
    return side


def _rounded(scores: Mapping[str, float | None], name: str) -> float | None:
    value = scores.get(name)
    return None if value is None else round(value, 3)


def _text(text: str, most: int) -> str:
    # Also cut before it is cleaned: cleaning megabytes that nobody sees takes seconds.
    return clip(clean(text[: most + 1]), most)


def _texts(asked: Asked) -> list[str]:
    sides = (asked.base, asked.version)
    return [asked.question, *asked.references, *(side.text for side in sides)] + [
        reason for side in sides for reason in side.reasons.values()
    ]


def _size(value: Any) -> int:  # noqa: ANN401
    return len(embeddable(value).encode())
