"""A command that is forked is one to whoever starts it: its words, streams, exit code and end are its own."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Checkout, warm


@pytest.fixture(scope="module")
def python() -> str:
    return str(warm().programs / "python")


def test_streams_folder_and_exit_code_are_its_own(python: str, tmp_path: Path) -> None:
    (tmp_path / "said.py").write_text(
        "import os, sys\nprint(sys.argv[1:], input(), os.getcwd(), os.environ['SAID'], 'torch' in sys.modules)\n"
        "sys.exit('to stderr')\n"
    )
    environment = {"PATH": os.environ["PATH"], "SAID": "é", "PYTHONPATH": str(tmp_path)}
    for words, is_warm in ([python, "-m", "said", "a", "b c"], True), ([python, str(tmp_path / "said.py"), "a"], False):
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, input="typed\n", capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (1, "to stderr\n")
        assert done.stdout == f"{words[words.index('a') :]} typed {tmp_path} é {is_warm}\n"


def test_a_parameter_that_is_wrong_ends_as_in_a_process_of_its_own(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, tmp_path)
    cold, forked = (checkout.step("prepare", check=False, cold=cold, data_seed=-1) for cold in (True, False))
    assert (cold.returncode, cold.stdout, cold.stderr) == (forked.returncode, forked.stdout, forked.stderr)
    assert cold.returncode == 2


def test_who_waits_learns_of_a_kill() -> None:
    fork = warm().start(["python", "-m", "http.server", "0"], {**os.environ, "PYTHONUNBUFFERED": "1"})
    os.kill(fork.pid, signal.SIGKILL)
    assert fork.wait() == -signal.SIGKILL
    fork.stdout.close()


def test_a_command_that_nobody_waits_for_is_ended(python: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    words = [python, "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stdout.readline().startswith(b"Serving HTTP")
        started.kill()
        assert started.stdout.read() == b""  # at its end nobody holds the stream any more
