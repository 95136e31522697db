"""Finetune: train an adapter on a nested subset of the train split and register it beside its base."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow

from entrypoints.steps.knowledge import forgetting, unknown_share
from entrypoints.steps.knowledge.own_words import in_own_words
from entrypoints.steps.knowledge.unknown_share import Dosed
from entrypoints.steps.reporting import cards
from entrypoints.steps.shared.model_under_test import (
    base_lineage,
    load_base_model,
    open_registry,
    register_base,
    serving_config,
    version_tags,
)
from entrypoints.steps.shared.preparation import ensure_prepared, has_documents
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.retrieved import RetrievedSplit, retrieve, with_withheld
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.sources import with_top_k
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.data.splits import balanced_subset, subset_with_share
from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.models.loading import LoadedModel, adapter_is_active, load_adapter, without_adapter
from ragft.params import FinetuneParams
from ragft.prompts.answer import load_answer_prompt
from ragft.store.datasets import Preparation
from ragft.training.formats import Format, TrainingExample, Withheld, build_examples
from ragft.training.methods import TrainingSettings
from ragft.training.trainer import TrainingTask, TrainResult, train
from ragft.types import Question, Split
from registry.versions import Lineage, Version

QUANTIZED = {"qlora": "nf4"}
# Below this many questions on either side a share of hits says too little to stop for.
LEAST_QUESTIONS_TO_COMPARE_HITS = 30


@dataclass(frozen=True)
class Lesson:
    """What is trained on.

    Attributes:
        dev: Examples whose loss is measured.
        dose: The samples by what the base knew of them, where a share of the unknown was asked for.
    """

    examples: Sequence[TrainingExample]
    dev: Sequence[TrainingExample]
    dose: Dosed | None


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


def run(params: FinetuneParams, workspace: Workspace) -> Finetuned:
    """Return the adapter's version; it is trained unless the same training was finished before.

    Raises:
        ConfigError: If there are fewer questions than samples, or a setting does not fit the model.
        DataError: If retrieval on train is so much worse than on the evaluation that training would
            teach the model to ignore what is retrieved.
    """
    params = with_top_k(params)
    name = tracking.run_name(params.data_name, params.samples, f"{params.method} {params.format}")
    with step_run(params, name, {"ragft.step": "finetune"}, workspace.home) as run_:
        prepared = Prepared(params, ensure_prepared(params, workspace))
        lesson = _lesson(prepared, workspace)
        start = _start(prepared, workspace)
        lesson = _in_own_words(lesson, start.base, workspace)
        workspace.say(
            f"train {name} on {start.registered.name}: {len(lesson.examples)} examples, {params.epochs} epochs"
        )
        result = _train(prepared, lesson, start, workspace)
        _check(prepared, start, result, workspace)
        version = _register(prepared, lesson, start, result, workspace)
        _tell(result, version, workspace)
    return Finetuned(version, result, run_.info.run_id)


def _lesson(prepared: Prepared[FinetuneParams], workspace: Workspace) -> Lesson:
    """Return what is trained on: a dose of the unknown where one is asked for, else a nested subset."""
    params, preparation = prepared.params, prepared.preparation
    dose = unknown_share.choose(params, preparation, workspace) if params.unknown_share >= 0 else None
    chosen = dose.samples if dose else _chosen(preparation.splits["train"], params)
    tracking.log_data(preparation.name, preparation.dataset, "train", chosen)
    examples, dev = _examples(params, preparation, chosen, workspace)
    return Lesson(examples, dev, dose)


def _chosen(train_side: Sequence[Question], params: FinetuneParams) -> tuple[Question, ...]:
    return subset_with_share(train_side, params.samples, params.unanswerable_share, params.seed)


def _start(prepared: Prepared[FinetuneParams], workspace: Workspace) -> Start:
    """Return what training begins from: the base, registered, and the version whose adapter is trained on."""
    params = prepared.params
    parent = open_registry().get(params.continue_from) if params.continue_from else None
    base = load_base_model(params.base, params.revision, _quantization(params, parent), params.dtype)
    return Start(base, register_base(base, params, prepared.preparation, workspace), parent)


def _in_own_words(lesson: Lesson, base: LoadedModel, workspace: Workspace) -> Lesson:
    """Return what is trained on, with what teaches to abstain in the base's own words."""
    examples, dev = (in_own_words(each, base, workspace) for each in (lesson.examples, lesson.dev))
    if examples.taught:
        mlflow.log_metrics({"taught_to_abstain": examples.taught, "taught_in_own_words": examples.own})
        workspace.say(
            f"{examples.taught} of {len(examples.examples)} examples teach to abstain, {examples.own} of them in the "
            "base's own words"
        )
    return dataclasses.replace(lesson, examples=examples.examples, dev=dev.examples)


def _examples(
    params: FinetuneParams, preparation: Preparation, chosen: Sequence[Question], workspace: Workspace
) -> tuple[list[TrainingExample], list[TrainingExample]]:
    """Return training and dev examples; the dev questions are asked in the training format."""
    form: Format = params.format  # type: ignore[assignment]  # checked by the params
    dev = preparation.splits["dev"]
    dev = balanced_subset(dev, params.dev_questions) if 0 < params.dev_questions < len(dev) else dev
    if form == "closed_book":
        return build_examples(chosen, form), build_examples(dev, form)
    if not has_documents(preparation):
        raise ConfigError(
            f"format is {form}, but {preparation.name} has no documents to show passages of: use format=closed_book"
        )
    found = _retrieve(params, preparation, {"train": chosen, "dev": dev, "test": preparation.splits["test"]}, workspace)
    _check_hit_rates(params, found["train"], found["test"], workspace)
    made = [
        build_examples(
            found[split].questions,
            form,
            retrieved=found[split].retrieved,
            golden=found[split].gold,
            withheld=Withheld(found[split].withheld, params.withheld_share),
            without_golden=params.raft_without_golden,
            seed=params.seed,
        )
        for split in ("train", "dev")
    ]
    return made[0], made[1]


