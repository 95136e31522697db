"""The data of a step, prepared: loaded, split, cut into passages and embedded, where that was not done before."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import mlflow

from entrypoints.steps.shared import window_check
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.searching import check_search
from entrypoints.steps.shared.sources import read_dataset, read_loaded, with_top_k
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.data import leakage
from ragft.data.division import divide, own_documents
from ragft.data.leakage import LeakReport
from ragft.errors import ConfigError, DataError
from ragft.params.data import BaseParams, PreparationParams, PrepareParams
from ragft.params.scoring import ScoringParams
from ragft.params.values import ALL, POCKET, USUAL_CHUNK_CHARS
from ragft.result_versions import VERSIONS
from ragft.retrieval.opening import open_embedder
from ragft.retrieval.retriever import Chosen, build_collection, count_passages
from ragft.retrieval.sizes import sizes_of
from ragft.store.datasets import (
    Preparation,
    find_preparation,
    preparation_key,
    save_dataset,
    save_preparation,
)
from ragft.types import Dataset, Question, Split

# The collection of a data set without documents: nothing can be retrieved from it.
NO_COLLECTION = ""

S = TypeVar("S", bound=ScoringParams)


def prepare(params: PrepareParams, workspace: Workspace, base: str = POCKET, revision: str = "") -> Preparation:
    """Return the preparation of the data, made where it is missing.

    ``base`` is the model that will read the passages, if it is known; before they are embedded, the step says whether
    they fit its context window.

    Raises:
        DataError: If the files cannot be read, naming every bad record.
        PrerequisiteError: If no path is given and nothing of that name was prepared before.
    """
    check_search(params, workspace)
    loaded = read_loaded(params, workspace)
    dataset = loaded.dataset
    with step_run(params, f"{dataset.name}|prepare", {"ragft.step": "prepare"}, workspace.home):
        for line in loaded.lines():
            (workspace.alert if line in loaded.warnings else workspace.say)(line)
        mlflow.log_dict({"notes": [*loaded.warnings, *loaded.notes], "left out": loaded.skipped}, "account.json")
        chunk_chars = _settings(params, dataset, workspace)["chunk_chars"]
        if warning := window_check.warning(dataset, chunk_chars, with_top_k(params).top_k, base, revision):
            workspace.alert(warning)
            mlflow.set_tag("ragft.window_warning", warning)
        # Two processes that prepare the same data would embed every passage twice.
        with workspace.store.lock(f"prepare {dataset.sha256}", workspace.alert):
            preparation = _prepare(params, dataset, workspace)
        _log(preparation, workspace)
    return preparation


def ensure_prepared(params: PreparationParams, workspace: Workspace) -> Preparation:
    """Return the preparation that another step needs, running prepare inside its run where it is missing.

    Raises:
        ConfigError: If passages cannot be found in the way that is asked for.
        PrerequisiteError: If the reranker is not here.
    """
    check_search(params, workspace)
    dataset = read_dataset(params, workspace)
    key = preparation_key(dataset.name, dataset.sha256, _settings(params, dataset, workspace))
    found = find_preparation(workspace.store, key=key)
    if found is not None:
        return found
    known = (params.base, params.revision) if isinstance(params, BaseParams) and params.base else (POCKET, "")
    return prepare(params.pick(PrepareParams), workspace, *known)


def _settings(params: PreparationParams, dataset: Dataset, workspace: Workspace) -> dict[str, Any]:
    """Return the settings of a preparation; parameters that are left open are as they were last time."""
    latest = find_preparation(workspace.store, dataset.name, dataset=dataset.sha256)
    usual = USUAL_CHUNK_CHARS.of(params.dataset)
    return {
        "version": VERSIONS["preparation"],
        "data_seed": params.data_seed,
        "chunk_chars": params.chunk_chars or (latest.settings["chunk_chars"] if latest else usual),
        "embedder": open_embedder(params.embedder).id,
        "collection": params.collection,
    }


def _prepare(params: PreparationParams, dataset: Dataset, workspace: Workspace) -> Preparation:
    settings = _settings(params, dataset, workspace)
    key = preparation_key(dataset.name, dataset.sha256, settings)
    if found := find_preparation(workspace.store, key=key):
        workspace.say(f"{dataset.name} is prepared already (data {dataset.sha256[:12]})")
        save_preparation(workspace.store, found)
        return found
    splits, likeness = divide(dataset, params.data_seed)
    _check_leaks(leakage.find_leaks(splits, likeness), params, workspace)
    save_dataset(workspace.store, dataset)
    collections = _collections(dataset, splits, settings["chunk_chars"], params, workspace)
    preparation = Preparation(dataset.name, dataset.sha256, settings, splits, collections)
    save_preparation(workspace.store, preparation)
    return preparation


def only_available(params: S, preparation: Preparation, workspace: Workspace) -> S:
    """Return the parameters with only the contexts that the data allow.

    Raises:
        ConfigError: If that is none of those asked for.
    """
    if has_documents(preparation) or params.retrieved.strip():
        return params
    asked = params.contexts()
    lost = [context for context in asked if context != "none"]
    said = f"context {', '.join(lost)} is unavailable: {preparation.name} has no documents to show passages of"
    if "none" not in asked:
        raise ConfigError(f"{said}; use -P context=none, or give documents=... to prepare, or retrieved=...")
    if lost:
        workspace.say(said)
    return dataclasses.replace(params, context="none")


def has_documents(preparation: Preparation) -> bool:
    """Return whether anything can be retrieved."""
    return preparation.collections[ALL] != NO_COLLECTION


def _collections(
    dataset: Dataset,
    splits: dict[Split, tuple[Question, ...]],
    chunk_chars: int,
    params: PreparationParams,
    workspace: Workspace,
) -> dict[str, str]:
    """Return the id of each collection, made where it is missing; no documents make none."""
    chosen = _documents_of(dataset, splits, params.collection)
    if not dataset.documents:
        workspace.say(f"{dataset.name} has no documents: it can be asked in the context none only")
        return dict.fromkeys(chosen, NO_COLLECTION)
    for warning in sizes_of(dataset.documents, chunk_chars).warnings():
        workspace.alert(warning)
    embedder = open_embedder(params.embedder)
    collections: dict[str, str] = {}
    for name, ids in chosen.items():
        documents = Chosen(dataset.documents, ids)
        with workspace.progress("embed", count_passages(documents, chunk_chars), part=name) as line:
            collections[name] = build_collection(
                workspace.store, embedder, documents, chunk_chars, on_progress=line.advance
            )
    return collections


def _check_leaks(report: LeakReport, params: PreparationParams, workspace: Workspace) -> None:
    """Log what held-out questions share with train and dev, and stop if there is anything.

    Raises:
        DataError: If there is a leak that was not allowed, with the first of them.
    """
    mlflow.log_dict(report.as_json(), "leaks.json")
    mlflow.log_metric("leaking_questions", len(report.questions))
    if report.clean:
        return
    if not params.allow_leaks:
        examples = [f"{leak.kind}: {leak.held_out_text!r} and {leak.seen_text!r}" for leak in report.leaks]
        raise DataError(
            f"{len(report.questions)} of {report.checked} questions of test and confirm leak from train or dev; take "
            "them out, or go on with -P allow_leaks=True, which is recorded",
            examples,
        )
    mlflow.set_tag("ragft.allowed_leaks", json.dumps(report.counts()))
    workspace.alert(f"warning: {len(report.questions)} held-out questions leak from train or dev (allowed)")


def _documents_of(
    dataset: Dataset, splits: dict[Split, tuple[Question, ...]], collection: str
) -> dict[str, frozenset[str]]:
    """Return the documents of each collection: of a split's own questions, or all."""
    every = frozenset(document.id for document in dataset.documents)
    own = own_documents(splits, collection)
    return {ALL: every, **{split: every if ids is None else ids for split, ids in own.items()}}


def _log(preparation: Preparation, workspace: Workspace) -> None:
    counts = {split: len(questions) for split, questions in preparation.splits.items()}
    tracking.log_data(preparation.name, preparation.dataset, ALL, _flat(preparation))
    mlflow.log_dict(
        {"settings": preparation.settings, "questions": counts, "collections": preparation.collections},
        "preparation.json",
    )
    mlflow.log_metrics({f"questions_{split}": count for split, count in counts.items()})
    listed = ", ".join(f"{count} {split}" for split, count in counts.items())
    workspace.say(f"prepared {preparation.name}: {listed} questions (data {preparation.dataset[:12]})")


def _flat(preparation: Preparation) -> Sequence[Question]:
    return [question for questions in preparation.splits.values() for question in questions]
