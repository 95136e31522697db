"""The model under test: a base, or a registered version on top of its base."""

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrypoints.steps.shared.bases import base_path, require_base
from entrypoints.steps.shared.endpoints import open_endpoint
from entrypoints.steps.shared.engines import by_openvino, describe, open_engine, serve_base, serve_version
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.searching import search_of
from entrypoints.steps.shared.sources import read_dataset, with_top_k
from entrypoints.steps.shared.weights import load_base_model, load_version, open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError
from ragft.models.answering import Writer
from ragft.models.endpoint import Endpoint
from ragft.models.generation import Generator
from ragft.models.loading import DescribedModel, LoadedModel
from ragft.models.openvino.model import OpenvinoModel
from ragft.models.vllm.model import VllmModel
from ragft.params.base import P
from ragft.params.data import BaseParams, DataParams, PreparationParams
from ragft.params.scoring import EvaluateParams, ScoringParams
from ragft.params.values import DEFAULT_DATASET, OPENVINO, POCKET, SERVED, VLLM
from ragft.prompts.answer import load_answer_prompt
from ragft.served_as import NONE, RETRIEVED, ServedAs
from ragft.store.datasets import Preparation
from registry.versions import Lineage, Version

BASE = "base"


@dataclass(frozen=True)
class Subject:
    """The model under test: in memory, or held by an engine or a server.

    Attributes:
        loaded: None for a served model.
        version: The registered version; None for a base and for a served model.
        base: Name of the base model, or of the served one.
        endpoint: The served model.
        engine: The base or version, where an engine answers in its place.
        registered: A base as it was registered.
    """

    loaded: LoadedModel | None
    version: Version | None
    base: str
    endpoint: Endpoint | None = None
    engine: VllmModel | OpenvinoModel | None = None
    registered: Version | None = None

    @property
    def variant(self) -> str:
        """What the run is named after: ``base``, ``lora closed_book v2``, or the served model's name."""
        if self.endpoint is not None:
            return self.endpoint.model
        return self.version.short if self.version else BASE

    @property
    def title(self) -> str:
        """What a person calls it: the version's address, or the served model's name."""
        version = self.version or self.registered
        return version.uri if version else self.base

    @property
    def model_id(self) -> str:
        """Its LoggedModel in MLflow; "" for a served model."""
        version = self.version or self.registered
        return version.model_id if version else ""

    def writer(self, window: int) -> Writer:
        """Return what answers, with at most ``window`` tokens of prompt and answer (0: what the model takes)."""
        if self.endpoint is not None:
            return self.endpoint
        if self.engine is not None:
            return self.engine.narrowed(window)
        if self.loaded is None:
            raise RuntimeError("the model under test is neither in memory nor served")
        return Generator(self.loaded, window=window)

    @property
    def described(self) -> DescribedModel | None:
        """What the model is, wherever its weights are; of a served one that is not known."""
        return self.engine.described if self.engine is not None else self.loaded

    @property
    def samples(self) -> int:
        """Samples it was fine-tuned on; 0 for a base."""
        return self.version.lineage.samples if self.version else 0


def find_version(params: EvaluateParams) -> Version | None:
    """Return the registered version under test, an adapter's or a base's, or None; nothing heavy is loaded."""
    return None if params.model in (BASE, SERVED) else open_registry().get(params.model)


def settle(params: P, version: Version | None) -> P:
    """Return the parameters with data set, base and its revision filled in: the version's own, else the defaults.

    Of a version's own data its own split is taken where no ``data_seed`` is given, be they named or not.

    Raises:
        ConfigError: If a base or revision was asked for that is not the version's.
    """
    own = version.lineage if version else None
    values = params.as_dict()
    if own and values["base"] not in ("", own.base):
        raise ConfigError(
            f"base is {values['base']}, but {version.uri if version else ''} belongs to {own.base}: leave base out"
        )
    if own and values["revision"] and require_base(own.base, values["revision"]).revision != own.revision:
        raise ConfigError(
            f"revision is {values['revision']}, but {version.uri if version else ''} belongs to {own.base} at revision "
            f"{own.revision}: leave revision out"
        )
    changes = {
        "base": values["base"] or (own.base if own else POCKET),
        "revision": own.revision if own else values["revision"],
    }
    if not values["dataset"]:
        changes["dataset"] = own.data if own else DEFAULT_DATASET
    settled = dataclasses.replace(params, **changes)
    if own and isinstance(settled, PreparationParams) and (not values["dataset"] or settled.data_name == own.data):
        settled = dataclasses.replace(settled, data_seed=settled.data_seed or own.data_seed)
    settled = with_top_k(settled)
    if not isinstance(settled, ScoringParams):
        return settled
    return dataclasses.replace(settled, context=",".join(settled.contexts()))


def require_held_out(version: Version | None, params: PreparationParams, workspace: Workspace) -> None:
    """Check that a version is not asked what it was trained on: that its own data are what they were, split as then.

    Other data hold nothing of its training. Nothing is prepared yet: a preparation would become the newest of its name.

    Raises:
        ConfigError: If the data of its name are others by now, or its data are split by another seed.
    """
    if version is None or version.lineage.kind == "base":
        return
    own, data = version.lineage, read_dataset(params, workspace)
    same = data.sha256 == own.data_sha256
    if (same and params.data_seed == own.data_seed) or not (same or data.name == own.data):
        return
    way_out = (
        f"leave data_seed out, or give -P data_seed={own.data_seed}"
        if params.data_seed != own.data_seed
        else "name what it was trained on with -P path=..., or train on the data as they are now under a name of their "
        "own, -P name=..."
    )
    raise ConfigError(
        f"{version.uri} was trained on {own.data} with data_sha256 {own.data_sha256[:12]} and data_seed "
        f"{own.data_seed}, and would be asked questions of {data.name} with data_sha256 {data.sha256[:12]} and "
        f"data_seed {params.data_seed}: it may have been trained on them; {way_out}"
    )


