"""The Postgres that is included in ragft: one server for each home, shared by all processes that use it.

The kernel knows who uses the server: every process holds a shared lock on one file, which is released when the process
ends, even by kill -9. The last process to leave gets the lock for itself and stops the server; if that process was
killed, the watcher stops it.
"""

import atexit
import fcntl
import hashlib
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from psycopg.conninfo import make_conninfo

from ragft.errors import ConfigError, PrerequisiteError
from ragft.store import watcher
from ragft.store.data_folder import (
    SUPERUSER,
    ProgramError,
    Programs,
    find_programs,
    make_data_folder,
    running_postmaster,
)
from ragft.store.disk import LEAST_BYTES, no_room

log = logging.getLogger(__name__)

_START_ATTEMPTS = 8
_SECONDS_BETWEEN_ATTEMPTS = 0.5
_SECONDS_TO_START = 60
# 107 bytes of a Unix socket's address, less the name of the socket.
_LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")
# pg_ctl hands the path to a shell in double quotes, as it is.
_NOT_IN_A_PATH = frozenset('"$`\\\n')
_in_use: dict[Path, "_Use"] = {}


def embedded_dsn(home: Path) -> str:
    """Start the server under ``home``/postgres, or join the one that runs there, and return its connection string.

    The server lives until the last process that called this has ended.

    Raises:
        ConfigError: If the path of ``home`` has a character that Postgres cannot take.
        PrerequisiteError: If the home cannot be written to or the server cannot be started.
    """
    directory = home.expanduser().resolve() / "postgres"
    if bad := set(str(directory)) & _NOT_IN_A_PATH:
        raise ConfigError(
            f"Postgres cannot keep its data in {directory}: the path holds {' '.join(sorted(bad))!r}; use another home"
        )
    use = _in_use.get(directory)
    if use is None or use.process != os.getpid():
        use = _in_use[directory] = _Use(directory)
    try:
        return use.join()
    except OSError as error:
        raise PrerequisiteError(
            f"the home {home} cannot be written to: {error}; use another home, or give a server of your own with "
            "RAGFT_DSN"
        ) from error


class _Use:
    """The share that this process has in one server."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = os.getpid()
        self._programs = find_programs()
        self._users = -1

    def join(self) -> str:
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            _start(self.directory, self._programs)
            if self._users < 0:
                self._users = os.open(self.directory.with_suffix(".users"), os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._users, fcntl.LOCK_SH)
                atexit.register(self.leave)
            self._see_that_somebody_watches()
            # The fifth line of this file is the folder of the socket, wherever the server was started.
            folder = (self.directory / "postmaster.pid").read_text().splitlines()[4]
            return make_conninfo(host=folder, port=5432, user=SUPERUSER, dbname="postgres")

    def leave(self) -> None:
        """Give up the share; stop the server if it was the last one."""
        if os.getpid() != self.process or self._users < 0:
            return
        atexit.unregister(self.leave)
        _in_use.pop(self.directory, None)
        if not self.directory.exists():
            # The home was deleted: Postgres ends by itself when it misses its files.
            return
        with self._alone():
            try:
                if self._is_last():
                    watcher.stop_server(self.directory)
                else:
                    log.debug("other processes still use the server in %s", self.directory)
            finally:
                os.close(self._users)
                self._users = -1

    def _is_last(self) -> bool:
        """Give up the share and return whether no other process has one."""
        fcntl.flock(self._users, fcntl.LOCK_UN)
        with suppress(BlockingIOError):
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        # The watcher may hold it for an instant, for which this waits; then it cannot get it again.
        fcntl.flock(self._users, fcntl.LOCK_SH)
        with suppress(BlockingIOError):
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    def _see_that_somebody_watches(self) -> None:
        """Start the watcher of this server unless it runs; the watcher takes over the lock that says that it runs."""
        watching = os.open(self.directory.with_suffix(".watched"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(watching, fcntl.LOCK_EX | fcntl.LOCK_NB)
                subprocess.run(
                    [sys.executable, "-E", "-S", watcher.__file__, str(self.directory), str(watching)],
                    check=True,
                    pass_fds=(watching,),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
        finally:
            os.close(watching)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from starting or stopping the same server in the meantime."""
        handle = os.open(self.directory.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def leave_embedded(home: Path) -> None:
    """Stop using the server under ``home`` before this process ends; the server stops unless others use it."""
    use = _in_use.get(home.expanduser().resolve() / "postgres")
    if use is not None:
        use.leave()


def _start(directory: Path, programs: Programs) -> None:
    """Make the database in ``directory`` and start its server, each where necessary.

    After a kill, the first start may fail while the old server's children still hold its memory, so it is retried.
    """
    problem: Exception | None = None
    for attempt in range(_START_ATTEMPTS):
        if attempt:
            log.info("the embedded Postgres in %s did not start (%s): trying again", directory, problem)
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
        try:
            make_data_folder(directory, programs)
            if running_postmaster(directory) is None:
                (directory / "postmaster.pid").unlink(missing_ok=True)
                words = ("-w", "-t", str(_SECONDS_TO_START), "-D", str(directory), "-l", str(directory / "log"))
                options = _options(directory, programs)
                programs.run("pg_ctl", *words, "-o", options, "start", timeout=_SECONDS_TO_START + 10)
        except (ProgramError, OSError) as error:
            problem = error
        else:
            return
    if shutil.disk_usage(directory.parent).free < LEAST_BYTES:
        raise no_room(directory.parent) from problem
    raise PrerequisiteError(
        f"the embedded Postgres in {directory} does not start: {problem}; see {directory / 'log'}, "
        "or give a server of your own with RAGFT_DSN"
    )


def _options(directory: Path, programs: Programs) -> str:
    """Return the server's options: no network, and a socket for its owner alone."""
    return f"-h '' -k {shlex.quote(str(_socket_folder(directory, programs)))} -c unix_socket_permissions=0700"


def _socket_folder(directory: Path, programs: Programs) -> Path:
    """Return the data directory, or a folder with a short name where the path is too long for a socket's address."""
    if len(os.fsencode(directory)) <= _LONGEST_SOCKET_FOLDER and not set(str(directory)) & set(",'"):
        return directory
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"ragft-{programs.owner}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if programs.user:
        os.chown(folder, programs.owner, -1)
    elif folder.stat().st_uid != programs.owner:
        raise PermissionError(f"{folder} belongs to another user")
    return folder
