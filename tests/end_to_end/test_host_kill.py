"""A step that the kernel kills: whoever started it learns that, and the same command goes on."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.conftest import Checkout
from tests.tiny_model import make_tiny_model

HELD_AT = "prepare.embed"
SAYS_137 = "(exit code 137), most often because the machine's memory ran out"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    folder = tmp_path_factory.mktemp("host_kill")
    checkout = Checkout(folder / "home", make_tiny_model(folder / "tiny"))
    checkout.step("setup")
    return checkout


def step_below(process: psutil.Process) -> psutil.Process:
    """The process of the step itself: the first of its command line below the one that was started."""
    lines = [each for each in [process, *process.children(recursive=True)] if "entrypoints.prepare" in each.cmdline()]
    assert lines
    return lines[0]


def killed(checkout: Checkout, words: Sequence[str]) -> tuple[int, str]:
    """Return exit code and stderr of a command whose step is killed while it embeds."""
    with checkout.start(words, {"RAGFT_TEST_KILL_POINT": HELD_AT}) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line == f"held at: {HELD_AT}\n":
                os.kill(step_below(psutil.Process(process.pid)).pid, signal.SIGKILL)
        return process.wait(), "".join(said)


def test_mlflow_run_tells_of_a_killed_step_and_the_same_command_goes_on(home: Checkout, papers: Path) -> None:
    words = ["mlflow", "run", ".", "-e", "prepare", "--env-manager", "local"]
    code, said = killed(home, [*words, "-P", "dataset=qasper", "-P", f"path={papers}"])
    assert code != 0
    assert f"ragft prepare: killed before it could say why {SAYS_137}" in said
    again = home.mlflow_run("prepare", dataset="qasper", path=papers)
    assert "prepared " in again.stdout


def test_make_ends_with_the_code_of_a_killed_step(home: Checkout, papers: Path, tmp_path: Path) -> None:
    step = f"{sys.executable} -m entrypoints.prepare --dataset qasper --path {papers} --data_seed 3 --chunk_chars 700"
    (tmp_path / "Makefile").write_text(f"step:\n\t{step}\n")
    code, said = killed(home, ["make", "-f", str(tmp_path / "Makefile"), "step"])
    assert code == 2
    assert SAYS_137 in said
    assert "137" in said.replace(SAYS_137, "") or "Killed" in said
    done = home.step("prepare", dataset="qasper", path=papers, data_seed=3, chunk_chars=700)
    assert "prepared " in done.stdout
