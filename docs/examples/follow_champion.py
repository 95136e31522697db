"""Keeps a vLLM server on the champion: MLflow's signed webhook in, the champion's adapter loaded, the former unloaded.

An example to copy and change; docs/serving.md says how to start it. What moved is not taken from the message, since
deliveries may come twice or in another order: the registry is asked which version is champion now.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from ragft.errors import DataError, PrerequisiteError, RagftError
from registry.store import Registry
from registry.versions import CHAMPION

EVENT = {"entity": "model_version_alias", "action": "created"}
MOST_SECONDS_OLD = 300
MOST_BYTES = 1_000_000


def verified(secret: str, headers: "Message[str, str]", body: bytes, now: float) -> dict[str, Any]:
    """Return the message of a delivery that MLflow signed just now.

    The signature is HMAC-SHA256 of "<delivery id>.<timestamp>.<body>", base64, after "v1,".

    Raises:
        DataError: If it is signed with another secret or not at all, is older than five minutes, or is no object.
    """
    delivery, stamp = headers.get("X-MLflow-Delivery-Id", ""), headers.get("X-MLflow-Timestamp", "")
    signed = hmac.new(secret.encode(), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(signed).decode()}"
    if not hmac.compare_digest(expected.encode(), headers.get("X-MLflow-Signature", "").encode()):
        raise DataError("the signature is not that of the secret in RAGFT_WEBHOOK_SECRET")
    if abs(now - int(stamp)) > MOST_SECONDS_OLD:  # the stamp is signed, so it is a number
        raise DataError(f"the delivery is {now - int(stamp):.0f} seconds old, expected at most {MOST_SECONDS_OLD}")
    message = json.loads(body)
    if not isinstance(message, dict):
        raise DataError(f"the message is {message!r:.100}, expected an object")
    return message


class Follower:
    """A vLLM server that serves the champion of one registered model.

    Attributes:
        serves: The champion's address in the registry, and by what name vLLM knows it.
    """

    def __init__(self, model: str, engine_url: str, folder: Path) -> None:
        """Take the model's name, vLLM's address (``.../v1``) and a folder that vLLM sees under the same path."""
        self._model, self._url, self._folder = model, engine_url.rstrip("/"), folder.resolve()
        self._registry = Registry(model_code=Path(), requirements=[])
        self._one_at_a_time = threading.Lock()
        self.serves: dict[str, str] = {}

    def concerns(self, message: Mapping[str, Any]) -> bool:
        """Return whether a message says that this model has another champion."""
        data = message.get("data", {})
        moved = (data.get("name"), data.get("alias")) == (self._model, CHAMPION)
        return moved and all(message.get(key) == value for key, value in EVENT.items())

    def follow(self) -> None:
        """Have vLLM serve the version that is champion now; an adapter is loaded before the former is unloaded.

        Raises:
            RagftError: If the version's files are not what was registered, or vLLM refuses them.
        """
        with self._one_at_a_time:
            version = self._registry.get(f"models:/{self._model}@{CHAMPION}")
            name = version.lineage.adapter_sha256  # as evaluate -P engine=vllm calls it; empty for the base
            models = httpx2.get(f"{self._url}/models").raise_for_status().json()["data"]
            held = {entry["id"] for entry in models if entry.get("parent")}
            if name and name not in held:
                self._folder.mkdir(parents=True, exist_ok=True)
                if not (self._folder / name).exists():
                    with tempfile.TemporaryDirectory(dir=self._folder) as part:
                        self._registry.download_adapter(version, Path(part)).rename(self._folder / name)
                self._post("load_lora_adapter", {"lora_name": name, "lora_path": str(self._folder / name)})
            self.serves = {"version": version.uri, "model": name or models[0]["id"]}
            # All that this program loaded and is champion no more, also before it was started anew.
            own = {each.name for each in self._folder.iterdir()} if self._folder.is_dir() else set()
            for former in sorted((held & own) - {name}):
                self._post("unload_lora_adapter", {"lora_name": former})

    def _post(self, what: str, body: Mapping[str, str]) -> None:
        reply = httpx2.post(f"{self._url}/{what}", json=body, timeout=120)
        if reply.status_code != 200:
            raise PrerequisiteError(f"vLLM at {self._url} answers {what} with {reply.status_code}: {reply.text[:500]}")


def receiver(follower: Follower, secret: str, port: int) -> ThreadingHTTPServer:
    """Return the server that MLflow posts to; GET says what is served.

    MLflow posts again, up to three times, where the status is 500; it does not where it is 401.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200, follower.serves)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > MOST_BYTES:
                self._say(413, {"error": f"{length} bytes, expected at most {MOST_BYTES}"})
                return
            try:
                message = verified(secret, self.headers, self.rfile.read(length), time.time())
            except DataError as error:
                self._say(401, {"error": str(error)})
                return
            try:
                if follower.concerns(message):
                    follower.follow()
                self._say(200, follower.serves)
            except (RagftError, httpx2.HTTPError) as error:
                self._say(500, {"error": str(error)})

        def _say(self, status: int, body: Mapping[str, str]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Serve the champion, and follow it until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="the registered model, such as ragft-telecom-pocket")
    parser.add_argument("--engine-url", default="http://127.0.0.1:8000/v1", help="vLLM's address")
    parser.add_argument("--folder", type=Path, required=True, help="where adapters are put; vLLM must see it")
    parser.add_argument("--port", type=int, default=5003)
    given = parser.parse_args()
    secret = os.environ.get("RAGFT_WEBHOOK_SECRET", "")
    if not secret:
        parser.error("RAGFT_WEBHOOK_SECRET is not set: give it the secret of the webhook")
    follower = Follower(given.model, given.engine_url, given.folder)
    follower.follow()  # what moved while nobody listened
    print(follower.serves, flush=True)
    receiver(follower, secret, given.port).serve_forever()


if __name__ == "__main__":
    main()
