"""A base divided among the processes that train on it, by PyTorch's FSDP2; the adapter stays whole in each of them.

Each process holds a part of every layer's frozen weights. A layer is put together where it is computed, forward and
backward, and taken apart again. The adapter's gradients are added as they are without sharding, so checkpoints, the
optimiser and the adapter that is saved are those of any training.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from ragft.errors import ConfigError, PrerequisiteError

# gloo notices at once that a process ended, by its closed connection, NCCL only after this time. Nothing that one
# process does alone, such as a checkpoint, takes as long.
_PATIENCE = timedelta(minutes=30)
_BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
_INTERFACE, _LOOPBACK = "GLOO_SOCKET_IFNAME", "lo"


def device() -> str:
    """Return where a divided base computes, in each process: on the GPU that it sees, else on the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def connect(store: Path, rank: int, size: int) -> None:
    """Make the group through which layers are put together; every process of the training calls it."""
    there = os.environ.get(_INTERFACE)
    if Path("/sys/class/net", _LOOPBACK).exists():
        os.environ[_INTERFACE] = _LOOPBACK
    try:
        where = device()
        files: Any = distributed.FileStore  # type: ignore[attr-defined]  # it is missing in torch's stubs
        distributed.init_process_group(
            _BACKENDS[where], store=files(str(store), size), rank=rank, world_size=size, timeout=_PATIENCE
        )
    finally:
        os.environ.pop(_INTERFACE, None)
        if there is not None:
            os.environ[_INTERFACE] = there


def disconnect() -> None:
    """End the group, where there is one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def is_lost(error: RuntimeError) -> bool:
    """Return whether an error of a computation says that another process of the group is gone; gloo names itself."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)


def divide(adapted: PeftModel) -> None:
    """Leave of every layer a part in each process, on its device; what is trained is moved there whole.

    All processes call it with the same model. It cannot be undone.

    Raises:
        ConfigError: If the model does not say what its layers are.
        PrerequisiteError: If a layer that is put together again is not the same, bit by bit.
    """
    where = device()
    layers = _layers(adapted)
    trained = {parameter for parameter in adapted.parameters() if parameter.requires_grad}
    for parameter in trained:
        parameter.data = parameter.data.to(where)
    mesh = init_device_mesh(where, (distributed.get_world_size(),))
    for layer in layers:
        before = _sums(layer)
        fully_shard(layer, mesh=mesh, ignored_params=trained)
        with _whole(layer):
            after = _sums(layer)
        if after != before:  # bitsandbytes' issue 1945: 4-bit weights in a float's clothes must pass as they are
            changed = next(name for name in before if before[name] != after.get(name))
            raise PrerequisiteError(
                f"PyTorch {torch.__version__} changed {changed} while it divided the base: train with shard=False"
            )
    # What lies outside the layers is taken apart after each use too: a checkpoint, which the first process alone
    # writes, would take it apart there alone, and the processes would no longer agree on what to put together next.
    fully_shard(adapted, mesh=mesh, ignored_params=trained, reshard_after_forward=True)


def _layers(adapted: PeftModel) -> list[Any]:
    base = adapted.get_base_model()
    names = set(base._no_split_modules or ())
    layers = [module for module in base.modules() if type(module).__name__ in names]
    if not layers:
        raise ConfigError(
            f"{type(base).__name__} does not say what its layers are, so it cannot be divided: shard=False"
        )
    return layers


@contextmanager
def _whole(layer: Any) -> Iterator[None]:  # noqa: ANN401 - a module that fully_shard changed
    layer.unshard()
    try:
        yield
    finally:
        layer.reshard()


def _sums(layer: torch.nn.Module) -> dict[str, int]:
    """Return name -> sum of its bytes, of the frozen weights."""
    frozen = ((name, weight.detach()) for name, weight in layer.named_parameters() if not weight.requires_grad)
    return {name: int(weight.contiguous().view(torch.uint8).sum(dtype=torch.int64)) for name, weight in frozen}