def load_subject(
    prepared: Prepared[EvaluateParams], version: Version | None, workspace: Workspace, stack: ExitStack
) -> Subject:
    """Return the model under test; an adapter is verified, put on its own base, and checked to have an effect.

    A base is registered. A served model stays open as long as ``stack``.

    Raises:
        PrerequisiteError: If the base or the adapter is not what was trained, or changes nothing, or an engine holds
            another.
    """
    params, preparation = prepared.params, prepared.preparation
    if params.model == SERVED:
        endpoint = open_endpoint(params.model_url, params.served_model, "model", params, workspace, stack)
        return Subject(None, None, params.served_model, endpoint)
    if params.engine == VLLM:
        server = open_engine(params, workspace, stack)
        if version is not None:
            return Subject(
                None, version, version.lineage.base, engine=serve_version(server, version, params, workspace)
            )
        described = describe(params.base, params.revision, params.dtype)
        known = register_base(described, params, preparation, workspace)
        engine = serve_base(server, described, known, workspace)
        return Subject(None, None, params.base, engine=engine, registered=known)
    registered = None
    if version is not None:
        loaded, base = load_version(version, params.dtype), version.lineage.base
    else:
        loaded, base = load_base_model(params.base, params.revision, params.quantization, params.dtype), params.base
        registered = register_base(loaded, params, preparation, workspace)
    if params.engine == OPENVINO:
        return Subject(None, version, base, engine=by_openvino(loaded, workspace), registered=registered)
    return Subject(loaded, version, base, registered=registered)


def base_lineage(loaded: DescribedModel, preparation: Preparation) -> Lineage:
    """Return the lineage of a base as a version."""
    return Lineage(
        kind="base",
        base=loaded.name,
        base_fingerprint=loaded.fingerprint,
        revision=loaded.revision,
        quantization="none",
        data=preparation.name,
        data_sha256=preparation.dataset,
        data_seed=int(preparation.settings["data_seed"]),
    )


def subject_tags(subject: Subject, params: EvaluateParams, preparation: Preparation) -> dict[str, str]:
    """Return what made the model; of a served one only its name and address are known."""
    if subject.version is not None:
        return {**subject.version.lineage.tags(), "ragft.model": subject.version.uri}
    if subject.described is not None:
        return {**base_lineage(subject.described, preparation).tags(), "ragft.model": BASE}
    served = {"kind": SERVED, "base": subject.base, "samples": "0", "model_url": params.model_url}
    return {**{f"ragft.{name}": value for name, value in served.items()}, "ragft.model": subject.base}


def served_as(
    params: BaseParams, asked: ScoringParams, context: str, preparation: Preparation, loaded: DescribedModel
) -> ServedAs:
    """Return how this model answers from these data, as ``asked`` says, with passages from all documents."""
    prompt, search = load_answer_prompt(asked.prompt), search_of(params)
    return ServedAs(
        prompt=prompt.with_passages,
        prompt_alone=prompt.without_passages,
        max_new_tokens=asked.max_new_tokens,
        context_window=asked.context_window,
        context=context,
        top_k=params.top_k,
        chunk_chars=preparation.settings["chunk_chars"],
        collection=preparation.collections["all"],
        embedder=_findable(params.embedder),
        dtype=loaded.dtype,
        quantization=loaded.quantization,
        retriever=search.retriever,
        language=search.language,
        index=search.index,
        reranker=_findable(search.reranker) if search.reranker else "",
        reranker_sha256=search.reranker_sha256,
    )


def serving_config(
    params: BaseParams, preparation: Preparation, loaded: DescribedModel, workspace: Workspace
) -> dict[str, Any]:
    """Return what a served version needs, addresses and settings, never a secret; a promotion can settle others."""
    context = RETRIEVED if preparation.collections["all"] else NONE
    return {
        "home": str(workspace.home),
        "base_path": _findable(base_path(params.base)) if params.base != POCKET else "",
        "served_as": served_as(params, ScoringParams(), context, preparation, loaded).as_dict(),
    }


def _findable(name_or_path: str) -> str:
    """Return a name as it is, and a folder's path in absolute form."""
    path = Path(name_or_path).expanduser()
    return str(path.resolve()) if path.is_dir() else name_or_path


def register_base(
    loaded: DescribedModel, params: BaseParams, preparation: Preparation, workspace: Workspace
) -> Version:
    """Return the version of the base, registered as the first and champion where the name is new."""
    lineage = base_lineage(loaded, preparation)
    plain = dataclasses.replace(loaded, quantization="none")  # however it is held for the adapter that is trained on it
    with workspace.store.lock(f"registry {lineage.data}", workspace.alert):
        return open_registry().register_base(lineage, serving_config(params, preparation, plain, workspace))


def version_tags(lineage: Lineage, params: DataParams) -> dict[str, str]:
    """Return what a run is found by in the UI."""
    return {**lineage.tags(), "ragft.top_k": str(params.top_k)}
