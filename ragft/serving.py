"""What a registered version is when it is loaded: a question in; the answer and its sources out.

MLflow runs this file when it logs or loads a version (models from code); nothing is pickled.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

import ragft.pocket
from ragft.errors import PrerequisiteError
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_adapter, load_base
from ragft.prompts.answer import load_answer_prompt
from ragft.retrieval.embedding import Embedder
from ragft.retrieval.retriever import Retriever
from ragft.store.server import open_store
from ragft.types import Passage

# Not beside this file: MLflow runs a copy of it that lies with the version.
POCKET = Path(ragft.pocket.__file__).resolve().parent / "model"
MAX_NEW_TOKENS = 128


class RetrievalModel(PythonModel):
    """A version with its retriever. ``RAGFT_DSN`` names the database; without it the home it was made in."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load base, adapter and retriever, each checked against what was registered.

        Raises:
            PrerequisiteError: If the base, the adapter or the passages are not those of the version.
        """
        config = json.loads(Path(context.artifacts["serving"]).read_text(encoding="utf-8"))
        self._generator = Generator(_load(config, context.artifacts))
        self._prompt = load_answer_prompt()
        store = open_store(os.environ.get("RAGFT_DSN"), Path(config["serving.home"]))
        collection = config["serving.collection"]  # empty where the data have no documents
        self._retriever = Retriever(store, Embedder(config["serving.embedder"]), collection) if collection else None
        self._top_k = int(config["serving.top_k"])

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return a row a question: ``answer``, and ``sources``, the passages it was shown."""
        questions = [str(text) for text in model_input["question"]]
        messages, sources = [], []
        nothing: list[list[Passage]] = [[] for _ in questions]
        found = self._retriever.retrieve(questions, self._top_k) if self._retriever else nothing
        for question, passages in zip(questions, found, strict=True):
            texts = [passage.text for passage in passages]
            kept = self._generator.fit_passages(question, texts, self._prompt.render, MAX_NEW_TOKENS)
            shown = [texts[place] for place in kept]
            messages.append(self._prompt.render(question, shown))
            sources.append(shown)
        answers = [reply.text for reply in self._generator.generate(messages, MAX_NEW_TOKENS)]
        return pd.DataFrame({"answer": answers, "sources": sources})


def _load(config: dict[str, Any], artifacts: dict[str, str]) -> LoadedModel:
    name = config["ragft.base"]
    path = config["serving.base_path"] or str(POCKET)
    base = load_base(path, revision=config["ragft.revision"], quantization=config["ragft.quantization"])
    if base.fingerprint != config["ragft.base_fingerprint"]:
        raise PrerequisiteError(
            f"base {name} at {path} has fingerprint {base.fingerprint}, the version was made for "
            f"{config['ragft.base_fingerprint']}: restore that base"
        )
    base = replace(base, name=name)
    return load_adapter(base, Path(artifacts["adapter"])) if "adapter" in artifacts else base


set_model(RetrievalModel())
