"""The processes that train one adapter together: each takes a share of every batch, and their gradients are added.

Each of them goes through the same batches in the same order as a single process would, so the number of steps, the
schedule and the checkpoints are a single process's. What they say to each other goes through the memory of this
machine's CPUs (gloo, on the loopback address alone): the gradients of an adapter are small.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ragft.training import sharding
from ragft.types import digest

_TO_CONNECT = timedelta(minutes=1)
# A process that ends is noticed at once, by its closed connection. One that is slow may be: the first one measures
# and writes while the others wait.
_PATIENCE = timedelta(days=7)


class LostPeerError(RuntimeError):
    """Another process of the training is gone."""


class Peers:
    """One of the processes of a training, connected with the others.

    Attributes:
        rank: Which one this is; 0 is the one that writes.
        size: How many there are.
        sharded: Whether they divide the base among them, so that each of their forward passes needs all of them.
    """

    def __init__(self, group: Any, rank: int, size: int, store: Path | None = None) -> None:  # noqa: ANN401 - torch's stubs lack most of it
        """``store`` is given where they divide the base: a file by which they find each other for that."""
        self.rank, self.size, self.sharded = rank, size, store is not None
        self._group, self._store = group, store

    def total(self, *values: float) -> list[float]:
        """Return the sum over all processes of each value, the same in all of them; NaN where one has NaN."""
        found = torch.tensor(values, dtype=torch.float64)
        self._add(found)
        return [float(value) for value in found]

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace the gradient of each trained parameter by its sum over all processes."""
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in trained:
            if parameter.grad is None:  # this process had no example of the step
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.flatten() for parameter in trained if parameter.grad is not None])
        summed = flat.cpu()  # the same memory where it lies there already
        self._add(summed)
        parts = torch.split(summed.to(flat.device), [parameter.numel() for parameter in trained])
        for parameter, part in zip(trained, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def divide(self, adapted: PeftModel) -> None:
        """Divide the base of a model among all processes, where they are to; see `sharding.divide`."""
        if self._store is not None:
            sharding.connect(self._store, self.rank, self.size)
            sharding.divide(adapted)

    def order_of_first(self, order: Sequence[int]) -> list[int]:
        """Return the order that the first process gave; all of them give one of the same length."""
        found = torch.tensor(order, dtype=torch.int64)
        self._add(found if self.rank == 0 else found.zero_())
        return [int(place) for place in found]

    def _add(self, values: torch.Tensor) -> None:
        options = distributed.AllreduceOptions()
        options.timeout = _PATIENCE
        try:
            self._group.allreduce([values], options).wait()
        except RuntimeError as error:
            raise LostPeerError(str(error)) from error


def is_lost(error: RuntimeError) -> bool:
    """Return whether an error says that another process of the training is gone."""
    return isinstance(error, LostPeerError) or sharding.is_lost(error)


def connect(store: Path, rank: int, size: int, *, sharded: bool = False) -> Peers:
    """Connect a process with the others, which waits for them.

    Args:
        store: A file of a folder that is theirs, by which they learn each other's addresses; it need not exist.
        rank: Which of them this is, from 0.
        size: How many there are.
        sharded: See `Peers`.

    Raises:
        LostPeerError: If they are not all there within a minute.
    """
    gloo: Any = distributed.ProcessGroupGloo
    file_store: Any = distributed.FileStore  # type: ignore[attr-defined]  # it is missing in torch's stubs
    options = gloo._Options()
    options._devices = [gloo.create_device(hostname="127.0.0.1")]
    options._timeout = _TO_CONNECT
    try:
        # A file, since no port has to be found and kept free for it.
        group = gloo(file_store(str(store), size), rank, size, options)
    except RuntimeError as error:
        raise LostPeerError(str(error)) from error
    return Peers(group, rank, size, store.with_name("sharding") if sharded else None)


class SharedOrder(torch.utils.data.Sampler[int]):
    """The order in which the first process would take the examples, in all of them."""

    def __init__(self, sampler: Any, peers: Peers) -> None:  # noqa: ANN401 - one of several classes of transformers
        self._sampler, self._peers = sampler, peers

    def __len__(self) -> int:
        """Return how many examples there are."""
        return len(self._sampler)

    def __iter__(self) -> Any:  # noqa: ANN401
        """Go through one epoch."""
        return iter(self._peers.order_of_first(list(self._sampler)))


class FollowCallback(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """In every process but the first: saves nothing, and drops out numbers of its own.

    What a step draws follows from seed, process and step alone, so that no checkpoint has to hold it.
    """

    def __init__(self, peers: Peers) -> None:
        self._rank = peers.rank

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, _: TrainerControl, **__: Any) -> None:  # noqa: ANN401
        """Seed the draws of this step."""
        torch.manual_seed(int(digest([args.seed, self._rank, state.global_step])[:15], 16))

    def on_step_end(self, _args: TrainingArguments, _: TrainerState, control: TrainerControl, **__: Any) -> None:  # noqa: ANN401
        """Leave saving to the first process."""
        control.should_save = False

    def on_epoch_end(self, _args: TrainingArguments, _: TrainerState, control: TrainerControl, **__: Any) -> None:  # noqa: ANN401
        """Leave saving to the first process."""
        control.should_save = False
