"""Two files of answers joined question by question; one that only one of them has is unanswered in the other."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ragft.data.answers import AnswerRow, plain, read_answers
from ragft.data.files import ROW_SUFFIXES
from ragft.data.record_files import MOST_NAMED, shown
from ragft.errors import ConfigError, DataError
from ragft.folding import normal_form
from ragft.types import digest

# Of the larger file; where the files share less, they were asked something else.
LEAST_SHARED = 0.9


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file of answers as one side of a comparison.

    Attributes:
        name: What people call it.
    """

    name: str
    path: Path
    rows: tuple[AnswerRow, ...]

    @property
    def uri(self) -> str:
        """What it is called in a comparison."""
        return self.name

    @property
    def short(self) -> str:
        """What people call it."""
        return self.name

    @property
    def identity(self) -> str:
        """What it holds, whatever it is called and however its rows are ordered."""
        said = ([plain(row.input), normal_form("NFC", row.output), row.given] for row in self.rows)
        return digest(sorted(said))

    @property
    def sha256(self) -> str:
        """Of the file as it is, by which ratings of its answers are found again; of a folder its identity."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.path.is_file() else self.identity


@dataclass(frozen=True, slots=True)
class AnswerPairs:
    """What either file asks: two rows a question, in one order, alike in all but output and context.

    Attributes:
        joined_by: "id" or "input".
        only: Name of a file -> what it alone asks; the other side's row of it has no answer.
        unreferenced: Name of a file -> how many of its rows took the reference from the other file.
        regrouped: The questions for which both name documents, and not the same; they count with all of these.
    """

    base: tuple[AnswerRow, ...]
    version: tuple[AnswerRow, ...]
    joined_by: str
    only: Mapping[str, tuple[str, ...]]
    unreferenced: Mapping[str, int]
    regrouped: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether both files answer every question in the same words."""
        return all(
            one.given == other.given and plain(one.output) == plain(other.output)
            for one, other in zip(self.version, self.base, strict=True)
        )

    @property
    def identity(self) -> str:
        """What was asked, whatever was answered."""
        asked = ([plain(row.input), _references(row), row.answerable] for row in self.base)
        # One input may stand there twice, and None has no order.
        return digest(sorted(asked, key=lambda each: (*each[:2], str(each[2]))))


def read_two(version: Path, base: Path) -> tuple[AnswerFile, AnswerFile]:
    """Return both files, the version's first, under names that tell them apart.

    Raises:
        ConfigError: If it is one file twice, or a file is not there.
        DataError: If a file cannot be read.
    """
    if version.exists() and base.exists() and version.samefile(base):
        raise ConfigError(f"answers and against are both {str(version)!r}: name two files")
    names = [_stem(path) for path in (version, base)]
    if names[0] == names[1]:
        names = [f"{path.resolve().parent.name}/{path.name}" for path in (version, base)]
    if names[0] == names[1]:
        names = [str(path) for path in (version, base)]
    one, other = (
        AnswerFile(name, path, read_answers(path, may_lack=True))
        for name, path in zip(names, (version, base), strict=True)
    )
    return one, other


def pair_answers(version: AnswerFile, base: AnswerFile) -> AnswerPairs:
    """Return the questions of both files, joined by id where every row of both has one, else by input.

    A question that one file leaves out is one that it does not answer: to leave out what went wrong gains nothing.

    Raises:
        DataError: If a question stands twice in a file, the files share too little, or they say different things of
            one question.
    """
    by_id = all(row.named for file in (version, base) for row in file.rows)
    ours, theirs = (_keyed(file, by_id=by_id) for file in (version, base))
    shared = [key for key in theirs if key in ours]
    only = {
        file.name: tuple(key for key in rows if key not in other)
        for file, rows, other in ((version, ours, theirs), (base, theirs, ours))
    }
    larger = max(len(ours), len(theirs))
    if len(shared) < LEAST_SHARED * larger:
        raise DataError(
            f"{version.path} and {base.path} share {len(shared):,} of {larger:,} questions (joined by "
            f"{'id' if by_id else 'input'}); a verdict needs {LEAST_SHARED:.0%} of the larger file: answer the "
            "same questions with both",
            [_alone(name, keys) for name, keys in only.items() if keys],
        )
    for file, mine in ((version, ours), (base, theirs)):
        if not any(mine[key].given for key in shared):
            raise DataError(f"{file.path} has no output for any question that both files have: give its rows an output")
    _refuse_contradictions(version, base, [(key, ours[key], theirs[key]) for key in shared])
    keys = list(dict.fromkeys((*theirs, *ours)))
    ids = {key: key for key in keys} if by_id else _ids(keys, (theirs, ours))
    joined = [
        _alike(ids[key], ours.get(key) or _unanswered(theirs[key]), theirs.get(key) or _unanswered(ours[key]))
        for key in keys
    ]
    return AnswerPairs(
        base=tuple(other for _, other in joined),
        version=tuple(one for one, _ in joined),
        joined_by="id" if by_id else "input",
        only=only,
        unreferenced={
            file.name: sum(not _says(mine[key]) and _says(other[key]) for key in shared)
            for file, mine, other in ((version, ours, theirs), (base, theirs, ours))
        },
        regrouped=tuple(key for key in shared if _documents_differ(ours[key], theirs[key])),
    )


