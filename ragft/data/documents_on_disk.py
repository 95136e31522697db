"""Documents by id: in memory while there are few, else in a temporary file, read one at a time."""

import json
import os
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from typing import Literal, overload

from ragft.types import Document

# Beyond this many characters documents go to disk, so that a file of any size can be read.
MEMORY_CHARS = 200_000_000


class DocumentShelf(Sequence[Document]):
    """A sequence of documents with unique ids, in the order in which they were added.

    Up to ``memory_chars`` characters (``MEMORY_CHARS``) they stay in memory. Then all of them move to a temporary
    file, which the operating system removes when nobody holds it any more. About 150 bytes per document stay in
    memory, for its id and its place in the file.
    """

    def __init__(self, memory_chars: int | None = None) -> None:
        self._memory_chars = MEMORY_CHARS if memory_chars is None else memory_chars
        self._chars = 0
        self._in_memory: list[Document] | None = []
        self._ranks: dict[str, int] = {}
        self._places = array("Q", [0])
        self._file = -1

    def add(self, document: Document) -> Literal["new", "same", "other"]:
        """Add a document; return whether its id was new, or already there with the same or with other content."""
        rank = self._ranks.get(document.id)
        if rank is not None:
            return "same" if self[rank] == document else "other"
        self._ranks[document.id] = len(self._ranks)
        if self._in_memory is None:
            self._write([document])
            return "new"
        self._in_memory.append(document)
        self._chars += len(document.title) + sum(map(len, document.paragraphs))
        if self._chars > self._memory_chars:
            in_memory, self._in_memory = self._in_memory, None
            self._write(in_memory)
        return "new"

    def _write(self, documents: Sequence[Document]) -> None:
        if self._file < 0:
            with tempfile.TemporaryFile(prefix="ragft-documents-") as file:
                self._file = os.dup(file.fileno())
        for document in documents:
            # JSON in ASCII holds every text, lone surrogates and NUL too.
            data = json.dumps([document.id, document.title, document.paragraphs]).encode("ascii")
            while data:
                data = data[os.write(self._file, data) :]
            self._places.append(os.lseek(self._file, 0, os.SEEK_CUR))

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            os.close(self._file)
            self._file = -1

    def __len__(self) -> int:
        return len(self._ranks)

    @overload
    def __getitem__(self, index: int) -> Document: ...

    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...

    def __getitem__(self, index: int | slice) -> Document | list[Document]:
        if isinstance(index, slice):
            return [self[rank] for rank in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"document {index} of {len(self)}")
        return self._in_memory[index] if self._in_memory is not None else self._read(index % len(self))

    def _read(self, rank: int) -> Document:
        start, end = self._places[rank], self._places[rank + 1]
        # pread has no position of its own, so that several readers can go through the file at once.
        parts = []
        while start < end and (part := os.pread(self._file, end - start, start)):
            parts.append(part)
            start += len(part)
        identifier, title, paragraphs = json.loads(b"".join(parts))
        return Document(identifier, title, tuple(paragraphs))

    def __iter__(self) -> Iterator[Document]:
        return (self[rank] for rank in range(len(self)))

    def has(self, identifier: str) -> bool:
        """Return whether a document has this id."""
        return identifier in self._ranks

    def get(self, identifier: str) -> Document | None:
        """Return the document with this id, or None."""
        rank = self._ranks.get(identifier)
        return None if rank is None else self[rank]

    def ids(self) -> Iterator[str]:
        """Return the ids in order."""
        return iter(self._ranks)

    def as_documents(self) -> Sequence[Document]:
        """Return the documents: a tuple while they are in memory, else this object."""
        return self if self._in_memory is None else tuple(self._in_memory)
