"""Takes secrets out of what is printed: every error of ours passes through here, and so does the traceback of a bug."""

import re
import sys
import traceback
from types import TracebackType

MASK = "***"
# What our own messages show as the form of an address is no secret.
_IN_ADDRESS = re.compile(r"(?<=://)(?!user:password@)(?:[^\s/:@'\"]*:[^\s'\"]*|[^\s/@'\"]+)@")
_NAMED = re.compile(r"\b(pass(?:word|wd|phrase)?|pwd|token|secret|api[_-]?key)=(?!\*)[^\s&'\",;]+", flags=re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic) +[^\s'\"]+", flags=re.IGNORECASE)


def masked(text: str) -> str:
    """Return ``text`` without the passwords in its addresses, and without values called password, key or token."""
    text = _IN_ADDRESS.sub(f"{MASK}@", text)
    text = _NAMED.sub(rf"\1={MASK}", text)
    return _BEARER.sub(rf"\1 {MASK}", text)


def print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a bug, masked, since a library's message may hold an address with its password."""
    sys.stderr.write(masked("".join(traceback.format_exception(kind, error, trace))))
