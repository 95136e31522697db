"""Reports a full disk in one sentence: where it is, what is left there, and what is needed."""

import errno
import shutil
from pathlib import Path
from types import TracebackType

from ragft.errors import PrerequisiteError, RagftError

MIB = 2**20
# Postgres lengthens its log by 16 MiB at a time, and sqlite copies what it changes.
LEAST_BYTES = 64 * MIB
_FULL = (errno.ENOSPC, errno.EDQUOT)
_WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded")
# What torch says of a file that it could not write completely, whatever the reason.
_WORDS_OF_TORCH = ("file write failed", "iostream error", "[enforce fail at inline_container")


class RoomAt:
    """For a block that writes below a folder: if the disk fills up, the error names the folder."""

    def __init__(self, place: Path, needed: int = LEAST_BYTES) -> None:
        """Keep the folder, and the bytes that must be free there to go on."""
        self._place = place
        self._needed = needed

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn a full disk into an error.

        Raises:
            PrerequisiteError: If the disk was full.
        """
        if not isinstance(error, RagftError) and is_full(error):
            raise no_room(self._place, self._needed) from error


def require_room(place: Path, needed: int, what: str) -> None:
    """Refuse to begin what there is no room to finish.

    Raises:
        PrerequisiteError: If less than ``needed`` bytes are free at ``place``.
    """
    if shutil.disk_usage(place).free < needed:
        raise PrerequisiteError(f"{what}: {no_room(place, needed)}")


def no_room(place: Path, needed: int = LEAST_BYTES) -> PrerequisiteError:
    """Return the sentence about a full disk."""
    free = shutil.disk_usage(place).free
    return PrerequisiteError(
        f"the disk of {place} is full: {free / MIB:.0f} MiB are left and {needed / MIB:.0f} MiB are needed; make room "
        "there, or move RAGFT_HOME to a larger disk, and run the same command again: what was finished is whole"
    )


def is_full(error: BaseException | None) -> bool:
    """Return whether an error or its cause says that a disk is full, in any library's words."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in _FULL) or any(
            words in str(error) for words in (*_WORDS, *_WORDS_OF_TORCH)
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def write_whole(path: Path, text: str) -> None:
    """Write a text file; if that fails halfway, the file that was there before stays."""
    part = path.with_name(f".{path.name[-200:]}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
