"""Strict reading of JSON: one value, JSON lines, or several values in a row without commas.

Python's ``json`` takes NaN and Infinity, silently keeps the last of two equal keys, and fails on
hostile text with four different exceptions. Here each of these is a problem with file, record and line.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from ragft.data.record_files import TOO_LONG, Problems, Record, Repeated

BLOCK_BYTES = 1 << 20
PROBE_BYTES = 1 << 24
BLANKS = " \t\r\n"
BOM = "\ufeff"
# So close to the end of what was read, a text may be invalid only because the rest is missing:
# longer than any number or escape of real data.
NEAR_END = 64


class _UnreadableError(Exception):
    """Why a JSON text cannot be read; ``position`` counts characters from the text's start."""

    def __init__(self, what: str, position: int = 0, *, unfinished: bool = False) -> None:
        super().__init__(what)
        self.position = position
        self.unfinished = unfinished


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    seen: set[str] = set()
    twice = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
    repeated = Repeated(value)
    repeated.keys_twice = tuple(twice)
    return repeated


def _constant(name: str) -> float:
    raise _UnreadableError(f"{name} is not JSON; write null")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _UnreadableError(f"the number {text[:40]} is beyond what a float can hold")
    return value


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _UnreadableError(f"a whole number of {len(text)} digits is longer than Python reads") from error


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer)


def _decode(text: str, start: int) -> tuple[Any, int]:
    """Return the value that begins at ``start``, and where it ends."""
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        unfinished = error.msg.startswith("Unterminated string") or error.pos >= len(text) - NEAR_END
        raise _UnreadableError(_plain(error.msg), error.pos, unfinished=unfinished) from error
    except _UnreadableError as error:
        raise _UnreadableError(str(error), start) from error
    except RecursionError as error:
        raise _UnreadableError("is nested too deep to be read", start) from error


def _plain(message: str) -> str:
    if message == "Expecting value":
        return "no JSON value where one must begin"
    return f"not JSON ({message[:1].lower()}{message[1:]})"


