"""A killed training goes on from the newest whole checkpoint, to the same bits."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ragft.models.fingerprint import MANIFEST, file_sha256
from ragft.models.loading import load_base
from ragft.training.result import TrainResult
from tests.unit.training.conftest import Job

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def kill_at(step: int) -> Any:  # noqa: ANN401
    def told(done: int, of: int) -> None:
        if done == step:
            raise Killed

    return told


def weights(result: TrainResult) -> str:
    return file_sha256(result.adapter / "adapter_model.safetensors")


def steps_told(job: Job) -> list[int]:
    return [step for step, metrics in job.told if "train_loss" in metrics]


@pytest.fixture(scope="module")
def through(job: Job, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """The training of this file, never interrupted."""
    return job.train(tmp_path_factory.mktemp("through"))


@pytest.fixture(scope="module")
def stopped(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, killed in step 8 of 9: checkpoints of steps 3 and 6 are there."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Killed):
        job.train(folder, on_progress=kill_at(8))
    assert sorted(path.name for path in folder.glob("*/checkpoint-*")) == ["checkpoint-3", "checkpoint-6"]
    return folder


@pytest.fixture
def killed(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "killed"))


def assert_same(resumed: TrainResult, through: TrainResult) -> None:
    assert weights(resumed) == weights(through)
    assert resumed.identity == through.identity
    assert (resumed.train_loss, resumed.dev_losses) == (through.train_loss, through.dev_losses)


def test_it_goes_on_from_the_newest_checkpoint(job: Job, through: TrainResult, killed: Path) -> None:
    resumed = job.train(killed)
    assert (through.resumed_from, resumed.resumed_from) == (0, 6)
    assert_same(resumed, through)
    assert steps_told(job) == list(range(1, 10))  # the new run holds the whole curve
    assert not list(killed.glob("*/checkpoint-*"))


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json", MANIFEST])
def test_a_truncated_checkpoint_is_passed_over(job: Job, through: TrainResult, killed: Path, file: str) -> None:
    broken = next(killed.glob("*/checkpoint-6")) / file
    broken.write_bytes(broken.read_bytes()[:-20])
    resumed = job.train(killed)
    assert resumed.resumed_from == 3
    assert len(resumed.passed_over) == 1
    assert "checkpoint-6" in resumed.passed_over[0]
    assert_same(resumed, through)


def test_without_a_whole_checkpoint_it_begins_again(job: Job, through: TrainResult, killed: Path) -> None:
    for manifest in killed.glob(f"*/checkpoint-*/{MANIFEST}"):
        manifest.unlink()
    resumed = job.train(killed)
    assert (resumed.resumed_from, len(resumed.passed_over)) == (0, 2)
    assert_same(resumed, through)


def test_a_finished_training_is_not_repeated_and_tells_its_history(job: Job, through: TrainResult) -> None:
    folder = through.adapter.parents[1]
    found = job.train(folder, on_progress=kill_at(0))
    assert found == replace(through, reused=True)
    assert steps_told(job) == list(range(1, 10))


def test_a_finished_adapter_that_was_changed_is_trained_again(job: Job, through: TrainResult, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(through.adapter.parents[1], tmp_path / "copy"))
    next(folder.glob("*/adapter/tokenizer.json")).write_text("{}")
    again = job.train(folder)
    assert not again.reused
    assert_same(again, through)


def test_a_kill_9_inside_a_checkpoint_costs_nothing(through: TrainResult, tiny_base: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from ragft.store.kill_points import enable_kill_points\n"
        "from tests.unit.training.conftest import Job, load_base\n"
        "enable_kill_points('finetune.checkpoint:1')\n"
        "Job(load_base(sys.argv[1], device='cpu')).train(Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(tiny_base), str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line.strip())
            if line.startswith("held at: "):
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL, seen
    assert seen[-2:] == ["kill point: finetune.checkpoint", "held at: finetune.checkpoint"]
    held = {path.name: (path / MANIFEST).is_file() for path in tmp_path.glob("*/checkpoint-*")}
    assert held == {"checkpoint-3": True, "checkpoint-6": False}
    resumed = Job(load_base(str(tiny_base), device="cpu")).train(tmp_path)
    assert (resumed.resumed_from, len(resumed.passed_over)) == (3, 1)
    assert_same(resumed, through)
