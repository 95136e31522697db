"""Several processes train the adapter that one would, go on where they were killed, and end together."""

import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from ragft.errors import ConfigError, DivergedError, PrerequisiteError
from ragft.models.fingerprint import file_sha256
from ragft.models.loading import load_base
from ragft.params.training import FinetuneParams
from ragft.training import workers
from ragft.training.checkpoints import newest_valid
from ragft.training.peers import Peers
from ragft.training.result import TrainResult
from tests.unit.training.conftest import EXAMPLES, Job, farthest, weights

PROBE = torch.tensor([[5, 6, 7]])
SAME_BATCHES: dict[str, Any] = {"batch_size": 6, "lora_dropout": 0.0}
KILLED: dict[str, Any] = {"processes": 2, "lora_dropout": 0.1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "shared_out"),
    [
        ("lora", {"batch_tokens": 150}),
        ("prompt_tuning", {}),
        ("lora", {"shard": True, "batch_tokens": 150}),
        ("qlora", {"shard": True}),
    ],
    ids=["lora", "prompt_tuning", "lora sharded", "qlora sharded"],
)
def test_two_processes_train_the_adapter_of_one(
    job: Job,
    tiny_base: Path,
    tmp_path: Path,
    gradients: list[dict[str, torch.Tensor]],
    method: str,
    shared_out: dict[str, Any],
) -> None:
    """Of 13 examples in batches of 6 the last batch has one: a process has none. Lora in one row, the other padded."""
    if method == "qlora":
        job = Job(load_base(str(tiny_base), device="cpu", quantization="nf4"))
    logits = job.base.model(PROBE).logits
    settings = {**SAME_BATCHES, "method": method}
    given: dict[str, Any] = {"examples": EXAMPLES[:13], "dev": EXAMPLES[:5], **settings}
    one = job.train(tmp_path / "1", **given)
    two = job.train(tmp_path / "2", processes=2, **shared_out, **given)
    assert torch.equal(job.base.model(PROBE).logits, logits)
    assert two.all_parameters == one.all_parameters
    if method != "prompt_tuning":
        assert len(gradients[0]) > 4
        assert farthest(*gradients) < 1e-5
    assert farthest(weights(one), weights(two)) < 1e-4
    assert one.dev_losses[-1] < one.dev_losses[0]
    assert two.dev_losses == pytest.approx(one.dev_losses, abs=1e-5)
    assert two.train_loss == pytest.approx(one.train_loss, abs=1e-5)
    assert two.tokens_per_second * two.seconds == pytest.approx(one.tokens_per_second * one.seconds)
    assert (two.key, two.tokens, two.steps, two.batch) == (one.key, one.tokens, 9, 6)
    assert not multiprocessing.active_children()


