"""Documents that a user gives with the questions: one per row, or one per text file of a folder."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ragft.data.columns import Roles
from ragft.data.files import ROW_SUFFIXES, find_files, read_records
from ragft.data.record_files import MOST_BYTES, TOO_LONG, Fields, Problems, Record
from ragft.types import Document

TEXT_SUFFIXES = (".txt", ".md", ".markdown")
# The names that data sets and vector stores use for the same three things.
ID_NAMES = ("id", "document_id", "doc_id", "_id", "pmid", "wikipedia_id")
TITLE_NAMES = ("title", "wikipedia_title")
TEXT_NAMES = ("text", "paragraphs", "contents", "content", "body", "passage", "abstract", "abstractText")
ROLES: Roles = {"the id": ID_NAMES, "the title": TITLE_NAMES, "the text": TEXT_NAMES}
NAMES = tuple(name for names in ROLES.values() for name in names)
EXPECTED = (
    "documents as rows (JSON lines, CSV, TSV, Parquet) with id, text (one text, or a list of paragraphs) and "
    "optionally title, or a folder of text and Markdown files"
)
_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\r?\n[^\S\n]*)+")
_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)


def read_documents(path: Path, problems: Problems) -> Iterator[tuple[Document, str]]:
    """Yield each document with its place.

    ``path`` is a file of rows, a folder of such files, or a folder of text and Markdown files, of which each is
    a document: its id is the path below the folder (``manual/router.md``), its title the first ``# heading`` or
    else the file's name. Text is cut into paragraphs at blank lines.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: If there is no file of these kinds.
    """
    files = find_files(path, (*ROW_SUFFIXES, *TEXT_SUFFIXES))
    texts = [file for file in files if file.name.lower().endswith(TEXT_SUFFIXES)]
    rows = [file for file in files if file not in set(texts)]
    # A README beside the rows is no document; a folder without rows is one of texts.
    for file in rows or texts:
        yield from (
            documents_of(read_records(file, problems, MOST_BYTES), problems)
            if rows
            else _read_text(file, path, problems)
        )


def documents_of(records: Iterable[Record], problems: Problems) -> Iterator[tuple[Document, str]]:
    """Yield the document of each record with its place; a record that is not a document is a problem."""
    for record in records:
        fields = Fields(record.value, record.place, problems, "a document: an object with id and text", NAMES)
        # PubMed abstracts come as one object that lists them.
        listed = fields.children("articles", "article") if "articles" in fields.values else [fields]
        for row in listed:
            if row.valid:
                yield from _read_row(row)


def _read_row(row: Fields) -> Iterator[tuple[Document, str]]:
    found = row.problems.count
    identifier = row.identifier(*ID_NAMES)
    title = row.text(*TITLE_NAMES, required=False)
    paragraphs = split_paragraphs(*row.texts(*TEXT_NAMES))
    if paragraphs:
        yield Document(identifier, title, paragraphs), row.place
    elif row.problems.count == found:
        row.wrong(row.pick(TEXT_NAMES)[0], "a text that is not blank", *TEXT_NAMES[1:])


def _read_text(file: Path, folder: Path, problems: Problems) -> Iterator[tuple[Document, str]]:
    try:
        if file.stat().st_size > MOST_BYTES:
            problems.add(str(file), TOO_LONG)
            return
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.add(str(file), f"is not UTF-8 (byte {error.object[error.start]:#04x}); save it as UTF-8")
        return
    except OSError as error:
        problems.add(str(file), f"cannot be opened ({error.strerror})")
        return
    heading = _HEADING.search(text) if file.suffix.lower() != ".txt" else None
    paragraphs = split_paragraphs(text)
    if not paragraphs:
        problems.add(str(file), "is blank, expected text; remove it or fill it in")
        return
    identifier = file.name if file == folder else file.relative_to(folder).as_posix()
    yield Document(identifier, heading[1] if heading else file.stem, paragraphs), str(file)


def split_paragraphs(*texts: str) -> tuple[str, ...]:
    """Return the paragraphs of the texts: cut at blank lines, line ends trimmed, empty ones left out."""
    pieces = (piece.strip("\r\n") for text in texts for piece in _BLANK_LINES.split(text))
    return tuple(piece for piece in pieces if piece.strip())
