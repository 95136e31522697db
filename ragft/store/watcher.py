"""Stops an embedded Postgres when the last process that used it is gone, kill -9 included.

A program of its own, which `ragft.store.embedded` starts beside the server: it sleeps in the kernel until nobody
holds the lock of the users any more. It imports the standard library alone, so that it starts at once and stays small.
"""

import fcntl
import os
import pwd
import subprocess
import sys
from pathlib import Path


def watch(directory: Path, watching: int, user: str, stop: list[str]) -> None:
    """Wait until no process uses the server of ``directory``, then stop it with the command ``stop``.

    Args:
        directory: The server's data.
        watching: The lock that says that somebody watches; let go before the lock that starting a server needs.
        user: Whom to run the command as; empty for the own user.
        stop: The command, which ends with 0 where a server was stopped.
    """
    while True:
        with _locked(directory.with_suffix(".users")):
            pass  # nobody is left; whoever comes now must not wait for this program
        with _locked(directory.with_suffix(".lock")):
            users = os.open(directory.with_suffix(".users"), os.O_RDWR)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                if _runs(directory):
                    group = pwd.getpwnam(user).pw_gid if user else None
                    subprocess.run(stop, user=user or None, group=group, check=False)
                os.close(watching)
                return
            finally:
                os.close(users)


class _locked:  # noqa: N801 - used as a function
    """Hold the lock of a file alone, waiting for it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._handle = os.open(self._path, os.O_RDWR)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _runs(directory: Path) -> bool:
    """Return whether the pid file names a Postgres; where processes cannot be looked at, that it names one at all."""
    try:
        pid = int((directory / "postmaster.pid").read_text().partition("\n")[0])
        if not Path("/proc/self").exists():
            return True
        return os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def main(directory: str, watching: str, user: str, *stop: str) -> None:
    """Leave the process that started this one, its terminal and its signals; then watch."""
    if os.fork():
        return
    os.setsid()
    os.chdir("/")
    try:
        watch(Path(directory), int(watching), user, list(stop))
    except FileNotFoundError:
        return  # the home was deleted: Postgres ends by itself when it misses its files


if __name__ == "__main__":
    main(*sys.argv[1:])