@pytest.fixture(scope="module")
def unbroken(job: Job, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """Two processes with dropout, never interrupted: 9 steps."""
    return job.train(tmp_path_factory.mktemp("unbroken"), **KILLED)


def assert_goes_on(job: Job, folder: Path, unbroken: TrainResult, killed: dict[str, Any]) -> None:
    resumed = job.train(folder, **killed)
    assert resumed.resumed_from == 3
    assert resumed.identity == unbroken.identity
    assert file_sha256(resumed.adapter / "adapter_model.safetensors") == file_sha256(
        unbroken.adapter / "adapter_model.safetensors"
    )
    assert (resumed.train_loss, resumed.dev_losses) == (unbroken.train_loss, unbroken.dev_losses)


@pytest.mark.slow
@pytest.mark.parametrize("shard", [False, True])
def test_a_process_that_is_killed_ends_all_and_the_same_call_goes_on(
    job: Job, unbroken: TrainResult, tmp_path: Path, shard: bool
) -> None:
    """To the same bits; and a divided base trains the very adapter of a whole one."""

    def kill(done: int, _: int) -> None:
        if done == 4:
            (other,) = multiprocessing.active_children()
            assert other.pid is not None
            os.kill(other.pid, signal.SIGKILL)

    with pytest.raises(PrerequisiteError, match=r"process 1 of 2 of the training was ended by SIGKILL.* goes on from"):
        job.train(tmp_path, on_progress=kill, shard=shard, **KILLED)
    assert not multiprocessing.active_children()
    assert [path.name for path in tmp_path.glob("*/checkpoint-*")] == ["checkpoint-3"]
    assert_goes_on(job, tmp_path, unbroken, {"shard": shard, **KILLED})


@pytest.mark.slow
def test_a_kill_9_of_the_first_process_leaves_no_other(tiny_base: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    from ragft.store.kill_points import enable_kill_points\n"
        "    from tests.unit.training.conftest import Job, load_base\n"
        "    enable_kill_points('finetune.checkpoint:1')\n"
        "    job = Job(load_base(sys.argv[1], device='cpu'))\n"
        "    job.train(Path(sys.argv[2]), processes=2, lora_dropout=0.1)\n"
    )
    command = [sys.executable, "-c", program, str(tiny_base), str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line.strip())
            if line.startswith("held at: "):
                others = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                break
    assert seen[-1] == "held at: finetune.checkpoint", seen
    assert others
    assert not psutil.wait_procs(others, timeout=10)[1]
    checkpoint, passed_over = newest_valid(next(tmp_path.iterdir()))
    assert checkpoint is not None
    assert (checkpoint.name, len(passed_over)) == ("checkpoint-3", 1)


@pytest.mark.slow
def test_the_number_of_processes_is_in_the_key_where_numbers_are_dropped_out(
    job: Job, unbroken: TrainResult, tmp_path: Path
) -> None:
    assert job.train(tmp_path, **{**KILLED, "processes": 1}).key != unbroken.key


@pytest.mark.slow
def test_a_number_that_is_not_finite_in_one_process_stops_both(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A token without a number, which the example of the second process alone holds; they divide the base too."""
    folder = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    (token,) = AutoTokenizer.from_pretrained(folder).encode("~")
    tensors["model.embed_tokens.weight"][token] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    job = Job(load_base(str(folder), device="cpu"))
    examples = [replace(EXAMPLES[2], answer="It is that one. " * 9), replace(EXAMPLES[0], answer="It is ~.")]
    own: list[float] = []

    def total(peers: Peers, *values: float) -> list[float]:
        own.extend(values)
        return there(peers, *values)

    there: Callable[..., list[float]] = Peers.total
    monkeypatch.setattr(Peers, "total", total)
    capfd.readouterr()
    with pytest.raises(DivergedError, match=r"the loss became nan at step 1 with learning_rate 0\.002"):
        job.train(tmp_path, examples, dev=(), batch_size=2, processes=2, shard=True)
    assert own
    assert all(map(math.isfinite, own))
    assert capfd.readouterr() == ("", "")
    assert not multiprocessing.active_children()
    assert not list(tmp_path.glob("*/adapter"))


@pytest.mark.slow
def test_what_another_process_cannot_do_is_said_once(
    job: Job, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = Job(replace(job.base, fingerprint="0" * 64))
    with pytest.raises(PrerequisiteError, match="changed while it was trained on: restore it"):
        other.train(tmp_path, processes=2)
    assert capfd.readouterr() == ("", "")
    assert not multiprocessing.active_children()


def test_more_processes_than_examples_in_a_batch_are_refused(job: Job, tmp_path: Path) -> None:
    said = "processes is 9 and batch_size 8: .* use 1 to 8 processes, or a larger batch_size"
    with pytest.raises(ConfigError, match=said):
        FinetuneParams(processes=9)
    with pytest.raises(ConfigError, match=said):
        job.train(tmp_path, batch_size=8, processes=9)
    with pytest.raises(ConfigError, match="processes is 0"):
        FinetuneParams(processes=0)


def test_each_process_needs_a_gpu_of_its_own_and_sees_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="processes is 2, but PyTorch sees 1 GPUs"):
        workers._devices("cuda", 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    with workers._seeing("GPU-1"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,4"
    with workers._seeing(""):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,4"


@pytest.mark.parametrize(
    ("ends", "kind", "said"),
    [
        ([(0, None), (0, torch.OutOfMemoryError("no room"))], torch.OutOfMemoryError, "no room"),
        ([(0, None), (-9, None)], PrerequisiteError, "process 2 of 3 of the training was ended by SIGKILL"),
        ([(0, None), (1, None)], RuntimeError, "process 2 of 3 of the training failed; its traceback is above"),
        ([(0, None), (0, None)], PrerequisiteError, "the 3 processes of the training lost each other"),
    ],
)
def test_the_first_process_says_why_the_others_are_gone(
    ends: list[tuple[int, Exception | None]], kind: type[Exception], said: str
) -> None:
    """One that only lost another ends with 0 and no word."""
    team = workers._Team(Path("store"), [""])
    team._size = len(ends) + 1
    for code, word in ends:
        ours, theirs = multiprocessing.Pipe()
        if word is not None:
            theirs.send(word)
        theirs.close()
        team._pipes.append(ours)
        team._processes.append(SimpleNamespace(exitcode=code, join=lambda _: None))  # type: ignore[arg-type]
    cause = team.cause()
    assert type(cause) is kind
    assert said in str(cause)


@pytest.mark.slow
def test_where_memory_is_short_they_go_on_with_smaller_batches(job: Job, tmp_path: Path) -> None:
    refused: list[int] = []

    def refuse(done: int, _: int) -> None:
        if done == 2 and not refused:
            refused.append(done)
            raise torch.OutOfMemoryError("no room")

    whole = job.train(tmp_path / "whole", batch_size=4, lora_dropout=0.0)
    small = job.train(tmp_path / "small", on_progress=refuse, processes=2, batch_size=4, lora_dropout=0.0)
    assert (whole.batch, small.batch, small.steps, small.key) == (4, 2, whole.steps, whole.key)
    assert farthest(weights(whole), weights(small)) < 1e-4
