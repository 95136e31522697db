"""A record with its place in a file, typed reading of its fields, and everything found wrong on the way."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragft.errors import DataError

SHOWN_CHARS = 60
# Up to this many problems of one kind get their own lines; of more, this many places are named and the rest counted.
MOST_LIKE = 3
MOST_NAMED = 10
MOST_FIELDS_NAMED = 12
# The most bytes of a record or text of a user's own data: cutting it into passages holds it several times over.
MOST_BYTES = 32_000_000
TOO_LONG = (
    f"is longer than {MOST_BYTES // 1_000_000} MB, which is no row and no document to retrieve from; divide it into "
    "smaller ones"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a file gives it.

    Attributes:
        value: What the file holds there: any JSON value, or a row as a dict.
        place: Where, in words: file, record and line.
    """

    value: Any
    place: str


@dataclass(slots=True)
class _Kind:
    """Problems that differ only in place and value: how many, and the first ones with their ranks among all."""

    count: int = 0
    first: list[tuple[int, str, str]] = field(default_factory=list)


class Problems:
    """Collects what is wrong, so that a user sees every bad record at once.

    Up to three problems of one kind in a file get a line each; more of them become one line with their number. So
    a million bad rows take no more memory than ten.
    """

    def __init__(self) -> None:
        self.count = 0
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def add(self, place: str, what: str, kind: str = "") -> None:
        """Note that ``what`` is wrong at ``place``; ``kind`` is what similar problems share, usually all of it."""
        file = file_of(place)
        # What concerns whole files is one kind over all of them.
        known = self._kinds.setdefault(("" if file == place else file, kind or what), _Kind())
        if known.count < MOST_NAMED:
            known.first.append((self.count, place, what))
        known.count += 1
        self.count += 1

    @property
    def found(self) -> list[str]:
        """The problems as lines, by their first places."""
        lines = [line for kind in self._kinds.values() for line in _lines(kind)]
        return [line for _, line in sorted(lines)]

    def raise_if_any(self, subject: str, expected: str) -> None:
        """Stop reading ``subject`` if anything was found.

        Raises:
            DataError: With every problem; ``expected`` says what the layout asks for.
        """
        if self.count:
            noun = "problem" if self.count == 1 else "problems"
            raise DataError(f"{subject} cannot be read: {self.count} {noun}. Expected {expected}.", self.found)


def _lines(kind: _Kind) -> Iterator[tuple[int, str]]:
    if kind.count <= MOST_LIKE:
        yield from ((rank, f"{place}: {what}") for rank, place, what in kind.first)
        return
    rank, place, what = kind.first[0]
    others = named_places((other for _, other, _ in kind.first[1:]), kind.count - 1)
    yield rank, f"{place}: {what}; likewise {kind.count - 1} more: {others}"


def named_places(places: Iterable[str], count: int) -> str:
    """Return the places in words, those of records without their file; there are ``count`` of them in all."""
    named = [place.removeprefix(f"{file_of(place)}, ") for place in places]
    return ", ".join(named) + (", ..." if count > len(named) else "")


def file_of(place: str) -> str:
    """Return the file that a place is in."""
    return place.split(", record ", 1)[0].split(", after record ", 1)[0]


class Repeated(dict[str, Any]):
    """A JSON object in which keys occur twice; the last value of each is kept, as ``json`` does."""

    keys_twice: tuple[str, ...] = ()


def shown(value: object) -> str:
    """Return ``value`` for a message: one line, at most 60 characters, lone surrogates escaped."""
    if isinstance(value, dict):
        text = f"an object with {_names(value)}" if value else "an empty object"
    elif isinstance(value, list):
        text = f"a list of {len(value)}" if value else "an empty list"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, int) and value.bit_length() > 4 * SHOWN_CHARS:
        text = f"a whole number of {value.bit_length()} bits"
    else:
        text = repr(value[: 2 * SHOWN_CHARS] if isinstance(value, str) else value)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."


def _names(value: Mapping[str, Any]) -> str:
    names = [ascii(str(name)[:20]) for name in list(value)[:4]]
    return ", ".join(names) + (", ..." if len(value) > len(names) else "")


