"""Models that an engine computes, a vLLM server or OpenVINO: held against those of this process before they answer."""

import dataclasses
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow

from entrypoints.steps.shared.bases import base_path
from entrypoints.steps.shared.weights import check_base_of, load_base_model, load_version, open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import PrerequisiteError
from ragft.models.adapter_folder import check_adapter
from ragft.models.loading import DescribedModel, LoadedModel, describe_base
from ragft.models.logprob_probes import Agreement, Probes, take
from ragft.models.openvino.graph import check_convertible
from ragft.models.openvino.model import OpenvinoModel
from ragft.models.vllm.limits import check_servable
from ragft.models.vllm.model import VllmModel
from ragft.models.vllm.server import VllmServer
from ragft.params.scoring import ScoringParams
from registry.versions import Version

# Folder of the home in which adapters lie for a server, where none is named.
ADAPTERS = "engine"
# Through which weights go to OpenVINO.
OPENVINO_FILES = "openvino"


def open_engine(params: ScoringParams, workspace: Workspace, stack: ExitStack) -> VllmServer:
    """Return the server at ``engine_url``, closed with ``stack``; its key is the workspace's for "model".

    Raises:
        PrerequisiteError: If no vLLM server can be reached there.
    """
    server = VllmServer(
        params.engine_url,
        api_key=workspace.api_keys.get("model", ""),
        concurrency=params.concurrency,
        timeout_s=params.timeout_s,
        deadline_s=params.deadline_s,
    )
    return stack.enter_context(server)


def describe(base: str, revision: str, dtype: str) -> DescribedModel:
    """Return what a base is under the name it was asked for; its weights are not loaded."""
    return dataclasses.replace(describe_base(base_path(base), revision=revision, dtype=dtype), name=base)


def serve_base(
    server: VllmServer, described: DescribedModel, registered: Version | None, workspace: Workspace
) -> VllmModel:
    """Return the base of the server, which is the one described; where it is registered, its version is asked first.

    Raises:
        PrerequisiteError: If the server holds another.
    """

    def load() -> LoadedModel:
        return load_base_model(described.name, described.revision, "none", described.dtype)

    return _verified(VllmModel(server, described, server.base), registered, load, workspace)


def serve_version(server: VllmServer, version: Version, params: ScoringParams, workspace: Workspace) -> VllmModel:
    """Return a version's adapter on the server: the one it was started with under that digest, or loaded now.

    Raises:
        PrerequisiteError: If the server cannot serve it, holds another base, or applies it not at all or otherwise.
    """
    lineage = version.lineage
    if lineage.quantization != "none":
        raise PrerequisiteError(
            f"{version.uri} was trained on a base held in {lineage.quantization}, and a server holds it as it is: use "
            "engine=local, or train with -P method=lora"
        )
    base = describe(lineage.base, lineage.revision, params.dtype)
    check_base_of(version, base.fingerprint)
    name = lineage.adapter_sha256
    with TemporaryDirectory() as folder:
        adapter = open_registry().download_adapter(version, Path(folder))
        rank = check_servable(adapter, version.uri)
        if name not in server.adapters():
            into = Path(params.engine_folder).expanduser() if params.engine_folder else workspace.home / ADAPTERS
            server.load_adapter(name, str(_placed(adapter, into.resolve(), name)), rank)
    model = VllmModel(server, dataclasses.replace(base, adapter=name), name)
    return _verified(model, version, lambda: load_version(version, params.dtype), workspace)


def by_openvino(loaded: LoadedModel, workspace: Workspace) -> OpenvinoModel:
    """Return a model as OpenVINO computes it, held against the one in memory, which is not needed afterwards.

    Raises:
        PrerequisiteError: If OpenVINO cannot compute it, or makes something else of it.
    """
    check_convertible(loaded)  # else an adapter would be refused after its base was loaded
    folder = workspace.home / OPENVINO_FILES
    model = OpenvinoModel.load(dataclasses.replace(loaded, adapter=""), folder)
    probes = take(loaded)
    alone = model.rate(probes)
    if loaded.adapter:
        del model  # else the weights would be held three times
        model = OpenvinoModel.load(loaded, folder)
    _tell(model, model.verify(probes, alone), workspace)
    return model


def probes_of(loaded: LoadedModel, version: Version) -> Probes:
    """Return the probes of a version, computed now and kept with it."""
    probes = take(loaded)
    open_registry().keep_probes(version, probes.to_json())
    return probes


def _verified(
    model: VllmModel, version: Version | None, load: Callable[[], LoadedModel], workspace: Workspace
) -> VllmModel:
    found = model.verify(_probes(model.described, version, load, workspace))
    _tell(model, found, workspace)
    return model


def _tell(model: VllmModel | OpenvinoModel, found: Agreement, workspace: Workspace) -> None:
    """Say how far an engine agrees with this process, on the screen and in the run."""
    said = f"{model.engine}: its base is within {found.base:.2g} nats a token of the one in process"
    if model.described.adapter:
        said += f", and it shows {found.share:.0%} of the adapter's effect ({found.moved_here:.2g} nats a token)"
    workspace.say(said)
    mlflow.set_tags({"ragft.engine": model.engine, "ragft.engine_check": said})


def _probes(
    described: DescribedModel, version: Version | None, load: Callable[[], LoadedModel], workspace: Workspace
) -> Probes:
    """Return what this process makes of the model: kept with its version, or computed; only then weights are loaded."""
    if version is None:
        return take(load())
    return _kept(described, version) or _computed(version, load, workspace)


def _kept(described: DescribedModel, version: Version) -> Probes | None:
    """Return the probes that travel with a version, if they are of these weights."""
    text = open_registry().probes(version)
    if not text:
        return None
    found = Probes.from_json(text, source=f"the tag of {version.uri}")
    return found if (found.fingerprint, found.adapter) == (described.fingerprint, described.adapter) else None


def _computed(version: Version, load: Callable[[], LoadedModel], workspace: Workspace) -> Probes:
    workspace.say(f"loading {version.uri} in this process, once, to hold the engine against it")
    try:
        return probes_of(load(), version)
    except PrerequisiteError as error:
        raise PrerequisiteError(
            f"{error} The engine is held against this model in process; where it does not fit here, compute that once "
            f"where it does, with the same MLflow server: python -m entrypoints.fingerprint --model {version.uri}"
        ) from error


def _placed(adapter: Path, into: Path, name: str) -> Path:
    """Return the folder of an adapter that a server loads from, named by its digest and never changed."""
    target = into / name
    if not target.exists():
        into.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=into) as partial:
            copied = Path(shutil.copytree(adapter, Path(partial) / name))
            try:
                copied.rename(target)
            except OSError:
                if not target.exists():  # else another process was faster
                    raise
    check_adapter(target, name)
    return target
