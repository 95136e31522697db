"""What cannot be divided is refused before work starts, and a weight that sharding changed is noticed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.loading import LoadedModel, load_base
from ragft.models.quantization import Quantization
from ragft.params.training import FinetuneParams
from ragft.training import sharding
from ragft.training.batches import RowCollator
from ragft.training.methods import TrainingSettings, attach
from ragft.training.peers import Peers
from ragft.training.result import Measure
from tests.unit.training.conftest import PARAMS, Job, farthest, weights


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A group of one process."""
    sharding.connect(tmp_path / "store", 0, 1)
    yield
    sharding.disconnect()
    assert not distributed.is_initialized()


def test_the_first_process_hears_of_a_lost_one_from_gloo() -> None:
    assert sharding.is_lost(RuntimeError("[/gloo/gloo/transport/tcp/pair.cc:537] Read error: Connection reset by peer"))
    assert sharding.is_lost(distributed.DistNetworkError("gone"))
    assert not sharding.is_lost(RuntimeError("shapes differ"))


@pytest.mark.slow
def test_a_divided_base_computes_the_same(base: LoadedModel, alone: None) -> None:
    adapted = attach(base, TrainingSettings.from_params(PARAMS))
    probe = torch.tensor([[5, 6, 7]])
    before = adapted(probe).logits.detach()
    sharding.divide(adapted)
    assert torch.equal(adapted(probe).logits, before)
    divided = [weight for weight in adapted.parameters() if isinstance(weight, distributed.tensor.DTensor)]
    assert sum(weight.numel() for weight in divided) == base.model.num_parameters() - sum(
        weight.numel() for weight in adapted.parameters() if weight.requires_grad
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_4_bit_weights_pass_as_they_are(tiny_base: Path, alone: None) -> None:
    packed = load_base(str(tiny_base), quantization="nf4", dtype="bfloat16", device="cpu", divisible=True)
    adapted = attach(packed, replace(TrainingSettings.from_params(PARAMS), method="qlora"))
    probe = torch.tensor([[5, 6, 7]])
    before = adapted(probe).logits.detach().float()
    sharding.divide(adapted)  # it compares them, and stops where one changed
    after = adapted(probe.cuda()).logits.detach().float().cpu()
    assert (after - before).abs().max() < 5e-2 * before.abs().max()


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA devices")
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_on_two_gpus_a_divided_base_is_trained_as_a_whole_one(tiny_base: Path, tmp_path: Path, method: str) -> None:
    quantization: Quantization = "nf4" if method == "qlora" else "none"
    job = Job(load_base(str(tiny_base), quantization=quantization, dtype="bfloat16"))
    whole, divided = (
        job.train(tmp_path / str(shard), processes=2, shard=shard, method=method, lora_dropout=0.0)
        for shard in (False, True)
    )
    assert divided.dev_losses == pytest.approx(whole.dev_losses, abs=1e-2)
    assert farthest(weights(whole), weights(divided)) < 5e-2


@pytest.mark.slow
def test_a_weight_that_sharding_changed_stops_training(
    base: LoadedModel, alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapted = attach(base, TrainingSettings.from_params(PARAMS))
    looks = iter(range(99))
    monkeypatch.setattr(sharding, "_sums", lambda _: {"q_proj.weight": next(looks)})
    with pytest.raises(PrerequisiteError, match=r"changed q_proj\.weight while it divided the base: .*shard=False"):
        sharding.divide(adapted)


@pytest.mark.slow
def test_a_model_that_does_not_name_its_layers_is_not_divided(base: LoadedModel, alone: None) -> None:
    adapted = attach(base, TrainingSettings.from_params(PARAMS))
    base.model._no_split_modules = None
    with pytest.raises(ConfigError, match="LlamaForCausalLM does not say what its layers are"):
        sharding.divide(adapted)


def test_where_the_base_is_divided_every_process_has_as_many_rows() -> None:
    """Rows of at most 25 tokens: the first process takes the 30 in one, the other 20 and 20 in two."""
    examples = [{"input_ids": [7] * length, "labels": [7] * length} for length in (30, 20, 20)]

    def made(rank: int, store: Path | None) -> tuple[int, int, int]:
        batch = RowCollator(list, 25, Peers(None, rank, 2, store), joined=True)(examples)
        return len(batch["rows"]), len(batch["idle"]), batch["tokens"]

    assert [made(rank, None) for rank in (0, 1)] == [(1, 0, 30), (2, 0, 40)]
    assert [made(rank, Path("store")) for rank in (0, 1)] == [(1, 1, 30), (2, 0, 40)]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"shard": True}, "processes is 1: give how many divide the base, 2 or more"),
        ({"shard": True, "processes": 2, "unknown_share": 0.5}, "shard is True and unknown_share 0.5"),
    ],
)
def test_what_cannot_be_divided_is_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        FinetuneParams(**params)


def test_training_refuses_it_too(job: Job, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="processes is 1: give how many"):
        job.train(tmp_path, shard=True)
    with pytest.raises(ConfigError, match="what the base knew is to be asked while it is trained"):
        job.train(tmp_path, shard=True, processes=2, measure=Measure("asked", lambda _: {}))
    packed = Job(load_base(str(tiny_base), device="cpu", quantization="int8"))
    with pytest.raises(ConfigError, match="quantization int8: use one of none, nf4"):
        packed.train(tmp_path, shard=True, processes=2, method="qlora")
