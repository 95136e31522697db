"""Stops an embedded Postgres when the last process that used it is gone, kill -9 included.

A program of its own, which `ragft.store.embedded` starts beside the server: it sleeps in the kernel until nobody
holds the lock of the users any more. It imports the standard library alone, so that it starts at once and stays small.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

_SECONDS_TO_STOP = 60


def watch(directory: Path, watching: int) -> None:
    """Wait until no process uses the server of ``directory``, then stop it.

    Args:
        directory: The server's data.
        watching: The lock that says that somebody watches; let go before the lock that starting a server needs.
    """
    while True:
        with _Locked(directory.with_suffix(".users")):
            pass  # nobody is left; whoever comes now must not wait for this program
        with _Locked(directory.with_suffix(".lock")):
            users = os.open(directory.with_suffix(".users"), os.O_RDWR)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                stop_server(directory)
                os.close(watching)
                return
            finally:
                os.close(users)


def stop_server(directory: Path) -> None:
    """Have the server of ``directory`` end its clients and itself, and wait for that; nothing where none runs.

    By a signal, not by pg_ctl, which Postgres' own account could not call if it could not reach the folder.
    """
    pid = _postmaster(directory)
    if pid is None:
        return
    deadline = time.monotonic() + _SECONDS_TO_STOP
    try:
        os.kill(pid, signal.SIGINT)  # a fast shutdown, in Postgres' words
        while _postmaster(directory) == pid and time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)
    except ProcessLookupError:
        return


class _Locked:
    """The exclusive lock of a file; taking it waits."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._handle = os.open(self._path, os.O_RDWR)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _postmaster(directory: Path) -> int | None:
    """Return the process that the pid file names, None where that is no Postgres on this folder any more."""
    try:
        pid = int((directory / "postmaster.pid").read_text().partition("\n")[0])
        if not Path("/proc/self").exists():
            return pid  # processes cannot be looked at here without more than the standard library
        return pid if os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes() else None
    except (OSError, ValueError):
        return None


def main(directory: str, watching: str) -> None:
    """Detach from the process that started this one, from its terminal and its signals; then watch."""
    if os.fork():
        return
    os.setsid()
    os.chdir("/")
    try:
        watch(Path(directory), int(watching))
    except FileNotFoundError:
        return  # the home was deleted: Postgres ends by itself when it misses its files


if __name__ == "__main__":
    main(*sys.argv[1:])
