"""Lists as one text, separated by commas: those a user writes, and those a message names."""

from collections.abc import Sequence

MOST_NAMED = 10


def entries(text: str) -> tuple[str, ...]:
    """Return the entries without surrounding white space; empty entries are ignored."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))


def first_of(ids: Sequence[str]) -> str:
    """Return the first ten ids, and dots where there are more."""
    return f"{', '.join(ids[:MOST_NAMED])}{', ...' if len(ids) > MOST_NAMED else ''}"
