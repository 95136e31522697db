"""Training an adapter: TRL's trainer, without padding, resumable, and stopping at the first non-finite number."""

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ragft import shortage
from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.adapter_folder import identity_of, read_lineage
from ragft.models.loading import LoadedModel, save_adapter, without_adapter
from ragft.prompts.answer import AnswerPrompt
from ragft.result_versions import TRAINING_LIBRARIES, VERSIONS, libraries
from ragft.store.disk import require_room, write_whole
from ragft.training import memory
from ragft.training.checkpoints import checkpoints_newest_first, newest_valid, room_for_training
from ragft.training.encoding import IGNORED, Encoded, encode
from ragft.training.formats import TrainingExample
from ragft.training.loop import Loop
from ragft.training.methods import TrainingSettings, attach, virtual_tokens
from ragft.training.watch import OnLog, OnProgress, Watch
from ragft.types import digest

LOG = logging.getLogger(__name__)
ADAPTER = "adapter"
HISTORY = "history.json"  # written last: the adapter is finished


@dataclass(frozen=True)
class Measure:
    """What is measured before training and after each epoch, besides the losses.

    Attributes:
        key: Identity of what is asked; part of the training's key, since the history of a training holds its results.
        run: A function from the model, ready to generate, to metrics.
    """

    key: str
    run: Callable[[LoadedModel], Mapping[str, float]]


@dataclass(frozen=True)
class TrainResult:
    """What came out of training.

    Attributes:
        adapter: Folder of the adapter with tokenizer, lineage and manifest.
        identity: Hash of the adapter's weights, configuration and tokenizer.
        key: Hash of base, examples and settings: the same key gives the same adapter.
        train_loss: Mean over all optimiser steps, including those before a resume.
        dev_losses: Before training and after each epoch; token-weighted; empty without dev examples.
        tokens_per_second: Real tokens (there is no padding) through forward and backward passes.
        peak_memory_bytes: GPU memory allocated, or resident memory of the whole process on a CPU.
        resumed_from: Step of the checkpoint from which training went on; 0 for none.
        batch: Examples in one forward pass: fewer than asked for if memory was short.
        reused: True when the adapter was already there and nothing was trained.
    """

    adapter: Path
    identity: str
    key: str
    steps: int
    examples: int
    too_long: int
    dropped_passages: int
    dropped_golden: int
    trainable_parameters: int
    all_parameters: int
    train_loss: float
    dev_losses: tuple[float, ...]
    tokens: int
    answer_tokens: int
    tokens_per_second: float
    peak_memory_bytes: int
    seconds: float
    padding_free: bool
    batch: int
    resumed_from: int = 0
    passed_over: tuple[str, ...] = ()
    reused: bool = False

    def metrics(self) -> dict[str, float]:
        """Return what a run logs once about it; no name is that of a curve, whose last step it would hide."""
        names = (
            "steps examples too_long dropped_passages dropped_golden batch trainable_parameters all_parameters "
            "tokens answer_tokens tokens_per_second peak_memory_bytes seconds"
        )
        values = {name: float(getattr(self, name)) for name in names.split()}
        values["train_loss_mean"] = self.train_loss
        if self.dev_losses:
            values |= {"dev_loss_before": self.dev_losses[0], "dev_loss_after": self.dev_losses[-1]}
        return values


@dataclass(frozen=True)
class TrainingTask:
    """What is learnt, and how.

    Attributes:
        examples: At least one.
        dev: May be empty; then no dev loss is computed.
        settings: How to train.
        prompt: The template the questions are asked with; the same as in evaluation.
    """

    examples: Sequence[TrainingExample]
    dev: Sequence[TrainingExample]
    settings: TrainingSettings
    prompt: AnswerPrompt


