# ruff: noqa: ANN401 - JSON is anything
"""A server that answers as vLLM does, from a model of this process, and misbehaves as a test asks.

What the real one does is tested in `tests/engines`; here are the faults that it cannot be made to have.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from peft import PeftModel

from ragft.models import decoding
from ragft.models.loading import load_base, quiet_peft

Answer = tuple[int, Any]


@dataclass
class Faults:
    """What is wrong with the server.

    Attributes:
        scale: By which every adapter's weights are multiplied; 0.0 leaves them out.
        refuse: What is said to who wants an adapter loaded: status and body; None loads it.
        old: It does not know ``logprob_token_ids`` or says which tokens it wrote.
        dies_after: Completions after which it answers nothing any more; 0 for never.
        key: It wants this key.
    """

    scale: float = 1.0
    refuse: Answer | None = None
    old: bool = False
    dies_after: int = 0
    key: str = ""


@dataclass
class VllmStandIn:
    """Serves the base in a folder; remembers what it was asked.

    Attributes:
        paths: Of every call.
        bodies: Of every completion.
    """

    base: Path
    faults: Faults = field(default_factory=Faults)
    version: str = "0.32.0"
    fingerprint: str = "vllm-0.32.0-one"
    loaded: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._model: Any = load_base(str(self.base), dtype="float32").model
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _get(self, path: str) -> Answer:
        if path == "/version":
            return 200, {"version": self.version}
        base = {"id": "the-base", "root": str(self.base), "parent": None, "max_model_len": 2048}
        adapters = [{"id": name, "root": root, "parent": "the-base"} for name, root in self.loaded.items()]
        return (200, {"data": [base, *adapters]}) if path == "/v1/models" else (404, {"detail": "Not Found"})

    def _post(self, path: str, body: dict[str, Any]) -> Answer:
        if path == "/v1/load_lora_adapter":
            if self.faults.refuse is not None:
                return self.faults.refuse
            with self._lock, quiet_peft():
                self._load(body["lora_name"], body["lora_path"])
            return 200, "Success"
        if path == "/v1/unload_lora_adapter":
            known = self.loaded.pop(body["lora_name"], None)
            return (200, "Success") if known else (404, {"error": f"no adapter {body['lora_name']}"})
        self.bodies.append(body)
        return 200, {"choices": [self._complete(body)], "system_fingerprint": self.fingerprint}

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = list(body["prompt"])
        with self._adapted(body["model"]) as model:
            with torch.no_grad():
                logs = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0, -1].float(), -1)
            choose: decoding.Choose = decoding.greedy
            if body["temperature"]:
                choose = decoding.sampler([body["seed"]], body["temperature"], body["max_tokens"])
            (written,) = decoding.decode(
                model, [ids], repeats=1, max_new_tokens=body["max_tokens"], stop=body["stop_token_ids"], choose=choose
            )
        if self.faults.old:
            return {"text": "?", "finish_reason": "stop"}
        first = {f"token_id:{token}": float(logs[token]) for token in (written[0], *body.get("logprob_token_ids", []))}
        logprobs = {"top_logprobs": [first]} if "logprob_token_ids" in body else None
        return {"token_ids": written, "finish_reason": "stop", "logprobs": logprobs}

    def _load(self, name: str, path: str) -> None:
        self.loaded[name] = path
        if isinstance(self._model, PeftModel):
            self._model.load_adapter(path, name)
        else:
            self._model = PeftModel.from_pretrained(self._model, path, name)
        for key, weights in self._model.state_dict().items():
            if "lora_B" in key and name in key:
                weights.mul_(self.faults.scale)

    @contextmanager
    def _adapted(self, name: str) -> Iterator[Any]:
        with self._lock:
            if not isinstance(self._model, PeftModel):
                yield self._model
            elif name == "the-base":
                with self._model.disable_adapter():
                    yield self._model
            else:
                self._model.set_adapter(name)
                yield self._model.eval()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._say(lambda: server._get(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._say(lambda: server._post(self.path, body))

            def _say(self, make: Callable[[], Answer]) -> None:
                server.paths.append(self.path)
                wanted = server.faults.key
                if server.faults.dies_after and len(server.bodies) >= server.faults.dies_after:
                    self.close_connection = True
                    return
                known = not wanted or self.headers.get("Authorization") == f"Bearer {wanted}"
                status, body = make() if known else (401, {"error": "Unauthorized"})
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler
