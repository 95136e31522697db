# ruff: noqa: ANN401 - options and JSON are anything
"""A server of the OpenAI protocol on the loopback that misbehaves as a test scripts it."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Response:
    """What the server does with one call.

    Attributes:
        body: JSON, or bytes as they are.
        delay_s: How long it stays silent before it answers.
        drop: Close the connection without an answer.
        drip_s: Pause after each byte of the body.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    drip_s: float = 0.0


Script = Callable[[int, dict[str, Any]], Response]
"""(number of the call from 0, its body) -> what happens."""


def says(*texts: str, finish: str = "stop", logprobs: Any = None) -> Response:
    """Answer with one choice for each text."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": finish, "logprobs": logprobs}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 3 * len(texts)}
    return Response(body={"object": "chat.completion", "choices": choices, "usage": usage})


def message_of(body: Mapping[str, Any]) -> str:
    """Return the user message of a call."""
    return str(body["messages"][0]["content"])


class ScriptedServer:
    """Runs in threads of this process; remembers every call."""

    def __init__(self, script: Script, *, port: int = 0) -> None:
        self.calls: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._script = script
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.die()

    def die(self) -> None:
        """Stop listening; calls in flight get no answer."""
        if not self._closing.is_set():
            self._closing.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def times_asked(self, message: str) -> int:
        """How many calls carried the message."""
        return sum(message_of(body) == message for body in self.calls)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    number = len(outer.calls)
                    outer.calls.append(body)
                    outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                    outer._at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer._at_once)
                try:
                    outer._answer(self, outer._script(number, body))
                finally:
                    with outer._lock:
                        outer._at_once -= 1

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, response: Response) -> None:
        if response.drop or self._closing.wait(response.delay_s) or self._closing.is_set():
            handler.close_connection = True
            return
        content = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
        try:
            handler.send_response(response.status)
            for name, value in {"Content-Type": "application/json", **response.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            for start in range(len(content)) if response.drip_s else (slice(None),):
                piece = content[start] if isinstance(start, slice) else content[start : start + 1]
                handler.wfile.write(piece)
                time.sleep(response.drip_s)
        except OSError:
            handler.close_connection = True  # the client has gone
