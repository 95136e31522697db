"""Training an adapter: TRL's trainer, without padding, resumable, and stopping at the first non-finite number."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.adapter_folder import identity_of, read_lineage
from ragft.models.loading import LoadedModel
from ragft.prompts.answer import AnswerPrompt
from ragft.result_versions import TRAINING_LIBRARIES, VERSIONS, libraries
from ragft.training import attempt, attention, sharding
from ragft.training.encoding import Encoded, encode
from ragft.training.formats import TrainingExample
from ragft.training.methods import TrainingSettings, draws_at_random, virtual_tokens
from ragft.training.result import ADAPTER, HISTORY, Measure, TrainResult, result_of
from ragft.training.watch import OnLog, OnProgress, Watch
from ragft.types import digest

DIVISIBLE = ("none", "nf4")
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingTask:
    """What is learnt, and how.

    Attributes:
        examples: At least one.
        dev: May be empty; then no dev loss is computed.
        settings: How to train.
        prompt: The template the questions are asked with; the same as in evaluation.
        processes: How many share out the examples of each batch, at most as many as it has.
        batch_tokens: Most tokens that go through the model at once, in each process; an optimiser step holds the same
            examples as without. 0 for the settings' ``batch_size`` examples, whatever their length.
        shard: Whether the processes divide the base among them (FSDP2); else each holds the whole.
    """

    examples: Sequence[TrainingExample]
    dev: Sequence[TrainingExample]
    settings: TrainingSettings
    prompt: AnswerPrompt
    processes: int = 1
    batch_tokens: int = 0
    shard: bool = False


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
    or tokens go through the model at a time, and more such passes make a step.

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
            finite, or memory is too short for one example at a time; if there are more processes than examples in
            a batch, or than GPUs.
        PrerequisiteError: If one of several processes was ended from outside.
    """
    _check(base, task, measure)
    settings = task.settings
    encoded, held_out = (
        encode(asked, base, task.prompt, settings.max_length, virtual_tokens(settings))
        for asked in (task.examples, task.dev)
    )
    key = training_key(base, encoded, held_out, settings, _added(base, task, measure, parent))
    asked = measure.run if measure else None
    watch = Watch(on_log or _nobody, on_progress or _nobody, settings.learning_rate, asked)
    place = folder / key[:16]
    if (done := _finished(place, watch)) is not None:
        return done
    place.mkdir(parents=True, exist_ok=True)
    made_of = (base, encoded, held_out, settings, place, watch, parent, {"key": key}, lineage or {})
    return attempt.run(attempt.Job(*made_of, task.processes, task.batch_tokens, task.shard))


def _check(base: LoadedModel, task: TrainingTask, measure: Measure | None) -> None:
    if base.adapter:
        raise ConfigError(f"{base.name} carries adapter {base.adapter[:12]}: an adapter is trained on a bare base")
    if not task.examples:
        raise ConfigError("there are no training examples")
    if not 1 <= task.processes <= (batch := task.settings.batch_size):
        raise ConfigError(
            f"processes is {task.processes} and batch_size {batch}: the examples of a batch are shared out, so use "
            f"1 to {batch} processes, or a larger batch_size"
        )
    if not task.shard:
        return
    if task.processes == 1:
        raise ConfigError(
            "shard is True, but processes is 1: give how many divide the base, 2 or more, under torchrun too"
        )
    if base.quantization not in DIVISIBLE:
        raise ConfigError(
            f"shard is True, but the base was loaded with quantization {base.quantization}: use one of "
            f"{', '.join(DIVISIBLE)}"
        )
    if measure is not None:
        raise ConfigError(
            "shard is True, but what the base knew is to be asked while it is trained, which one process cannot do "
            "with a part of it: leave shard or unknown_share out"
        )


def _added(base: LoadedModel, task: TrainingTask, measure: Measure | None, parent: Path | None) -> list[str]:
    """Return what else decides the adapter, where it is not as usual."""
    added = [measure.key if measure else "", identity_of(parent) if parent else ""]
    if draws_at_random(base, task.settings):
        shared_out = {
            "processes": (task.processes, 1),
            "batch_tokens": (task.batch_tokens, 0),
            "shard": (task.shard, 0),
        }
        added += [f"{name} {value}" for name, (value, usual) in shared_out.items() if value != usual]
    if attention.may_take_varlen(sharding.device() if task.shard else base.device, base.dtype):
        added.append("varlen_attn")  # it rounds otherwise than what adapters were trained with before
    return added


def training_key(
    base: LoadedModel, encoded: Encoded, dev: Encoded, settings: TrainingSettings, added: Sequence[str] = ()
) -> str:
    """Return the hash of everything that decides the adapter, 64 hex digits; ``added`` counts if it holds anything."""
    code = {"version": VERSIONS["training"], "libraries": libraries(TRAINING_LIBRARIES)}
    tokens = [[example.input_ids, example.labels] for example in encoded.examples]
    held_out = [[example.input_ids, example.labels] for example in dev.examples]
    made_of: list[Any] = [base.identity, digest(tokens), digest(held_out), settings.deciding(), code]
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
    return replace(result_of(place / ADAPTER, identity, measured), reused=True)


def _nobody(*_: Any) -> None:  # noqa: ANN401
    """Do nothing: the caller wants no reports."""
