"""Training with as many examples at a time as memory allows: one attempt after another, each with fewer."""

import json
import logging
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ragft import shortage
from ragft.errors import ConfigError
from ragft.models.loading import LoadedModel, save_adapter, without_adapter
from ragft.store.disk import require_room, write_whole
from ragft.training import memory
from ragft.training.checkpoints import checkpoints_newest_first, newest_valid, room_for_training
from ragft.training.encoding import IGNORED, Encoded
from ragft.training.loop import Loop
from ragft.training.methods import TrainingSettings, attach
from ragft.training.peers import Peers
from ragft.training.result import ADAPTER, HISTORY, TrainResult, result_of
from ragft.training.watch import Watch
from ragft.training.workers import gathered, part_of

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A training as it was asked for, whatever memory then allows; `TrainingTask` explains ``processes``."""

    base: LoadedModel
    encoded: Encoded
    held_out: Encoded
    settings: TrainingSettings
    place: Path
    watch: Watch
    parent: Path | None
    named: Mapping[str, str]
    lineage: Mapping[str, Any]
    processes: int = 1


def run(job: Job) -> TrainResult:
    """Return the adapter, trained with as many examples per forward pass as memory allows."""
    batch: int | None = job.settings.batch_size
    while batch is not None:
        outcome = _attempt(job, batch)
        shortage.give_back()
        if isinstance(outcome, TrainResult):
            return outcome
        batch = _smaller(batch, job)
    fewer = ", fewer processes" if job.processes > 1 else ""
    raise ConfigError(
        f"{job.base.device} has too little memory to train one example of max_length {job.settings.max_length} at a "
        f"time: use a smaller max_length{fewer}, or method qlora"
    )


def _attempt(job: Job, batch: int) -> TrainResult | None:
    """Train with this many examples per forward pass, and steps of the size asked for; None if memory ran out."""
    checkpoint, passed = newest_valid(job.place)
    for problem in passed:
        LOG.warning("checkpoint passed over: %s", problem)
    passes = job.settings.gradient_accumulation_steps * job.settings.batch_size // batch
    settings = replace(job.settings, batch_size=batch, gradient_accumulation_steps=passes)
    adapted = replace(job.base, model=attach(job.base, job.settings, job.parent))
    require_room(job.place, room_for_training(adapted.model), "training cannot begin")
    memory.reset_peak(job.base.device)
    try:
        with _peers(job, settings, checkpoint) as peers:
            loop = Loop(
                adapted,
                job.encoded.examples,
                job.held_out.examples,
                settings,
                job.place,
                job.watch,
                peers,
            )
            loop.run(checkpoint)
        measured = {
            **job.named,
            "peak_memory_bytes": memory.peak_bytes(job.base.device),
            "resumed_from": int(checkpoint.name.removeprefix("checkpoint-")) if checkpoint else 0,
            "passed_over": passed,
            "batch": batch,
            **_counts(job.encoded, job.settings.epochs),
            **loop.measurements(),
        }
        kept = {"result": measured, "settings": asdict(job.settings), **job.lineage}
        identity = save_adapter(adapted, job.place / ADAPTER, kept)
    except (RuntimeError, MemoryError) as error:
        if not shortage.is_shortage(error):
            raise
        return None
    finally:
        without_adapter(adapted)
    write_whole(job.place / HISTORY, json.dumps(loop.history()))
    for leftover in checkpoints_newest_first(job.place):
        shutil.rmtree(leftover)
    return result_of(job.place / ADAPTER, identity, measured)


def _peers(job: Job, settings: TrainingSettings, checkpoint: Path | None) -> AbstractContextManager[Peers | None]:
    """Return the processes to train with; None where this one trains alone."""
    if job.processes == 1:
        return nullcontext()
    examples, dev = job.encoded.examples, job.held_out.examples
    task = {"examples": examples, "dev": dev, "settings": settings, "place": job.place}
    part = part_of(job.base, job.processes, **task, checkpoint=checkpoint, parent=job.parent)
    return gathered(part, job.processes)


def _smaller(batch: int, job: Job) -> int | None:
    """Return the largest divisor of a batch that is at most half of it, and say so; None after 1.

    An optimiser step sees the same examples as before, so the adapter is the same up to rounding (and to dropout,
    whose draws depend on the batch).
    """
    if batch <= job.processes:  # fewer than one example for each process would free nothing
        return None
    part = max(size for size in range(1, batch // 2 + 1) if batch % size == 0)
    LOG.warning(
        "%s has too little memory to train %d examples at once: going on with %d, and more of them in a step",
        job.base.device, batch, part,
    )  # fmt: skip
    return part


def _counts(encoded: Encoded, epochs: int) -> dict[str, int]:
    return {
        "examples": len(encoded.examples),
        "too_long": len(encoded.too_long),
        "dropped_passages": encoded.dropped_passages,
        "dropped_golden": encoded.dropped_golden,
        "tokens": epochs * sum(len(example.input_ids) for example in encoded.examples),
        "answer_tokens": epochs * sum(label != IGNORED for example in encoded.examples for label in example.labels),
    }
