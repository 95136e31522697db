"""Text as Postgres can hold it: NUL and lone surrogates are escaped, reversibly.

Postgres text is UTF-8 without NUL, and real documents hold both NUL and halves of surrogate pairs. The escape
character is U+001A (substitute), which Unicode made for this; text with none of the three is stored as it is.
"""

import re

_ESCAPE = "\x1a"
_UNSTORABLE = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")


def to_postgres(text: str) -> str:
    """Return ``text`` with every NUL, lone surrogate and U+001A as U+001A and four hex digits."""
    if text.isascii() and "\x00" not in text and _ESCAPE not in text:
        return text
    return _UNSTORABLE.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", text)


def from_postgres(text: str) -> str:
    """Undo `to_postgres`; any text it returned comes back exactly."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