def _retrieve(
    params: FinetuneParams,
    preparation: Preparation,
    questions: Mapping[str, Sequence[Question]],
    workspace: Workspace,
) -> dict[str, RetrievedSplit]:
    found: dict[str, RetrievedSplit] = {}
    for split, asked in questions.items():
        place: Split = split  # type: ignore[assignment]
        found[split] = retrieve(preparation, place, asked, params.embedder, params.top_k, workspace)
        if params.withheld_share and split != "test":
            found[split] = with_withheld(found[split], preparation, place, params.embedder, params.top_k, workspace)
    return found


def _check_hit_rates(
    params: FinetuneParams, train_side: RetrievedSplit, test_side: RetrievedSplit, workspace: Workspace
) -> None:
    """Log hit@k of both sides and stop where training would see far fewer answers than the evaluation.

    A model that is trained on passages without the answer learns to ignore passages, and the evaluation
    would then rightly find that fine-tuning does harm.
    """
    k = params.top_k
    rates = {}
    for side, found in {"train": train_side, "test": test_side}.items():
        hits = [value for value in found.row_metrics(k)[f"hit_at_{k}"].values() if value is not None]
        if hits:
            rates[side] = (sum(hits) / len(hits), len(hits))
            mlflow.log_metrics({f"{side}_hit_at_{k}": rates[side][0], f"{side}_hit_at_{k}_n": len(hits)})
    if len(rates) < 2 or min(n for _, n in rates.values()) < LEAST_QUESTIONS_TO_COMPARE_HITS:
        return
    (train_rate, train_n), (test_rate, test_n) = rates["train"], rates["test"]
    if train_rate >= test_rate / 2:
        return
    message = (
        f"hit@{k} is {train_rate:.2f} on train ({train_n} questions) and {test_rate:.2f} on test ({test_n}): training "
        f"would teach the model to ignore its passages"
    )
    if not params.allow_low_hit_rate:
        raise DataError(f"{message}; use -P collection=all, a larger top_k, or -P allow_low_hit_rate=True to go on")
    workspace.alert(f"warning: {message}")
    mlflow.set_tag("ragft.allowed_low_hit_rate", message)


def _train(prepared: Prepared[FinetuneParams], lesson: Lesson, start: Start, workspace: Workspace) -> TrainResult:
    """Return the adapter, trained where the same training was not finished before, its curves logged."""
    params, preparation, prompt = prepared.params, prepared.preparation, load_answer_prompt()
    curves: dict[str, dict[int, float]] = defaultdict(dict)

    def note(step: int, metrics: Mapping[str, float]) -> None:
        # A training that begins again with smaller batches tells its first steps again.
        for metric, value in metrics.items():
            curves[metric][step] = value

    folder = workspace.home / "training"
    lineage: dict[str, Any] = {"data": preparation.name, "data_sha256": preparation.dataset, "params": params.as_dict()}
    measure = unknown_share.watch(lesson.dose, prompt) if lesson.dose else None
    settings = TrainingSettings.from_params(params)
    # Two processes that train the same adapter would write the same checkpoints.
    chosen = [params.samples, params.format, params.withheld_share, params.unanswerable_share, params.unknown_share]
    lock = workspace.store.lock(f"train {preparation.key} {start.base.identity} {settings} {chosen}", workspace.alert)
    with _downloaded(start.parent) as parent, lock, workspace.progress("train") as line:
        result = train(
            start.base,
            TrainingTask(lesson.examples, lesson.dev, settings, prompt),
            folder,
            on_log=note,
            on_progress=line.tell,
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
        PrerequisiteError: If it changes nothing.
    """
    adapted = load_adapter(base, result.adapter, result.identity)
    try:
        active = adapter_is_active(adapted)
        mlflow.set_tag("ragft.adapter_active", active)
        if not active:
            raise PrerequisiteError(
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
    prepared: Prepared[FinetuneParams], lesson: Lesson, start: Start, result: TrainResult, workspace: Workspace
) -> Version:
    """Return the adapter's version, registered as challenger with how it is served and its card."""
    params, preparation, base = prepared.params, prepared.preparation, start.base
    lineage = _lineage(params, base, preparation, result, start.parent)
    mlflow.set_tags(version_tags(lineage, params))
    if lesson.dose:
        unknown_share.log(params, lesson.dose, preparation, base.fingerprint, workspace)
    with workspace.store.lock(f"registry {lineage.data}", workspace.alert):
        config = serving_config(params, preparation, base, workspace)
        version = open_registry().register_adapter(lineage, config, result.adapter)
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
    workspace.say(
        f"{version.uri} @challenger: train loss {result.train_loss:.3f}{dev}, "
        f"{result.trainable_parameters:,} trainable parameters, {result.tokens_per_second:,.0f} tokens/s, "
        f"peak {result.peak_memory_bytes / 2**20:,.0f} MiB{before}"
    )
    if result.dropped_golden:
        workspace.alert(
            f"warning: {result.dropped_golden} passages with the evidence that the format shows did not fit the "
            "examples: use a larger max_length, or smaller passages (chunk_chars)"
        )
