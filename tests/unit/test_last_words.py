"""Only a process that was killed is spoken for, and nothing is left behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys
from entrypoints.last_words import last_words
with last_words("train"):
    print("working", flush=True)
    {ending}
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


def ended(ending: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", SCRIPT.format(ending=ending)]
    # Returns only when every process that holds the streams is gone.
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_a_killed_process_is_spoken_for() -> None:
    done = ended(KILLED)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "working\n")
    assert done.stderr.startswith("ragft train: killed before it could say why (exit code 137)")
    assert "run the same command again" in done.stderr


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        ("pass", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise ValueError('a bug')", 1, "a bug"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
def test_a_process_that_ends_by_itself_speaks_for_itself(ending: str, code: int, said: str) -> None:
    done = ended(ending)
    assert done.returncode == code
    assert said in done.stderr
    assert "137" not in done.stderr


def test_a_signal_to_the_group_leaves_the_small_process_to_speak() -> None:
    done = ended("os.setpgid(0, 0); os.killpg(0, signal.SIGKILL)")
    assert "exit code 137" in done.stderr
