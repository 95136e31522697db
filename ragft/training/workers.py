"""Starts the other processes of a training, gives them their part, and ends them with it."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.loading import LoadedModel
from ragft.training import sharding
from ragft.training.peers import Peers, connect, is_lost
from ragft.training.worker import READY, Part, work

_VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
_SECONDS_TO_FOLLOW = 10.0  # until all processes have ended after one of them has
_A_BUG = 1  # what Python itself ends with, after a traceback


def part_of(base: LoadedModel, processes: int, *, sharded: bool = False, **task: Any) -> Part:  # noqa: ANN401 - the part's other fields
    """Return what each other process needs to train on this base; ``sharded`` divides it among them."""
    return Part(
        base=str(base.model.name_or_path),
        fingerprint=base.fingerprint,
        quantization=base.quantization,
        dtype=base.dtype,
        device=sharding.device() if sharded else "cuda" if base.device.startswith("cuda") else "cpu",
        sharded=sharded,
        threads=max(1, torch.get_num_threads() // processes),
        **task,
    )


@contextmanager
def gathered(part: Part, processes: int) -> Iterator[Peers]:
    """Start the other processes of a training, yield the connection of this one with them, and end them afterwards.

    They end with this process too, however that ends.

    Raises:
        ConfigError: If there are fewer GPUs than processes.
        PrerequisiteError: If one of them is killed, or cannot load the base.
        torch.OutOfMemoryError: If one of them has too little memory.
    """
    devices = _devices(part.device, processes)
    threads = torch.get_num_threads()
    with TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        team = _Team(store, devices)
        torch.set_num_threads(part.threads)
        try:
            team.prepare(part)
            yield connect(store, 0, processes, sharded=part.sharded)
        except RuntimeError as error:
            if not is_lost(error):
                raise
            raise team.cause() from error
        finally:
            team.end()
            sharding.disconnect()
            torch.set_num_threads(threads)


class _Team:
    """The other processes, each with a pipe to it."""

    def __init__(self, store: Path, devices: Sequence[str]) -> None:
        self._size = len(devices)
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        context = multiprocessing.get_context("spawn")
        for rank, device in enumerate(devices[1:], 1):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(store, rank, self._size, theirs), daemon=True)
            with _seeing(device):
                process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def prepare(self, part: Part) -> None:
        """Give each its part and wait until all have loaded the base.

        Raises:
            RagftError: What one of them could not do; a RuntimeError if it is a bug, whose traceback it has printed.
        """
        for pipe in self._pipes:
            with suppress(BrokenPipeError):  # it is gone, as will be seen
                pipe.send(part)
        waiting: list[Any] = list(self._pipes)
        while waiting:
            for ready in wait(waiting):
                if (said := _read(ready)) != READY:
                    raise said if isinstance(said, Exception) else self.cause()
                waiting.remove(ready)

    def cause(self) -> Exception:
        """Return why the processes lost each other; one that ends without a word has only lost another one."""
        until = time.monotonic() + _SECONDS_TO_FOLLOW
        for process in self._processes:
            process.join(max(0.0, until - time.monotonic()))
        for rank, (process, pipe) in enumerate(zip(self._processes, self._pipes, strict=True), 1):
            which, code = f"process {rank} of {self._size} of the training", process.exitcode
            if isinstance(said := _read(pipe), Exception):
                return said
            if code is not None and code < 0:
                return PrerequisiteError(
                    f"{which} was ended by {signal.Signals(-code).name}, most often because memory ran out: the same "
                    "command goes on from the last checkpoint; use fewer processes if it happens again"
                )
            if code == _A_BUG:
                return RuntimeError(f"{which} failed; its traceback is above")
        return PrerequisiteError(
            f"the {self._size} processes of the training lost each other: the same command goes on from the last "
            "checkpoint"
        )

    def end(self) -> None:
        """End those that are still there, and wait for it."""
        for process in self._processes:
            process.kill()
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            process.join()
            pipe.close()


def _read(pipe: Any) -> Any:  # noqa: ANN401 - READY or an exception
    """Return the next thing that a process said; None if it said nothing or is gone."""
    try:
        return pipe.recv() if pipe.poll() else None
    except (EOFError, ConnectionResetError):
        return None


def _devices(device: str, processes: int) -> list[str]:
    """Return what each process may see: a GPU of its own, or "" where it computes on the CPU.

    Raises:
        ConfigError: If there are fewer GPUs than processes.
    """
    if device != "cuda":
        return [""] * processes
    if (there := torch.cuda.device_count()) < processes:
        raise ConfigError(
            f"processes is {processes}, but PyTorch sees {there} GPUs: each process needs its own, so at most {there}"
        )
    uuids = (str(torch.cuda.get_device_properties(place).uuid) for place in range(processes))
    return [f"GPU-{uuid.removeprefix('GPU-')}" for uuid in uuids]


@contextmanager
def _seeing(device: str) -> Iterator[None]:
    """Start a process that sees this GPU alone: for transformers the first one that it sees is the one to use."""
    before: Mapping[str, str] = {name: os.environ[name] for name in (_VISIBLE_GPUS,) if name in os.environ}
    if device:
        os.environ[_VISIBLE_GPUS] = device
    try:
        yield
    finally:
        if device:
            os.environ.pop(_VISIBLE_GPUS)
            os.environ.update(before)
