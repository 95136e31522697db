"""What a registered version is when MLflow loads it: a question or a chat in, the answer and its sources out.

MLflow runs this file when it logs or loads a version (models from code); nothing is pickled.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.entities import Document, LiveSpan, SpanType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.tracing.constant import SpanAttributeKey

import ragft.pocket
from ragft.analysis.verification.promise import Promise
from ragft.chat.completions import Answered, Source, Turn, chunks, completion, turn
from ragft.errors import DataError, PrerequisiteError
from ragft.judging.backend import LocalJudge
from ragft.judging.g_eval import Item
from ragft.models.endpoint import Endpoint
from ragft.models.fingerprint import file_sha256
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_adapter, load_base
from ragft.models.quantization import Quantization
from ragft.params.values import OVERLAP
from ragft.retrieval.opening import open_retriever
from ragft.served_as import FETCHED_AS, RETRIEVED, SERVED_AS, SERVING_SHA256, ServedAs
from ragft.store.connection import Store
from ragft.store.server import open_store
from ragft.types import Passage
from ragft.verifying import (
    SERVED_DEADLINE_S,
    SERVED_TIMEOUT_S,
    Asked,
    Checks,
    Overlap,
    Verifier,
    asked_at,
    checks_of,
)

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
        version = _registered(path.parents[1])
        tags: Mapping[str, str] = dict(version.tags)
        if file_sha256(path) != tags.get(SERVING_SHA256):
            raise PrerequisiteError(
                f"{path} is not what was registered: its tag {SERVING_SHA256} is {tags.get(SERVING_SHA256)}; restore "
                "the file, or register the version again"
            )
        self._uri = f"models:/{version.name}/{version.version}"
        config = json.loads(path.read_text(encoding="utf-8"))
        self._as = _served_as(tags, config)
        self._generator = Generator(_load(config, self._as, tags, context.artifacts), window=self._as.context_window)
        self._prompt = self._as.answer_prompt
        self._retriever = None
        self._checks = None
        if self._as.context == RETRIEVED:
            store = open_store(os.environ.get("RAGFT_DSN"), Path(config["home"]))
            self._retriever = open_retriever(store, self._as.embedder, self._as.collection, self._as.search)
            self._checks = checks_of(tags, self._as, partial(_verifier, config, self._as, tags, store))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame | dict[str, Any]:
        """Answer questions, or one chat.

        Returns:
            For each row with a ``question``: ``answer``, and ``sources``, the passages that the model was shown. For
            ``messages``: OpenAI's chat completion, the sources in its ``custom_outputs``. Of a version whose answers
            are checked before they leave (`ragft.verifying`), both also have ``verified`` and ``why``.

        Raises:
            DataError: If the input has neither, or a question is no text.
        """
        asked = _asked(model_input.to_dict("records"))
        if isinstance(asked, Turn):
            *_, last = self._answer(asked.question)
            return completion(last, asked, self._uri)
        if len(asked) == 1:
            *_, last = self._answer(asked[0])
            found = pd.DataFrame({"answer": [last.text], "sources": [[source.text for source in last.sources]]})
            return found.assign(**last.checked)
        prepared = self._prepare(asked)
        messages = [message for message, _ in prepared]
        answers = [reply.text for reply in self._generator.generate(messages, self._as.max_new_tokens)]
        sources = [[passage.text for passage in shown] for _, shown in prepared]
        return _checked(self._checks, asked, pd.DataFrame({"answer": answers, "sources": sources}))

    def predict_stream(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: dict[str, Any],
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        """Answer one question, or one chat, while the answer is written.

        Yields:
            For a ``question``: the ``answer`` piece by piece, then the ``sources``. For ``messages``: OpenAI's chunks,
            the sources in the ``custom_outputs`` of the last. An answer that is checked before it leaves is one piece.

        Raises:
            DataError: If the input has neither, or the question is no text.
        """
        asked = _asked([model_input])
        if isinstance(asked, Turn):
            yield from chunks(self._answer(asked.question), asked, self._uri)
            return
        said, end = "", {}
        for answered in self._answer(asked[0]):
            piece, said = answered.text[len(said) :], answered.text
            end = {"sources": [source.text for source in answered.sources], **answered.checked}
            if piece:
                yield {"answer": piece}
        yield {"answer": "", **end}

    def _prepare(self, questions: Sequence[str]) -> list[tuple[str, list[Passage]]]:
        """Return for each question the message that the model reads, and the passages in it."""
        nothing: list[list[Passage]] = [[] for _ in questions]
        found = self._retriever.retrieve(questions, self._as.top_k) if self._retriever else nothing
        prepared = []
        for question, passages in zip(questions, found, strict=True):
            texts = [passage.text for passage in passages]
            kept = self._generator.fit_passages(question, texts, self._prompt.render, self._as.max_new_tokens)
            shown = [passages[place] for place in kept]
            prepared.append((self._prompt.render(question, [passage.text for passage in shown]), shown))
        return prepared

    def _answer(self, question: str) -> Iterator[Answered]:
        """Yield the answer to a question as it grows, and leave a trace where MLflow traces."""
        with _span("answer", SpanType.CHAIN, mlflow.get_current_active_span(), {"question": question}) as whole:
            message, shown = self._retrieve(question, whole)
            sources = [Source(passage.id, passage.document_id, passage.text) for passage in shown]
            read = {"messages": [{"role": "user", "content": message}]}
            with _span("generate", SpanType.CHAT_MODEL, whole, read) as span:
                span.set_attribute(SpanAttributeKey.MESSAGE_FORMAT, "openai")
                for reply in self._generator.stream(message, self._as.max_new_tokens):
                    answered = Answered(reply.text, reply.prompt_tokens, reply.tokens, reply.cut, sources)
                    if self._checks is None:
                        yield answered
                span.set_outputs(completion(answered, Turn(question, 0), self._uri))
                used = {"input_tokens": answered.prompt_tokens, "output_tokens": answered.tokens}
                span.set_attribute(SpanAttributeKey.CHAT_USAGE, {**used, "total_tokens": sum(used.values())})
            if self._checks is not None:
                answered = _check(self._checks, question, answered)
                yield answered
            whole.set_outputs(answered.text)

    def _retrieve(self, question: str, whole: LiveSpan) -> tuple[str, list[Passage]]:
        """Return the message that the model reads and the passages in it; found in a span where there are any."""
        if self._retriever is None:
            return self._prepare([question])[0]
        with _span("retrieve", SpanType.RETRIEVER, whole, {"query": question}) as span:
            message, shown = self._prepare([question])[0]
            span.set_outputs([Document(p.text, {"doc_uri": p.document_id}, p.id) for p in shown])
        return message, shown


def _check(checks: Checks, question: str, answered: Answered) -> Answered:
    """Return what leaves in place of a whole answer."""
    shown = tuple(source.text for source in answered.sources)
    (reply,) = checks.replies([Item(question, answered.text, (), shown)])
    return replace(answered, text=reply.answer, checked={"verified": reply.verified, "why": reply.why})


def _checked(checks: Checks | None, questions: Sequence[str], found: pd.DataFrame) -> pd.DataFrame:
    """Return what leaves in place of the answers; without checks, the answers."""
    if checks is None:
        return found
    rows = zip(questions, found["answer"], found["sources"], strict=True)
    replies = checks.replies([Item(question, answer, (), tuple(shown)) for question, answer, shown in rows])
    return found.assign(
        answer=[reply.answer for reply in replies],
        verified=[reply.verified for reply in replies],
        why=[reply.why for reply in replies],
    )


def _verifier(
    config: Mapping[str, Any], served_as: ServedAs, tags: Mapping[str, str], store: Store, promise: Promise
) -> Verifier:
    """Return the verifier of a promise. The base is loaded once more: another thread may be using the adapter."""
    if promise.verifier == OVERLAP:
        return Overlap()
    if promise.verifier_url:
        keys = (os.environ.get(name) for name in ("RAGFT_JUDGE_API_KEY", "RAGFT_API_KEY", "OPENAI_API_KEY"))
        key = next(filter(None, keys), "")
        endpoint = Endpoint(
            promise.verifier_url,
            promise.verifier,
            api_key=key,
            timeout_s=SERVED_TIMEOUT_S,
            deadline_s=SERVED_DEADLINE_S,
        )
        return asked_at(endpoint, store)
    if promise.verifier == "base":
        base = _load_base(config, served_as, tags, "none")
    else:
        base = load_base(promise.verifier, quantization="none")
    return Asked(LocalJudge(Generator(base)), store)


@contextmanager
def _span(name: str, kind: str, parent: LiveSpan | None, inputs: Mapping[str, Any]) -> Iterator[LiveSpan]:
    """Open a span of MLflow's trace.

    It is not made the current one, which would be of the thread: each piece of a stream may be asked for in another.
    """
    span = mlflow.start_span_no_context(name, kind, parent, inputs)
    try:
        yield span
    except Exception as error:
        span.record_exception(error)
        raise
    finally:
        span.end()


def _asked(rows: Sequence[Mapping[Any, Any]]) -> Turn | list[str]:
    """Return the chat or the questions.

    Raises:
        DataError: If the rows have neither, or a question is no text.
    """
    if rows and rows[0].get("messages") is not None:
        if len(rows) > 1:
            raise DataError(f"there are {len(rows)} rows of messages, expected one: ask one chat at a time")
        return turn(rows[0]["messages"])
    questions = [row.get("question") for row in rows]
    if not rows or not all(isinstance(text, str) for text in questions):
        wrong = next((f"question is {text!r}" for text in questions if not isinstance(text, str)), "there is no row")
        raise DataError(f"{wrong}, expected a text in each row's column question, or one list of messages")
    return [str(text) for text in questions]


def _registered(folder: Path) -> ModelVersion:
    """Return the version whose files lie in ``folder``.

    Raises:
        PrerequisiteError: If they were not fetched from the registry, or it does not know that version.
    """
    try:
        fetched = yaml.safe_load((folder / FETCHED_AS).read_text(encoding="utf-8"))
        name, number = fetched["model_name"], str(fetched["model_version"])
        return MlflowClient().get_model_version(name, number)
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise PrerequisiteError(
            f"{folder} was not fetched from the registry ({error!r}): load a version by its address there, "
            "models:/<name>/<number> or models:/<name>@<alias>; only its tags say what was registered"
        ) from error
    except MlflowException as error:
        raise PrerequisiteError(
            f"the registry of MLFLOW_TRACKING_URI cannot be asked for the version in {folder}: {error.message}"
        ) from error


def _served_as(tags: Mapping[str, str], config: Mapping[str, Any]) -> ServedAs:
    """Return how the version is served: as it was promoted or, if it never was, as it was registered."""
    if SERVED_AS in tags:
        return ServedAs.from_json(tags[SERVED_AS], source=f"the tag {SERVED_AS}")
    return ServedAs.from_dict(config.get("served_as"), source="serving.json")


def _load(
    config: Mapping[str, Any], served_as: ServedAs, tags: Mapping[str, str], artifacts: Mapping[str, str]
) -> LoadedModel:
    kind: Quantization = served_as.quantization  # type: ignore[assignment]  # it was one when it was written
    base = _load_base(config, served_as, tags, kind)
    adapter = tags["ragft.adapter_sha256"]  # empty for a base
    if bool(adapter) != ("adapter" in artifacts):
        raise PrerequisiteError(
            f"the version of {base.name} was registered {'with' if adapter else 'without'} an adapter"
        )
    return load_adapter(base, Path(artifacts["adapter"]), adapter) if adapter else base


def _load_base(
    config: Mapping[str, Any], served_as: ServedAs, tags: Mapping[str, str], kind: Quantization
) -> LoadedModel:
    name = tags["ragft.base"]
    path = config["base_path"] or str(POCKET)
    base = load_base(path, revision=tags["ragft.revision"], quantization=kind, dtype=served_as.dtype)
    if base.fingerprint != tags["ragft.base_fingerprint"]:
        raise PrerequisiteError(
            f"base {name} at {path} has fingerprint {base.fingerprint}, the version was made for "
            f"{tags['ragft.base_fingerprint']}: restore that base"
        )
    return replace(base, name=name)


set_model(RetrievalModel())
