"""How a version answers: everything apart from its weights that decides what it writes."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragft.errors import DataError
from ragft.prompts.answer import AnswerPrompt
from ragft.types import INDEXES, RETRIEVERS, IndexKind, RetrieverKind, Search, canonical_json

# Tags of a version: how it is served where that is no longer as it was registered, and what its serving.json is.
SERVED_AS = "ragft.served_as"
SERVING_SHA256 = "ragft.serving_sha256"
# What MLflow writes beside the files of a version that it fetched from the registry.
FETCHED_AS = "registered_model_meta"
# What is added to a version's files after they were registered: MLflow's note of where they come from, and Python's
# bytecode of the program that it loads, written beside it where the artifact store is a local folder.
ADDED = (FETCHED_AS, "__pycache__")
RETRIEVED, NONE = "retrieved", "none"


@dataclass(frozen=True, slots=True)
class ServedAs:
    """How a version answers; of an evaluation, how its answers were made.

    The templates are kept whole: a file can change, and so can the built-in one.

    Attributes:
        prompt: Template with passages.
        prompt_alone: Template without passages.
        max_new_tokens: Maximum number of tokens in an answer.
        context_window: Maximum number of tokens in prompt and answer; 0: what the model takes.
        context: What the model sees: "retrieved", or "none" where the data have no documents.
        top_k: Passages retrieved for a question.
        chunk_chars: The most characters of a passage.
        collection: Id of the collection of all documents; empty without any.
        embedder: Name or path from which it is loaded.
        dtype: Of the base's weights, such as "float32".
        quantization: How the base's weights are held.
        retriever: How passages are found; it and what follows it as in `ragft.types.Search`.
    """

    prompt: str
    prompt_alone: str
    max_new_tokens: int
    context_window: int
    context: str
    top_k: int
    chunk_chars: int
    collection: str
    embedder: str
    dtype: str
    quantization: str
    retriever: str = "dense"
    language: str = "english"
    index: str = "exact"
    reranker: str = ""
    reranker_sha256: str = ""

    @property
    def search(self) -> Search:
        """How passages are found."""
        retriever: RetrieverKind = self.retriever  # type: ignore[assignment]  # checked where it was read
        index: IndexKind = self.index  # type: ignore[assignment]
        return Search(retriever, self.language, index, self.reranker, self.reranker_sha256)

    @property
    def answer_prompt(self) -> AnswerPrompt:
        """The templates, checked."""
        return AnswerPrompt(self.prompt, self.prompt_alone)

    @property
    def words(self) -> str:
        """Everything but the collection as a phrase; templates are named by their hash."""
        usual = {**LATER, "reranker": "none"}
        shown = {name: value for name, value in self._shown().items() if usual.get(name) != value}
        return ", ".join(f"{name} {value}" for name, value in shown.items() if name != "collection")

    def as_dict(self) -> dict[str, Any]:
        """Return name -> value; settings that came later only where they are not as all were served before."""
        return {name: value for name, value in dataclasses.asdict(self).items() if LATER.get(name) != value}

    def to_json(self) -> str:
        """Return it as canonical JSON."""
        return canonical_json(self.as_dict())

    def changes(self, before: "ServedAs") -> str:
        """Return what differs from ``before``, joined by commas; "" if nothing does."""
        old = before._shown()
        return ", ".join(f"{name} {new} (was {old[name]})" for name, new in self._shown().items() if new != old[name])

    def _shown(self) -> dict[str, str]:
        """Return name -> value as shown to a person: hashes are cut to 12 digits."""
        return {
            "prompt": self.answer_prompt.sha256[:12],
            "max_new_tokens": str(self.max_new_tokens),
            "context_window": str(self.context_window or "the model's"),
            "context": self.context,
            "top_k": str(self.top_k),
            "chunk_chars": str(self.chunk_chars),
            "collection": self.collection[:12] or "none",
            "embedder": self.embedder,
            "dtype": self.dtype,
            "quantization": self.quantization,
            "retriever": self.retriever,
            "language": self.language,
            "index": self.index,
            "reranker": f"{self.reranker} ({self.reranker_sha256[:12]})" if self.reranker else "none",
        }

    @classmethod
    def from_json(cls, text: str, *, source: str) -> "ServedAs":
        """Return what a tag or a file holds.

        Raises:
            DataError: If it does not say how a version is served.
        """
        try:
            return cls.from_dict(json.loads(text), source=source)
        except ValueError as error:
            raise DataError(f"{source} is no JSON ({error}): promote the version again") from error

    @classmethod
    def from_dict(cls, values: Any, *, source: str) -> "ServedAs":  # noqa: ANN401 - what JSON holds
        """Return what a JSON object holds.

        Raises:
            DataError: If it does not say how a version is served, naming every field.
        """
        given: Mapping[str, Any] = values if isinstance(values, dict) else {}
        fields = {field.name: field.type for field in dataclasses.fields(cls)}
        problems = [f"{name} is missing" for name in fields if name not in given and name not in LATER]
        problems += [f"{name} is no setting" for name in given if name not in fields]
        problems += [
            f"{name} is {given[name]!r}, expected {getattr(kind, '__name__', kind)}"
            for name, kind in fields.items()
            if name in given and type(given[name]) is not kind
        ]
        problems += [
            f"{name} is {given[name]!r}, expected one of: {', '.join(allowed)}"
            for name, allowed in {"retriever": RETRIEVERS, "index": INDEXES}.items()
            if isinstance(given.get(name), str) and given[name] not in allowed
        ]
        if problems:
            raise DataError(f"{source} does not say how a version is served", problems)
        return cls(**given)


# The settings that came later, with the values that every version before was served with.
LATER = {
    field.name: field.default for field in dataclasses.fields(ServedAs) if field.default is not dataclasses.MISSING
}
