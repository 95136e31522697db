"""Training with as many examples at a time as memory allows: one attempt after another, each with fewer."""

import json
import logging
import shutil
from collections.abc import Mapping
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
from ragft.training.result import ADAPTER, HISTORY, Measure, TrainResult, result_of
from ragft.training.watch import Watch

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A training as it was asked for, whatever memory then allows."""

    base: LoadedModel
    encoded: Encoded
    held_out: Encoded
    settings: TrainingSettings
    place: Path
    watch: Watch
    measure: Measure | None
    parent: Path | None
    named: Mapping[str, str]
    lineage: Mapping[str, Any]


def run(job: Job) -> TrainResult:
    """Return the adapter, trained with as many examples per forward pass as memory allows."""
    batch: int | None = job.settings.batch_size
    while batch is not None:
        outcome = _attempt(job, batch)
        if isinstance(outcome, TrainResult):
            return outcome
        shortage.give_back()
        batch = _smaller(batch, job)
    raise ConfigError(
        f"{job.base.device} has too little memory to train one example of max_length {job.settings.max_length} at a "
        "time: use a smaller max_length, or method qlora"
    )


def _attempt(job: Job, batch: int) -> TrainResult | None:
    """Train with this many examples per forward pass, and steps of the size asked for; None if memory ran out."""
    checkpoint, passed = newest_valid(job.place)
    for problem in passed:
        LOG.warning("checkpoint passed over: %s", problem)
    passes = job.settings.gradient_accumulation_steps * job.settings.batch_size // batch
    adapted = replace(job.base, model=attach(job.base, job.settings, job.parent))
    require_room(job.place, room_for_training(adapted.model), "training cannot begin")
    memory.reset_peak(job.base.device)
    try:
        loop = Loop(
            adapted,
            job.encoded.examples,
            job.held_out.examples,
            replace(job.settings, batch_size=batch, gradient_accumulation_steps=passes),
            job.place,
            job.watch,
            job.measure.run if job.measure else None,
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


def _smaller(batch: int, job: Job) -> int | None:
    """Return the largest divisor of a batch that is at most half of it, and say so; None after 1.

    An optimiser step sees the same examples as before, so the adapter is the same up to rounding (and to dropout,
    whose draws depend on the batch).
    """
    if batch == 1:
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