def parse(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the one JSON value that ``text`` holds.

    Raises:
        ValueError: If it is not strict JSON, with the reason.
    """
    start = _skip_blanks(text, 0)
    try:
        value, end = _decode(text, start)
    except _UnreadableError as error:
        raise ValueError(str(error)) from error
    if _skip_blanks(text, end) != len(text):
        raise ValueError("more text after the JSON value")
    return value


def read_json(path: Path, problems: Problems, most_bytes: int | None = None) -> Iterator[Record]:
    """Yield the records of a JSON file, whichever way they are written.

    JSON lines, objects in a row (pretty-printed or not) and the elements of a top-level list are all
    records; any other value is one record. Only one record and a block of text are in memory at a time.
    A bad line of JSON lines is a problem, and reading goes on after it; elsewhere reading ends at the
    first text that is not JSON. An empty file is a problem, and so is a record of more than
    ``most_bytes``, of which no more than that is in memory.
    """
    try:
        as_lines = _is_json_lines(path)
        found, count = problems.count, 0
        for record in (_read_lines if as_lines else _read_values)(path, problems, most_bytes):
            count += 1
            yield record
        if not count and problems.count == found:
            problems.add(str(path), "holds no record")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        problems.add(str(path), f"is not a whole gzip file ({error})")
    except OSError as error:
        problems.add(str(path), f"cannot be opened ({error.strerror})")


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _is_json_lines(path: Path) -> bool:
    """Return whether the first line, or the second after a broken first one, is a complete object.

    A pretty-printed file never has a whole object on its second line, except in a list of one. A line of
    more than 16 MiB is not looked at: such a file is read value by value.
    """
    first, second = b"", b""
    with _open(path) as file:
        while not first and (line := file.readline(PROBE_BYTES)):
            first = line.strip(b" \t\r\n\xef\xbb\xbf")
        while not second and (line := file.readline(PROBE_BYTES)):
            second = line.strip()
    if not second or first.startswith(b"["):
        return False
    return _is_object(first) or _is_object(second)


def _is_object(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return False
    try:
        return isinstance(parse(line.decode()), dict)
    except ValueError:
        return False


def _lines(file: IO[bytes], most_bytes: int | None) -> Iterator[bytes | None]:
    """Yield the lines, None for each that is longer than ``most_bytes``."""
    if most_bytes is None:
        yield from file
        return
    while line := file.readline(most_bytes + 1):
        too_long = len(line) > most_bytes
        yield None if too_long else line
        while too_long and line and not line.endswith(b"\n"):
            line = file.readline(BLOCK_BYTES)


def _read_lines(path: Path, problems: Problems, most_bytes: int | None) -> Iterator[Record]:
    count = 0
    with _open(path) as file:
        for number, line in enumerate(_lines(file, most_bytes), start=1):
            if line is not None and not line.strip(BLANKS.encode()):
                continue
            count += 1
            place = f"{path}, record {count} (line {number})"
            if line is None:
                problems.add(place, TOO_LONG)
                continue
            try:
                text = line.decode()
                yield Record(parse(text.removeprefix(BOM) if number == 1 else text), place)
            except UnicodeDecodeError as error:
                problems.add(place, _not_utf8(error))
            except ValueError as error:
                problems.add(place, str(error))


def _not_utf8(error: UnicodeDecodeError) -> str:
    hint = "; it looks like UTF-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
    return f"is not UTF-8 (byte {error.object[error.start]:#04x}){hint}; save it as UTF-8"


class _Window:
    """The part of a file that is being read, with the line it begins on."""

    def __init__(self, file: IO[bytes], most_bytes: int | None = None) -> None:
        self.most_bytes = most_bytes
        # A stream of its own rather than io.TextIOWrapper, whose newline handling would move the lines.
        self.file = file
        self.unfinished = b""
        self.text = ""
        self.position = 0
        self.counted = 0
        self.line = 1
        self.at_start = True
        self.at_end = False

    def more(self, size: int) -> None:
        """Append about ``size`` more bytes of text, or note that the file has ended."""
        block = self.file.read(size)
        self.at_end = not block
        data = self.unfinished + block
        cut = len(data) if self.at_end else len(data) - _unfinished_bytes(data)
        self.unfinished = data[cut:]
        try:
            text = data[:cut].decode()
        except UnicodeDecodeError as error:
            self.text += data[: error.start].decode()
            raise _UnreadableError(_not_utf8(error), len(self.text)) from error
        self.text += text.removeprefix(BOM) if self.at_start else text
        self.at_start = False

    def forget(self) -> None:
        """Drop the text before the position; call it only before reading more, since it copies what is left."""
        self.line = self.line_at(self.position)
        self.text = self.text[self.position :]
        self.position = self.counted = 0

    def peek(self) -> str:
        """Move to the next character that is not white space and return it; "" at the end of the file."""
        while True:
            self.position = _skip_blanks(self.text, self.position)
            if self.position < len(self.text):
                return self.text[self.position]
            if self.at_end:
                return ""
            self.forget()
            self.more(BLOCK_BYTES)

    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value at the position and move past it, reading as much of the file as it needs."""
        while True:
            try:
                value, end = _decode(self.text, self.position)
            except _UnreadableError as error:
                if self.at_end or not error.unfinished:
                    raise
            else:
                # A number that touches the end of the window may go on after it.
                if end < len(self.text) or self.at_end:
                    self.position = end
                    return value
            self.forget()
            if self.most_bytes is not None and len(self.text) > self.most_bytes:
                raise _UnreadableError(TOO_LONG)
            self.more(max(BLOCK_BYTES, len(self.text)))

    def line_at(self, position: int) -> int:
        """Return the line of a position in the text, from 1; each line is counted only once."""
        if position >= self.counted:
            self.line += self.text.count("\n", self.counted, position)
            self.counted = position
            return self.line
        return self.line - self.text.count("\n", position, self.counted)


def _unfinished_bytes(data: bytes) -> int:
    """Return how many bytes at the end begin a character whose rest is still to be read (0 to 3)."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return length if size > length else 0
        if byte < 0x80:
            return 0
    return 0


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in BLANKS:
        position += 1
    return position


def _read_values(path: Path, problems: Problems, most_bytes: int | None) -> Iterator[Record]:
    """Yield concatenated values; the elements of a list that is the whole file are records too."""
    count = 0
    with _open(path) as file:
        window = _Window(file, most_bytes)
        try:
            in_list = window.peek() == "["
            window.position += in_list
            while character := window.peek():
                if in_list and character == "]":
                    _end_of_list(window, count)
                    return
                if in_list and count:
                    _comma(window)
                count += 1
                window.peek()
                line = window.line_at(window.position)
                value = window.value()
                yield Record(value, f"{path}, record {count} (line {line})")
            if in_list:
                raise _UnreadableError("the list is not closed", window.position)
        except _UnreadableError as error:
            place = f"{path}, record {max(count, 1)} (line {window.line_at(error.position)})"
            problems.add(place, str(error))


def _comma(window: _Window) -> None:
    if window.peek() != ",":
        raise _UnreadableError("no comma between two elements of the list", window.position)
    window.position += 1


def _end_of_list(window: _Window, count: int) -> None:
    window.position += 1
    if window.peek():
        raise _UnreadableError(f"more text after the list of {count}", window.position)