def named(keys: Sequence[str]) -> str:
    """Return the first ten questions, and dots where there are more."""
    return ", ".join(map(shown, keys[:MOST_NAMED])) + (", ..." if len(keys) > MOST_NAMED else "")


def _stem(path: Path) -> str:
    """Return a file's name without its ending; with it where only digits are left, which look like a version."""
    ending = next((suffix for suffix in ROW_SUFFIXES if suffix.endswith(".gz") and path.name.endswith(suffix)), "")
    stem = path.name.removesuffix(ending) if ending else path.stem
    return path.name if stem.isdigit() else stem


def _keyed(file: AnswerFile, *, by_id: bool) -> dict[str, AnswerRow]:
    keys = [row.id if by_id else plain(row.input) for row in file.rows]
    if twice := [key for key, count in Counter(keys).items() if count > 1]:
        raise DataError(
            f"{file.path} asks {len(twice):,} {'question' if len(twice) == 1 else 'questions'} more than once, and "
            "without an id in every row of both files rows are joined by their input: give both files a column id, or "
            f"leave the second row out: {named(twice)}"
        )
    return dict(zip(keys, file.rows, strict=True))


def _alone(name: str, keys: Sequence[str]) -> str:
    return f"{len(keys):,} only in {name}: {named(keys)}"


def _refuse_contradictions(
    version: AnswerFile, base: AnswerFile, rows: Sequence[tuple[str, AnswerRow, AnswerRow]]
) -> None:
    """Refuse files that say different things of one question: what is asked, the references, whether there are any."""
    found = [
        (key, what, one, other)
        for key, ours, theirs in rows
        for what, one, other in (
            ("input", plain(ours.input), plain(theirs.input)),
            ("expected_output", _references(ours), _references(theirs)),
            ("answerable", ours.answerable, theirs.answerable),
        )
        if one != other and (what == "input" or (_says(ours) and _says(theirs)))
    ]
    if found:
        count = len({key for key, *_ in found})
        raise DataError(
            f"{version.path} and {base.path} differ in what they say of {count:,} "
            f"{'question' if count == 1 else 'questions'}, so their answers cannot be held against the same: make "
            "input, expected_output and answerable equal in both",
            [
                f"{shown(key)}: {what} is {_value(one)} in {version.name} and {_value(other)} in {base.name}"
                for key, what, one, other in found[:MOST_NAMED]
            ]
            + ([f"and {len(found) - MOST_NAMED:,} more"] if len(found) > MOST_NAMED else []),
        )


def _value(value: object) -> str:
    return shown(value[0] if isinstance(value, list) and len(value) == 1 else value)


def _documents_differ(ours: AnswerRow, theirs: AnswerRow) -> bool:
    return bool(ours.documents and theirs.documents) and set(ours.documents) != set(theirs.documents)


def _references(row: AnswerRow) -> list[str]:
    return sorted(set(map(plain, row.expected_output)))


def _says(row: AnswerRow) -> bool:
    """Return whether a row says what is right: a reference, or that there is none."""
    return row.answerable is not None


def _unanswered(row: AnswerRow) -> AnswerRow:
    """Return the row of a file that leaves out what ``row`` of the other asks."""
    return replace(row, output="", context=(), given=False)


def _ids(keys: Sequence[str], files: Sequence[Mapping[str, AnswerRow]]) -> dict[str, str]:
    """Return key -> id, of rows joined by input: as the first file that gives all its rows one, else of the question.

    Ids of two files are never mixed: where they do not join, one id may mean two questions.
    """
    given = next((rows for rows in files if all(row.named for row in rows.values())), {})
    return {key: given[key].id if key in given else f"q-{digest(key)[:16]}" for key in keys}


def _alike(identifier: str, ours: AnswerRow, theirs: AnswerRow) -> tuple[AnswerRow, AnswerRow]:
    """Return both rows with one id, and with what either of them says of the question."""
    said = theirs if _says(theirs) else ours
    documents = tuple(dict.fromkeys((*theirs.documents, *ours.documents)))
    one, other = (
        replace(
            row,
            id=identifier,
            input=theirs.input,
            expected_output=said.expected_output,
            answerable=said.answerable,
            documents=documents,
        )
        for row in (ours, theirs)
    )
    return one, other
