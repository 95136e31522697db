"""A further process of a training: it loads the base, takes its share of every batch, and writes nothing.

What takes long to import is imported when the process already ends with the one that started it.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragft.errors import PrerequisiteError, RagftError

if TYPE_CHECKING:
    from ragft.models.loading import LoadedModel
    from ragft.models.quantization import Quantization
    from ragft.training.encoding import EncodedExample
    from ragft.training.methods import TrainingSettings
    from ragft.training.peers import Peers

READY = "ready"


@dataclass(frozen=True)
class Part:
    """What another process needs to train along.

    Attributes:
        base: Folder of the base, which each process loads.
        fingerprint: Which base that must be.
        device: cuda or cpu, where it is computed; of the GPUs, each process sees its own alone.
        sharded: Whether the processes divide the base among them.
        threads: How many of the CPU's cores each process takes.
        checkpoint: Where training goes on; None begins.
        parent: Folder of the adapter that is trained on; None for a fresh one.
    """

    base: str
    fingerprint: str
    quantization: "Quantization"
    dtype: str
    device: str
    sharded: bool
    threads: int
    examples: Sequence["EncodedExample"]
    dev: Sequence["EncodedExample"]
    settings: "TrainingSettings"
    place: Path
    checkpoint: Path | None
    parent: Path | None

    def load(self) -> "LoadedModel":
        """Return the base; one that will be divided lies on the CPU until then.

        Raises:
            PrerequisiteError: If it is another one by now.
        """
        from ragft.models.loading import load_base

        kind: dict[str, Any] = {"quantization": self.quantization, "dtype": self.dtype, "divisible": self.sharded}
        base = load_base(self.base, device="cpu" if self.sharded else self.device, **kind)
        if base.fingerprint != self.fingerprint:
            raise PrerequisiteError(f"the base in {self.base} changed while it was trained on: restore it")
        return replace(base, device=self.device) if self.sharded else base


def work(store: Path, rank: int, size: int, pipe: Connection) -> None:
    """Train along: take the part from the pipe, say when it can begin, and say why it could not end well."""
    _end_with_parent()
    for number in (signal.SIGINT, signal.SIGHUP):  # the first process hears them too, and ends this one
        signal.signal(number, signal.SIG_IGN)
    _leave_talking_to_the_first()

    import torch

    from ragft import shortage
    from ragft.training.peers import connect, is_lost

    try:
        part = pipe.recv()
        torch.set_num_threads(part.threads)
        _follow(part, lambda: connect(store, rank, size, sharded=part.sharded), pipe)
    except RagftError as error:
        pipe.send(type(error)(str(error)))
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and is_lost(error):
            sys.exit(0)  # the first process says why
        if not shortage.is_shortage(error):
            raise
        pipe.send(torch.OutOfMemoryError(str(error)))


def _follow(part: Part, connect: Any, pipe: Connection) -> None:  # noqa: ANN401 - () -> Peers
    from ragft.training.loop import Loop
    from ragft.training.methods import attach
    from ragft.training.watch import Watch

    base = part.load()
    pipe.send(READY)
    peers: Peers = connect()
    adapted = replace(base, model=attach(base, part.settings, part.parent))
    watch = Watch(_nobody, _nobody, part.settings.learning_rate)
    loop = Loop(adapted, part.examples, part.dev, part.settings, part.place, watch, peers=peers)
    loop.run(part.checkpoint)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even by kill -9."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=watch, daemon=True, name="end with parent").start()


def _leave_talking_to_the_first() -> None:
    """Say nothing that the first process says too: no warnings, no progress bars."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)

    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def _nobody(*_: Any) -> None:  # noqa: ANN401
    """Do nothing: the first process reports."""
