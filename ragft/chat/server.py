"""A server of one model in OpenAI's chat protocol, whole and streamed."""

import json
from collections.abc import Iterator, Mapping
from contextvars import copy_context
from itertools import chain
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ragft.chat.completions import Answered, Source, Turn, chunks, completion, turn
from ragft.errors import ConfigError, DataError, RagftError

# What would change the form of a reply, and the values that leave it as it is.
_FORM: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "tools": (None, []),
    "functions": (None, []),
    "logprobs": (None, False),
    "response_format": (None, {"type": "text"}),
}
# Of an error that is not ours a client is told nothing: it may hold what the client must not see.
FAILED: Mapping[str, Any] = {"error": {"message": "the server failed; its log says why", "type": "server_error"}}


class Served(Protocol):
    """What the server needs of a model; MLflow's `PyFuncModel` of a registered version is one."""

    def predict(self, data: Any) -> Any:  # noqa: ANN401 - whatever the model takes and gives
        """Return the completion of ``{"messages": [...]}``."""
        ...

    def predict_stream(self, data: Any) -> Iterator[Any]:  # noqa: ANN401
        """Yield the chunks of the completion of ``{"messages": [...]}``."""
        ...


class QuestionsOnly:
    """A version from before a version took chats: its column ``question`` answers the last message, in one piece."""

    def __init__(self, model: Served, uri: str) -> None:
        self._model = model
        self._uri = uri

    def predict(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the completion; its tokens are 0, since nobody counted them."""
        asked = turn(data["messages"])
        return completion(self._answer(asked), asked, self._uri)

    def predict_stream(self, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the whole answer as one chunk, and the end."""
        asked = turn(data["messages"])
        return chunks(iter([self._answer(asked)]), asked, self._uri)

    def _answer(self, asked: Turn) -> Answered:
        found = self._model.predict([{"question": asked.question}])
        sources = [Source("", "", str(text)) for text in found["sources"][0]]
        return Answered(str(found["answer"][0]), 0, 0, cut=False, sources=sources)


def chat_app(model: Served, name: str) -> FastAPI:
    """Return the server of ``model``, which clients call ``name``: /v1/chat/completions, /v1/models and /health."""
    app = FastAPI(title="ragft")

    @app.exception_handler(Exception)
    def failed(_: Request, __: Exception) -> Response:
        # Raised again after this, so that the log has the traceback.
        return JSONResponse(FAILED, status_code=500)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "ragft"}]}

    @app.post("/v1/chat/completions")
    def complete(body: dict[str, Any]) -> Response:
        try:
            _check(body)
            asked = {"messages": _readable(body.get("messages"))}
            if not body.get("stream"):
                return JSONResponse(model.predict(asked))
            pieces = _in_one_context(model.predict_stream(asked))
            # The first is waited for: what is wrong with a question is still answered with a status of its own.
            first = next(pieces)
        except RagftError as error:
            return JSONResponse(_problem(error), status_code=400 if _is_theirs(error) else 503)
        return StreamingResponse(_events(chain([first], pieces)), media_type="text/event-stream")

    def _check(body: Mapping[str, Any]) -> None:
        if body.get("model") != name:
            raise DataError(f"model is {body.get('model')!r}, expected {name!r}: it is the only one here")
        wrong = [key for key, usual in _FORM.items() if body.get(key) not in usual]
        if wrong:
            raise DataError(
                f"{wrong[0]} is {body[wrong[0]]!r}, which is not offered: a version answers with one text, written as "
                "it was evaluated; leave it out"
            )

    return app


def _readable(messages: object) -> list[dict[str, str]]:
    """Return the messages as a version takes them: role and text alone; checked by `turn`."""
    turn(messages)
    given: Any = messages
    return [{"role": each["role"], "content": str(each.get("content") or "")} for each in given]


def _in_one_context(stream: Iterator[Any]) -> Iterator[Any]:
    """Yield from ``stream`` in one context, whatever thread asks: MLflow takes back there what it set at the start."""
    context = copy_context()
    nothing = object()
    while (piece := context.run(next, stream, nothing)) is not nothing:
        yield piece


def _events(pieces: Iterator[Any]) -> Iterator[str]:
    try:
        for piece in pieces:
            yield f"data: {json.dumps(piece)}\n\n"
    except RagftError as error:
        yield f"data: {json.dumps(_problem(error))}\n\n"
    except Exception:
        # The status was sent long ago. The traceback goes to the log: it is raised once the client knows.
        yield f"data: {json.dumps(FAILED)}\n\n"
        raise
    yield "data: [DONE]\n\n"


def _problem(error: RagftError) -> dict[str, Any]:
    return {"error": {"message": str(error), "type": "invalid_request_error" if _is_theirs(error) else "server_error"}}


def _is_theirs(error: RagftError) -> bool:
    """Return whether the request is at fault, so that the same one cannot be answered later either."""
    return isinstance(error, ConfigError | DataError)
