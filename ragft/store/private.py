"""Only its owner can open the home folder: passages, questions, answers and reports may hold anything."""

import os
import stat
from pathlib import Path

from ragft.errors import ConfigError, PrerequisiteError

FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# What a home is known by.
OURS = frozenset(
    ("postgres", "mlflow.db", "mlflow.lock", "artifacts", "training", "running", "reports", "huggingface", "bases")
)
_SHOWN = 100


def make_home(folder: Path) -> None:
    """Make the home folder where it is missing, and close it and everything in it to everybody else.

    What this process makes from here on is closed too, whatever the umask was.

    Raises:
        ConfigError: If the folder cannot be a home: its name, a file in its place, or others' files in it.
        PrerequisiteError: If it cannot be made or closed.
    """
    os.umask(FOR_OTHERS)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if not status.st_mode & FOR_OTHERS & ~_through(status):
            return
        names = {path.name for path in folder.iterdir()}
        if names and not names & OURS:
            raise ConfigError(
                f"RAGFT_HOME is {shown(folder)}, which others may look into and which holds files that are not ragft's "
                f"(such as {min(names)!r}): name a folder of its own, such as {shown(folder / 'ragft')}"
            )
        folder.chmod(0o700)
        _close(folder)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError(f"RAGFT_HOME is {shown(folder)}, where a file is in the way: name a folder") from error
    except OSError as error:
        raise PrerequisiteError(
            f"RAGFT_HOME is {shown(folder)}, which cannot be made or used: {error.strerror}; name a folder that "
            "you may write to"
        ) from error


def shown(path: Path | str) -> str:
    """Return a path for a message: of a very long one only both ends."""
    text = str(path)
    if len(text) <= 2 * _SHOWN:
        return repr(text)
    return f"{text[:_SHOWN] + '...' + text[-_SHOWN:]!r} ({len(text)} characters)"


def _through(status: os.stat_result) -> int:
    """Return the access that root's home leaves open: the group of Postgres' own account may pass through."""
    return stat.S_IXGRP if os.geteuid() == 0 and status.st_gid else 0


def _close(folder: Path) -> None:
    """Remove the rights of others from all below ``folder`` that belongs to its owner; links are not followed."""
    owner = os.geteuid()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            status = path.lstat()
            if status.st_uid == owner and not stat.S_ISLNK(status.st_mode) and status.st_mode & FOR_OTHERS:
                path.chmod(status.st_mode & 0o7777 & ~FOR_OTHERS)