class Fields:
    """The fields of one record, each read as the type it must have.

    A wrong field is added to the problems and replaced by an empty value, so that reading goes on
    and the remaining problems are found too; the caller raises at the end.
    """

    def __init__(
        self, value: object, place: str, problems: Problems, expected: str = "an object", names: Iterable[str] = ()
    ) -> None:
        """Take ``value``; if it is not an object, that is a problem and the fields are empty.

        Case and surrounding white space in a field's name, as spreadsheets have them, do not matter for ``names``.
        """
        self.place = place
        self.problems = problems
        self.valid = isinstance(value, Mapping)
        self.values: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if not self.valid:
            problems.add(place, f"is {shown(value)}, expected {expected}", f"expected {expected}")
        elif names:
            self.values = self._renamed(names)
        if isinstance(value, Repeated):
            problems.add(place, f"has the field {shown(value.keys_twice[0])} twice")

    def _renamed(self, names: Iterable[str]) -> Mapping[str, Any]:
        meant = {name.casefold(): name for name in names}
        values: dict[str, Any] = {}
        for given, value in self.values.items():
            name = meant.get(given.strip().casefold(), given)
            if name not in values or values[name] is None:
                values[name] = value
            elif value is not None and value != values[name]:
                self.problems.add(self.place, f"has the field {name!r} twice, once as {shown(given)}; keep one")
        return values

    def wrong(self, name: str, expected: str, *others: str) -> None:
        """Add the problem that the field ``name`` (or one of ``others``) is not what is ``expected``."""
        if name in self.values:
            self.problems.add(
                self.place,
                f"field {name!r} is {shown(self.values[name])}, expected {expected}",
                f"field {name!r}, expected {expected}",
            )
        elif self.valid:
            self.missing(f"has no field {_either((name, *others))}, expected {expected}")

    def missing(self, what: str) -> None:
        """Add the problem ``what``, with the fields that there are instead."""
        there = ", ".join(ascii(str(name)[:SHOWN_CHARS]) for name in list(self.values)[:MOST_FIELDS_NAMED])
        rest = ", ..." if len(self.values) > MOST_FIELDS_NAMED else ""
        self.problems.add(self.place, f"{what}; found {there + rest if there else 'no field at all'}", what)

    def pick(self, names: Iterable[str]) -> tuple[str, Any]:
        """Return the one of ``names`` that is there, with its value; or the first name and None."""
        names = tuple(names)
        there = [name for name in names if self.values.get(name) is not None]
        if any(self.values[name] != self.values[there[0]] for name in there[1:]):
            both = " and ".join(repr(name) for name in there)
            self.problems.add(self.place, f"has the fields {both}, which mean the same; keep one")
        name = there[0] if there else next((name for name in names if name in self.values), names[0])
        return name, self.values.get(name)

    def value(self, *names: str) -> Any:  # noqa: ANN401 - what the file holds there
        """Return the value of the first of ``names`` that has one, without checking it; None without any."""
        return next((self.values[name] for name in names if self.values.get(name) is not None), None)

    def text(self, *names: str, required: bool = True) -> str:
        """Return a text unchanged; "" when it is absent or null. A required one must not be blank."""
        name, value = self.pick(names)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            self.wrong(name, "a text", *(other for other in names if other != name))
            return ""
        if required and not value.strip():
            self.wrong(name, "a text that is not blank")
        return value

    def texts(self, *names: str) -> tuple[str, ...]:
        """Return a list of texts; one text counts as a list of one, absent or null as none."""
        name, value = self.pick(names)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(name, "a text or a list of texts" + _odd_one(value))
            return ()
        return tuple(value)

    def identifier(self, *names: str, required: bool = True) -> str:
        """Return an id: a text that is not blank, or a whole number of any size as its digits."""
        name, value = self.pick(names)
        if value is None and not required:
            return ""
        text = as_identifier(value)
        if not text:
            others = (other for other in names if other != name)
            self.wrong(name, "an id: a text that is not blank or a whole number", *others)
        return text

    def identifiers(self, *names: str) -> tuple[str, ...]:
        """Return a list of ids; a single one counts as a list of one, absent or null as none."""
        name, value = self.pick(names)
        if value is None:
            return ()
        identifiers = tuple(as_identifier(item) for item in (value if isinstance(value, list) else [value]))
        if not all(identifiers):
            self.wrong(name, "an id or a list of ids: texts that are not blank or whole numbers" + _odd_one(value))
            return ()
        return identifiers

    def flag(self, name: str) -> bool | None:
        """Return true, false, or None when the field is absent or null."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return value
        self.wrong(name, "true, false or null")
        return None

    def whole(self, name: str) -> int | None:
        """Return a whole number, or None (and a problem) when it is anything else."""
        value = self.values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.wrong(name, "a whole number")
        return None

    def children(self, name: str, noun: str, *, required: bool = True) -> Iterator["Fields"]:
        """Yield the objects of a list; messages call each ``noun`` and its rank from 1.

        An object of equally long columns, as the Hugging Face library writes it, is such a list too.
        """
        value = self.values.get(name)
        if value is None and not required:
            return
        rows = self._rows(name, value) if isinstance(value, Mapping) else value
        if not isinstance(rows, list):
            self.wrong(name, "a list of objects")
            return
        for rank, item in enumerate(rows, start=1):
            yield Fields(item, f"{self.place}, {noun} {rank}", self.problems)

    def child(self, name: str, *, required: bool = True) -> "Fields":
        """Return the object that is the field ``name``; without one, fields that are all absent."""
        value = self.values.get(name)
        if value is None and not required:
            return Fields({}, f"{self.place}, {name}", self.problems)
        if not isinstance(value, Mapping):
            self.wrong(name, "an object")
        return Fields(value if isinstance(value, Mapping) else {}, f"{self.place}, {name}", self.problems)

    def _rows(self, name: str, columns: Mapping[str, Any]) -> list[dict[str, Any]]:
        lengths = sorted({len(column) if isinstance(column, list) else -1 for column in columns.values()})
        if len(lengths) > 1 or -1 in lengths:
            known = [length for length in lengths if length >= 0]
            self.problems.add(
                self.place, f"field {name!r} has columns of {known or 'no'} rows, expected lists of one length"
            )
            return []
        return [{key: column[rank] for key, column in columns.items()} for rank in range(*lengths[:1] or (0,))]


def as_identifier(value: object) -> str:
    """Return an id as text, or "" when it is not one; a float is not, since it loses digits beyond 2**53."""
    if isinstance(value, str):
        return value if value.strip() else ""
    if isinstance(value, int) and not isinstance(value, bool):
        # Four thousand digits and more cannot be printed by Python; no id has a hundred.
        return str(value) if value.bit_length() < 4096 else ""
    return ""


def _either(names: Sequence[str]) -> str:
    first, *others = map(repr, names)
    return f"{first} (or {', '.join(others)})" if others else first


def _odd_one(value: object) -> str:
    if not isinstance(value, list):
        return ""
    return next((f" (item {i} is {shown(item)})" for i, item in enumerate(value, 1) if not isinstance(item, str)), "")
