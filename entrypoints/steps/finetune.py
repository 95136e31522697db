"""Finetune: train an adapter on a nested subset of the train split and register it beside its base."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow

from entrypoints.steps.knowledge import forgetting, unknown_share
from entrypoints.steps.knowledge.lesson import Lesson, in_the_words_of, plan
from entrypoints.steps.reporting import cards
from entrypoints.steps.shared.model_under_test import (
    base_lineage,
    register_base,
    require_held_out,
    serving_config,
    version_tags,
)
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.sources import with_top_k
from entrypoints.steps.shared.weights import load_base_model, open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.errors import ConfigError, NothingLearntError
from ragft.models.loading import LoadedModel, adapter_is_active, load_adapter, without_adapter
from ragft.params.training import FinetuneParams
from ragft.prompts.answer import load_answer_prompt
from ragft.store.datasets import Preparation
from ragft.training.methods import TrainingSettings
from ragft.training.result import TrainResult
from ragft.training.trainer import TrainingTask, train
from registry.versions import CHALLENGER, Lineage, Version

QUANTIZED = {"qlora": "nf4"}


@dataclass(frozen=True)
class Start:
    """What training begins from.

    Attributes:
        registered: The base as a version.
        parent: The version whose adapter is trained on; None for a fresh one.
    """

    base: LoadedModel
    registered: Version
    parent: Version | None


@dataclass(frozen=True)
class Finetuned:
    """A registered adapter and how its training went."""

    version: Version
    result: TrainResult
    run_id: str


def run(params: FinetuneParams, workspace: Workspace, *, challenges: bool = True) -> Finetuned:
    """Return the adapter's version; it is trained unless the same training was finished before.

    ``challenges`` is whether the version becomes the challenger; else that alias stays where it is.

    Raises:
        ConfigError: If there are fewer questions than samples, or a setting does not fit the model.
        DataError: If retrieval on train is so much worse than on the evaluation that training would
            teach the model to ignore what is retrieved.
    """
    params = with_top_k(params)
    name = tracking.run_name(params.data_name, params.samples, f"{params.method} {params.format}")
    with step_run(params, name, {"ragft.step": "finetune"}, workspace.home) as run_:
        prepared = Prepared(params, ensure_prepared(params, workspace))
        lesson = plan(prepared, workspace)
        start = _start(prepared, workspace)
        lesson = in_the_words_of(start.base, lesson, workspace)
        workspace.say(
            f"train {name} on {start.registered.name}: {len(lesson.examples)} examples, {params.epochs} epochs"
        )
        result = _train(prepared, lesson, start, workspace)
        _check(prepared, start, result, workspace)
        version = _register(prepared, lesson, start, result, workspace, challenges=challenges)
        _tell(result, version, workspace)
    return Finetuned(version, result, run_.info.run_id)


def _start(prepared: Prepared[FinetuneParams], workspace: Workspace) -> Start:
    """Return what training begins from: the base, registered, and the version whose adapter is trained on."""
    params = prepared.params
    parent = open_registry().get(params.continue_from) if params.continue_from else None
    require_held_out(parent, params, workspace)  # what it learnt, this adapter knows
    # One that is divided among GPUs fits into none of them; what is asked of it besides is computed on the CPU.
    device = "cpu" if params.shard else "auto"
    base = load_base_model(params.base, params.revision, _quantization(params, parent), params.dtype, device)
    return Start(base, register_base(base, params, prepared.preparation, workspace), parent)


def _train(prepared: Prepared[FinetuneParams], lesson: Lesson, start: Start, workspace: Workspace) -> TrainResult:
    """Return the adapter, trained where the same training was not finished before, its curves logged."""
    params, preparation, prompt = prepared.params, prepared.preparation, load_answer_prompt()
    curves: dict[str, dict[int, float]] = defaultdict(dict)

    def note(step: int, metrics: Mapping[str, float]) -> None:
        # A training that begins again with smaller batches tells its first steps again.
        for metric, value in metrics.items():
            curves[metric][step] = value

    def tell(done: int, total: int) -> None:
        # Another process may have taken this training over, and writes into the same folder.
        workspace.store.require_may_write()
        line.tell(done, total)

    folder = workspace.home / "training"
    lineage: dict[str, Any] = {"data": preparation.name, "data_sha256": preparation.dataset, "params": params.as_dict()}
    measure = unknown_share.watch(lesson.dose, prompt) if lesson.dose else None
    settings = TrainingSettings.from_params(params)
    shared_out = (params.processes, params.batch_tokens, params.shard)
    task = TrainingTask(lesson.examples, lesson.dev, settings, prompt, *shared_out)
    # Two processes that train the same adapter would write the same checkpoints.
    chosen = [params.samples, params.format, params.withheld_share, params.unanswerable_share, params.unknown_share]
    lock = workspace.store.lock(f"train {preparation.key} {start.base.identity} {settings} {chosen}", workspace.alert)
    with _downloaded(start.parent) as parent, lock, workspace.progress("train") as line:
        result = train(
            start.base,
            task,
            folder,
            on_log=note,
            on_progress=tell,
            lineage=lineage,
            measure=measure,
            parent=parent,
        )
    for metric, points in curves.items():
        tracking.log_curve(metric, sorted(points.items()))
    mlflow.log_metrics(result.metrics())
    mlflow.set_tags({"ragft.resumed_from": result.resumed_from, "ragft.reused": result.reused})
    return result


def _quantization(params: FinetuneParams, parent: Version | None) -> str:
    """Return how the base's weights are held: as the parent's were, if there is a parent.

    Raises:
        ConfigError: If the version to continue from is not an adapter, or belongs to another base or method.
    """
    if parent is None:
        return QUANTIZED.get(params.method, "none")
    own = parent.lineage
    if own.kind == "base":
        raise ConfigError(f"continue_from is {parent.uri}, which is a base: leave it out to begin a fresh adapter")
    for name, theirs, ours in (("base", own.base, params.base), ("method", own.method, params.method)):
        if theirs != ours:
            raise ConfigError(f"continue_from is {parent.uri} with {name} {theirs}, asked is {ours}: use {theirs}")
    return own.quantization


@contextmanager
def _downloaded(parent: Version | None) -> Iterator[Path | None]:
    """Yield the folder of the parent's adapter; None where there is no parent."""
    if parent is None:
        yield None
        return
    with TemporaryDirectory() as folder:
        yield open_registry().download_adapter(parent, Path(folder))


