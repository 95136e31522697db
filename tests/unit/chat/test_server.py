# ruff: noqa: ANN401, ARG002 - stand-ins for models take and give what MLflow does
"""The server with versions that need no weights: one from before chats, and one whose stream breaks off."""

import contextvars
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_server
from typing import Any

import httpx2
import pandas as pd
import pytest
import uvicorn
from openai import APIError, InternalServerError, OpenAI

from ragft.chat.server import FAILED, QuestionsOnly, Served, chat_app
from ragft.errors import PrerequisiteError

ASKED: dict[str, Any] = {"model": "models:/m/1", "messages": [{"role": "user", "content": "Which gate?"}]}
HELD: contextvars.ContextVar[str] = contextvars.ContextVar("held", default="")


class Old:
    """Takes a table of questions, as versions did at first."""

    def predict(self, data: Any) -> pd.DataFrame:
        (row,) = data
        return pd.DataFrame({"answer": [f"{row['question']} The red."], "sources": [["It is red."]]})

    def predict_stream(self, data: Any) -> Iterator[Any]:
        raise AssertionError("an old version has none")


class Breaking:
    """Sets a variable of its context as MLflow does, streams two pieces, and then its database is gone."""

    error: Exception = PrerequisiteError("Postgres is gone")

    def predict(self, data: Any) -> Any:
        raise self.error

    def predict_stream(self, data: Any) -> Iterator[Any]:
        token = HELD.set("held")
        try:
            yield {"piece": 1}
            yield {"piece": 2}
            raise self.error
        finally:
            HELD.reset(token)


class Failing(Breaking):
    """Fails by a bug, and the error holds what no client may see."""

    error = ValueError("password=hunter2 in /srv/ragft/secret.py")


@contextmanager
def serving(model: Served) -> Iterator[httpx2.Client]:
    listening = create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(chat_app(model, "models:/m/1"), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def events(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_version_from_before_chats_answers_them_in_one_piece() -> None:
    with serving(QuestionsOnly(Old(), "models:/m/1")) as client:
        whole = client.post("/v1/chat/completions", json=ASKED).json()
        piece, end = events(client.post("/v1/chat/completions", json=ASKED | {"stream": True}).text)
    assert whole["choices"][0]["message"]["content"] == "Which gate? The red."
    assert whole["custom_outputs"]["sources"] == [{"id": "", "document": "", "text": "It is red."}]
    assert piece["choices"][0]["delta"]["content"] == "Which gate? The red."
    assert end["choices"][0]["finish_reason"] == "stop"


def test_what_ends_a_stream_is_said_in_it_and_before_it_with_a_status() -> None:
    with serving(Breaking()) as client:
        first, second, last = events(client.post("/v1/chat/completions", json=ASKED | {"stream": True}).text)
        refused = client.post("/v1/chat/completions", json=ASKED)
        assert client.get("/health").json() == {"status": "healthy"}
    assert (first, second) == ({"piece": 1}, {"piece": 2})
    assert last["error"]["message"] == "Postgres is gone"
    assert (refused.status_code, refused.json()["error"]["message"]) == (503, "Postgres is gone")


def test_an_error_that_is_not_ours_is_an_error_event_and_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        serving(Failing()) as client,
        OpenAI(base_url=f"{client.base_url}/v1", api_key="none", max_retries=0) as openai,
    ):
        pieces = []
        with pytest.raises(APIError, match="the server failed; its log says why") as streamed:
            for piece in openai.chat.completions.create(**ASKED, stream=True):
                pieces.append(piece.model_extra)  # noqa: PERF401 - those before the error count
        with pytest.raises(InternalServerError, match="the server failed; its log says why") as whole:
            openai.chat.completions.create(**ASKED)
    assert pieces == [{"piece": 1}, {"piece": 2}]
    assert streamed.value.body == whole.value.body == FAILED["error"]
    assert "hunter2" not in f"{streamed.value!r} {whole.value!r}"
    # Whoever runs the server finds both, each with its traceback.
    assert capsys.readouterr().err.count(f"ValueError: {Failing.error}") == 2
