"""What a registered version is when MLflow loads it: a question in, the answer and its sources out.

MLflow runs this file when it logs or loads a version (models from code); nothing is pickled.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

import ragft.pocket
from ragft.errors import PrerequisiteError
from ragft.models.fingerprint import file_sha256
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_adapter, load_base
from ragft.models.quantization import Quantization
from ragft.retrieval.embedders import load_embedder
from ragft.retrieval.retriever import Retriever
from ragft.served_as import FETCHED_AS, RETRIEVED, SERVED_AS, SERVING_SHA256, ServedAs
from ragft.store.server import open_store
from ragft.types import Passage

# Not beside this file: MLflow runs a copy of it that lies with the version.
POCKET = Path(ragft.pocket.__file__).resolve().parent / "model"


class RetrievalModel(PythonModel):
    """A version with its retriever. ``RAGFT_DSN`` names the database; without it the home it was made in."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load base, adapter and retriever, each checked against the registry's tags, not against the files.

        Raises:
            PrerequisiteError: If the base, the adapter or the passages are not those of the version.
        """
        path = Path(context.artifacts["serving"])
        tags = _registered_tags(path.parents[1])
        if file_sha256(path) != tags.get(SERVING_SHA256):
            raise PrerequisiteError(
                f"{path} is not what was registered: its tag {SERVING_SHA256} is {tags.get(SERVING_SHA256)}; restore "
                "the file, or register the version again"
            )
        config = json.loads(path.read_text(encoding="utf-8"))
        self._as = _served_as(tags, config)
        self._generator = Generator(_load(config, self._as, tags, context.artifacts), window=self._as.context_window)
        self._prompt = self._as.answer_prompt
        self._retriever = None
        if self._as.context == RETRIEVED:
            store = open_store(os.environ.get("RAGFT_DSN"), Path(config["home"]))
            self._retriever = Retriever(store, load_embedder(self._as.embedder), self._as.collection)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return one row per question: ``answer``, and ``sources``, the passages that the model was shown."""
        questions = [str(text) for text in model_input["question"]]
        messages, sources = [], []
        nothing: list[list[Passage]] = [[] for _ in questions]
        found = self._retriever.retrieve(questions, self._as.top_k) if self._retriever else nothing
        for question, passages in zip(questions, found, strict=True):
            texts = [passage.text for passage in passages]
            kept = self._generator.fit_passages(question, texts, self._prompt.render, self._as.max_new_tokens)
            shown = [texts[place] for place in kept]
            messages.append(self._prompt.render(question, shown))
            sources.append(shown)
        answers = [reply.text for reply in self._generator.generate(messages, self._as.max_new_tokens)]
        return pd.DataFrame({"answer": answers, "sources": sources})


def _registered_tags(folder: Path) -> Mapping[str, str]:
    """Return the tags of the version whose files lie in ``folder``.

    Raises:
        PrerequisiteError: If they were not fetched from the registry, or it does not know that version.
    """
    try:
        fetched = yaml.safe_load((folder / FETCHED_AS).read_text(encoding="utf-8"))
        name, number = fetched["model_name"], str(fetched["model_version"])
        found = MlflowClient().get_model_version(name, number)
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise PrerequisiteError(
            f"{folder} was not fetched from the registry ({error!r}): load a version by its address there, "
            "models:/<name>/<number> or models:/<name>@<alias>; only its tags say what was registered"
        ) from error
    except MlflowException as error:
        raise PrerequisiteError(
            f"the registry of MLFLOW_TRACKING_URI cannot be asked for the version in {folder}: {error.message}"
        ) from error
    return dict(found.tags)


def _served_as(tags: Mapping[str, str], config: Mapping[str, Any]) -> ServedAs:
    """Return how the version is served: as it was promoted or, if it never was, as it was registered."""
    if SERVED_AS in tags:
        return ServedAs.from_json(tags[SERVED_AS], source=f"the tag {SERVED_AS}")
    return ServedAs.from_dict(config.get("served_as"), source="serving.json")


def _load(
    config: Mapping[str, Any], served_as: ServedAs, tags: Mapping[str, str], artifacts: Mapping[str, str]
) -> LoadedModel:
    name = tags["ragft.base"]
    path = config["base_path"] or str(POCKET)
    kind: Quantization = served_as.quantization  # type: ignore[assignment]  # it was one when it was written
    base = load_base(path, revision=tags["ragft.revision"], quantization=kind, dtype=served_as.dtype)
    if base.fingerprint != tags["ragft.base_fingerprint"]:
        raise PrerequisiteError(
            f"base {name} at {path} has fingerprint {base.fingerprint}, the version was made for "
            f"{tags['ragft.base_fingerprint']}: restore that base"
        )
    base = replace(base, name=name)
    adapter = tags["ragft.adapter_sha256"]  # empty for a base
    if bool(adapter) != ("adapter" in artifacts):
        raise PrerequisiteError(f"the version of {name} was registered {'with' if adapter else 'without'} an adapter")
    return load_adapter(base, Path(artifacts["adapter"]), adapter) if adapter else base


set_model(RetrievalModel())