def train(
    base: LoadedModel,
    task: TrainingTask,
    folder: Path,
    *,
    on_log: OnLog | None = None,
    on_progress: OnProgress | None = None,
    lineage: Mapping[str, Any] | None = None,
    measure: Measure | None = None,
    parent: Path | None = None,
) -> TrainResult:
    """Train an adapter below ``folder``/<key> and return it; the base model is left as it was.

    The key is made of base, examples, settings and library versions, so the same call resumes after a kill
    from the newest whole checkpoint, with a bit-identical adapter, and finds the finished adapter after that.
    Two processes must not train the same key at once (the caller holds a lock). If memory is short, fewer examples
    go through the model at a time, and more such passes make a step.

    Args:
        base: Loaded without an adapter, and quantised already for qlora.
        task: What is learnt, and how.
        folder: Where training happens; it holds one folder per key.
        on_log: See `OnLog`; after a resume, the earlier steps are told again.
        on_progress: See `OnProgress`.
        lineage: JSON values kept in the adapter beside the result (data sha256, samples, format …).
        measure: Its metrics are told through ``on_log``, at the steps where epochs end.
        parent: Folder of an adapter of this base from which training goes on; None begins a fresh one.

    Raises:
        ConfigError: If settings do not fit the model or the parent, no example fits, loss or gradient is no longer
            finite, or memory is too short for one example at a time.
    """
    if base.adapter:
        raise ConfigError(f"{base.name} carries adapter {base.adapter[:12]}: an adapter is trained on a bare base")
    settings = task.settings
    if not task.examples:
        raise ConfigError("there are no training examples")
    encoded, held_out = (
        encode(asked, base, task.prompt, settings.max_length, virtual_tokens(settings))
        for asked in (task.examples, task.dev)
    )
    added = [measure.key if measure else "", identity_of(parent) if parent else ""]
    key = training_key(base, encoded, held_out, settings, added)
    watch = Watch(on_log or _nobody, on_progress or _nobody, settings.learning_rate)
    place = folder / key[:16]
    if (done := _finished(place, watch)) is not None:
        return done
    place.mkdir(parents=True, exist_ok=True)
    return _run(_Job(base, encoded, held_out, settings, place, watch, measure, parent, {"key": key}, lineage or {}))


@dataclass(frozen=True)
class _Job:
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


def _run(job: _Job) -> TrainResult:
    """Return the adapter, trained with as many examples per forward pass as memory allows."""
    batch: int | None = job.settings.batch_size
    while batch is not None:
        outcome = _attempt(job, batch)
        shortage.give_back()
        if isinstance(outcome, TrainResult):
            return outcome
        batch = _smaller(batch, job)
    raise ConfigError(
        f"{job.base.device} has too little memory to train one example of max_length {job.settings.max_length} at a "
        "time: use a smaller max_length, or method qlora"
    )


def _attempt(job: _Job, batch: int) -> TrainResult | None:
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
    return _result(job.place / ADAPTER, identity, measured)


def _smaller(batch: int, job: _Job) -> int | None:
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


def training_key(
    base: LoadedModel, encoded: Encoded, dev: Encoded, settings: TrainingSettings, added: Sequence[str] = ()
) -> str:
    """Return the hash of everything that decides the adapter, 64 hex digits; ``added`` counts if it holds anything."""
    code = {"version": VERSIONS["training"], "libraries": libraries(TRAINING_LIBRARIES)}
    tokens = [[example.input_ids, example.labels] for example in encoded.examples]
    held_out = [[example.input_ids, example.labels] for example in dev.examples]
    made_of: list[Any] = [base.identity, digest(tokens), digest(held_out), asdict(settings), code]
    return digest([*made_of, *added] if any(added) else made_of)


def _finished(place: Path, watch: Watch) -> TrainResult | None:
    """Return the adapter that an earlier call made, if it is complete, and tell its history again."""
    if not (place / HISTORY).is_file():
        return None
    try:
        identity = identity_of(place / ADAPTER)
        measured = read_lineage(place / ADAPTER)["training"]["result"]
        history = json.loads((place / HISTORY).read_text(encoding="utf-8"))
    except (PrerequisiteError, ValueError) as error:
        LOG.warning("the finished adapter cannot be used, training again: %s", error)
        shutil.rmtree(place)
        return None
    for step, metrics in history:
        watch.on_log(step, metrics)
    return replace(_result(place / ADAPTER, identity, measured), reused=True)


def _result(adapter: Path, identity: str, measured: Mapping[str, Any]) -> TrainResult:
    sequences = {name: tuple(measured[name]) for name in ("dev_losses", "passed_over")}
    return TrainResult(adapter=adapter, identity=identity, **{**measured, **sequences})


def _counts(encoded: Encoded, epochs: int) -> dict[str, int]:
    return {
        "examples": len(encoded.examples),
        "too_long": len(encoded.too_long),
        "dropped_passages": encoded.dropped_passages,
        "dropped_golden": encoded.dropped_golden,
        "tokens": epochs * sum(len(example.input_ids) for example in encoded.examples),
        "answer_tokens": epochs * sum(label != IGNORED for example in encoded.examples for label in example.labels),
    }


def _nobody(*_: Any) -> None:  # noqa: ANN401
    """Do nothing: the caller wants no reports."""