@contextmanager
def _active(base: LoadedModel, result: TrainResult) -> Iterator[LoadedModel]:
    """Put the adapter that was just trained on its base for a while, and check that it changes the logits.

    Raises:
        NothingLearntError: If it changes nothing.
    """
    adapted = load_adapter(base, result.adapter, result.identity)
    try:
        active = adapter_is_active(adapted)
        mlflow.set_tag("ragft.adapter_active", active)
        if not active:
            raise NothingLearntError(
                f"the adapter in {result.adapter} answers every probe as its base does: nothing was learnt; use a "
                "larger learning_rate or more epochs"
            )
        yield adapted
    finally:
        without_adapter(adapted)


def _check(prepared: Prepared[FinetuneParams], start: Start, result: TrainResult, workspace: Workspace) -> None:
    """See that the adapter does something, and measure what it forgot."""
    with _active(start.base, result) as adapted:
        forgetting.measure(adapted, prepared.params, prepared.preparation, start.parent, workspace)


def _register(
    prepared: Prepared[FinetuneParams],
    lesson: Lesson,
    start: Start,
    result: TrainResult,
    workspace: Workspace,
    *,
    challenges: bool,
) -> Version:
    """Return the adapter's version, registered with how it is served and its card."""
    params, preparation, base = prepared.params, prepared.preparation, start.base
    lineage = _lineage(params, base, preparation, result, start.parent)
    mlflow.set_tags(version_tags(lineage, params))
    if lesson.dose:
        unknown_share.log(params, lesson.dose, preparation, base.fingerprint, workspace)
    with workspace.store.lock(f"registry {lineage.data}", workspace.alert):
        config = serving_config(params, preparation, base, workspace)
        version = open_registry().register_adapter(lineage, config, result.adapter, challenges=challenges)
    mlflow.set_tag("ragft.version", version.uri)
    if not cards.is_decided(version):
        cards.describe(version)
    return version


def _lineage(
    params: FinetuneParams, base: LoadedModel, preparation: Preparation, result: TrainResult, parent: Version | None
) -> Lineage:
    return dataclasses.replace(
        base_lineage(base, preparation),
        kind="adapter",
        quantization=base.quantization,
        adapter_sha256=result.identity,
        method=params.method,
        format=params.format,
        samples=params.samples,
        seed=params.seed,
        parent=parent.uri if parent else "",
    )


def _tell(result: TrainResult, version: Version, workspace: Workspace) -> None:
    dev = f", dev loss {result.dev_losses[0]:.3f} -> {result.dev_losses[-1]:.3f}" if result.dev_losses else ""
    before = ", trained before" if result.reused else ""
    challenger = " @challenger" if CHALLENGER in version.aliases else ""
    workspace.say(
        f"{version.uri}{challenger}: train loss {result.train_loss:.3f}{dev}, "
        f"{result.trainable_parameters:,} trainable parameters, {result.tokens_per_second:,.0f} tokens/s, "
        f"peak {result.peak_memory_bytes / 2**20:,.0f} MiB{before}"
    )
    if result.dropped_golden:
        workspace.alert(
            f"warning: {result.dropped_golden} passages with the evidence that the format shows did not fit the "
            "examples: use a larger max_length, or smaller passages (chunk_chars)"
        )
