"""Training with as much at a time as memory allows: one attempt after another, each with fewer examples or tokens."""

import json
import logging
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ragft import shortage
from ragft.errors import ConfigError
from ragft.models.loading import LoadedModel, save_adapter, without_adapter
from ragft.store.disk import require_room, write_whole
from ragft.training import memory, sharding
from ragft.training.checkpoints import checkpoints_newest_first, newest_valid, room_for_training
from ragft.training.encoding import IGNORED, Encoded
from ragft.training.loop import Loop
from ragft.training.methods import TrainingSettings, attach
from ragft.training.result import ADAPTER, HISTORY, TrainResult, result_of
from ragft.training.watch import Watch
from ragft.training.worker import Part
from ragft.training.workers import gathered, part_of

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A training as it was asked for, whatever memory then allows; `TrainingTask` explains the last three."""

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
    batch_tokens: int = 0
    shard: bool = False

    @property
    def device(self) -> str:
        """Where it is computed."""
        return sharding.device() if self.shard else self.base.device

    @property
    def longest(self) -> int:
        """How many tokens the longest example has, of training and of dev."""
        return max(len(example.input_ids) for part in (self.encoded, self.held_out) for example in part.examples)


@dataclass(frozen=True)
class Portion:
    """What goes through the model at once: this many examples, or, where ``tokens`` is not 0, at most this many tokens.

    An optimiser step sees the same examples whatever the portion, so the adapter is the same up to rounding (and to
    dropout, whose draws depend on it).
    """

    examples: int
    tokens: int = 0

    def of(self, settings: TrainingSettings) -> TrainingSettings:
        """Return the settings of steps of the size that was asked for, made of this portion."""
        step = settings.batch_size * settings.gradient_accumulation_steps
        batch = step if self.tokens else self.examples
        passes = step // batch
        return replace(settings, batch_size=batch, gradient_accumulation_steps=passes, row_tokens=self.tokens)


def run(job: Job) -> TrainResult:
    """Return the adapter, trained with as much per forward pass as memory allows, and at most as much as asked for."""
    step = job.settings.batch_size * job.settings.gradient_accumulation_steps
    # A budget that no step reaches would only be halved in vain.
    portion: Portion | None = Portion(job.settings.batch_size, min(job.batch_tokens, step * job.longest))
    while portion is not None:
        outcome = _attempt(job, portion)
        shortage.give_back()
        if isinstance(outcome, TrainResult):
            return outcome
        portion = _smaller(portion, job)
    fewer = ", fewer processes" if job.processes > 1 and not job.shard else ""
    raise ConfigError(
        f"{job.device} has too little memory to train one example of max_length {job.settings.max_length} at a "
        f"time: use a smaller max_length{fewer}, or method qlora"
    )


def _attempt(job: Job, portion: Portion) -> TrainResult | None:
    """Train with this much per forward pass, and steps of the size asked for; None if memory ran out."""
    checkpoint, passed = newest_valid(job.place)
    for problem in passed:
        LOG.warning("checkpoint passed over: %s", problem)
    settings = portion.of(job.settings)
    part = _part(job, settings, checkpoint)
    # One that is divided stays so, and the caller's is to be left as it was.
    base = replace(part.load(), name=job.base.name, revision=job.base.revision) if job.shard else job.base
    adapted = replace(base, model=attach(base, job.settings, job.parent))
    require_room(job.place, room_for_training(adapted.model), "training cannot begin")
    memory.reset_peak(job.device)
    try:
        with gathered(part, job.processes) if job.processes > 1 else nullcontext() as peers:
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
            "peak_memory_bytes": memory.peak_bytes(job.device),
            "resumed_from": int(checkpoint.name.removeprefix("checkpoint-")) if checkpoint else 0,
            "passed_over": passed,
            "batch": portion.examples,
            **({"batch_tokens": portion.tokens} if portion.tokens else {}),
            **_counts(job.encoded, job.settings.epochs),
            **loop.measurements(),
        }
        kept = {"result": measured, "settings": job.settings.deciding(), **job.lineage}
        identity = save_adapter(adapted, job.place / ADAPTER, kept)
    except (RuntimeError, MemoryError) as error:
        if not shortage.is_shortage(error):
            raise
        return None
    finally:
        if not job.shard:
            without_adapter(adapted)
    write_whole(job.place / HISTORY, json.dumps(loop.history()))
    for leftover in checkpoints_newest_first(job.place):
        shutil.rmtree(leftover)
    return result_of(job.place / ADAPTER, identity, measured)


def _part(job: Job, settings: TrainingSettings, checkpoint: Path | None) -> Part:
    """Return what every process trains with."""
    examples, dev = job.encoded.examples, job.held_out.examples
    task = {"examples": examples, "dev": dev, "settings": settings, "place": job.place}
    return part_of(job.base, job.processes, sharded=job.shard, **task, checkpoint=checkpoint, parent=job.parent)


def _smaller(portion: Portion, job: Job) -> Portion | None:
    """Return a portion of at most half the size, and say so; None where no smaller one frees anything.

    Half of the tokens, but room for the longest example, which goes alone at last; or the largest divisor of the
    examples that is at most half of them.
    """
    unit, had = ("tokens", portion.tokens) if portion.tokens else ("examples", portion.examples)
    # Fewer than one example for each process would free nothing either.
    least = job.longest if portion.tokens else job.processes
    if had <= least:
        return None
    if portion.tokens:
        part = max(least, had // 2)
        smaller = Portion(portion.examples, part)
    else:
        part = max(size for size in range(1, had // 2 + 1) if had % size == 0)
        smaller = Portion(part)
    LOG.warning(
        "%s has too little memory to train %d %s at once: going on with %d, and more of them in a step",
        job.device, had, unit, part,
    )  # fmt: skip
    return smaller


def _counts(encoded: Encoded, epochs: int) -> dict[str, int]:
    return {
        "examples": len(encoded.examples),
        "too_long": len(encoded.too_long),
        "dropped_passages": encoded.dropped_passages,
        "dropped_golden": encoded.dropped_golden,
        "tokens": epochs * sum(len(example.input_ids) for example in encoded.examples),
        "answer_tokens": epochs * sum(label != IGNORED for example in encoded.examples for label in example.labels),
    }
