"""What MLflow's server says to what serves: its webhook to the example of docs/serving.md, its playground to a chat."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import httpx2
import pandas as pd
import pytest
import uvicorn
from mlflow import MlflowClient
from mlflow.entities.gateway_endpoint import GatewayEndpointModelConfig, GatewayModelLinkageType
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from mlflow.webhooks.delivery import _generate_hmac_signature

from docs.examples import follow_champion
from docs.examples.follow_champion import Follower, receiver
from ragft.chat.server import QuestionsOnly, chat_app
from registry.promotion import Promotion
from registry.store import Registry
from tests.integration.registry.conftest import IDENTITY
from tests.integration.registry.test_promotion import BACK, NAME, PROMOTED, promotion
from tests.tiny_model import make_tiny_model
from tests.vllm_stand_in import VllmStandIn

__all__ = ["promotion"]
SECRET = "a secret of this test"
SECONDS = 60


class Holding(VllmStandIn):
    """Notes what it holds; the adapters of these tests have no weights."""

    def _load(self, name: str, path: str) -> None:
        assert Path(path, "adapter_model.safetensors").is_file()
        self.loaded[name] = path


@pytest.fixture
def vllm(tmp_path: Path) -> Iterator[VllmStandIn]:
    with Holding(make_tiny_model(tmp_path / "tiny", layers=1, hidden=16)) as running:
        yield running


@pytest.fixture
def deliveries(
    promotion: Promotion, vllm: VllmStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[dict[str, Any]]]:
    """What the receiver was sent and found to be signed; it is registered with the MLflow server as a webhook."""
    found: list[dict[str, Any]] = []
    verified = follow_champion.verified

    def noted(secret: str, headers: "Message[str, str]", body: bytes, now: float) -> dict[str, Any]:
        found.append(verified(secret, headers, body, now))
        return found[-1]

    monkeypatch.setattr(follow_champion, "verified", noted)
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.log_message", lambda *_: None)
    with receiver(Follower(NAME, vllm.url, tmp_path / "adapters"), SECRET, 0) as listening:
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"http://127.0.0.1:{listening.server_port}"
        made = MlflowClient().create_webhook("follow", url, ["model_version_alias.created"], secret=SECRET)
        assert MlflowClient().test_webhook(made.webhook_id).success
        found.clear()
        yield found
        MlflowClient().delete_webhook(made.webhook_id)
        listening.shutdown()


def champions(deliveries: list[dict[str, Any]], wanted: int) -> list[str]:
    """The versions that were said to be champion, as soon as there are so many."""
    deadline = time.monotonic() + SECONDS
    while len(found := [d["data"]["version"] for d in deliveries if d["data"]["alias"] == "champion"]) < wanted:
        assert time.monotonic() < deadline, deliveries
        time.sleep(0.05)
    return found


def wait_for(vllm: VllmStandIn, held: set[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while set(vllm.loaded) != held:
        assert time.monotonic() < deadline, vllm.loaded
        time.sleep(0.05)


def test_each_move_is_delivered_once_and_vllm_holds_the_champion(
    promotion: Promotion, registry: Registry, deliveries: list[dict[str, Any]], vllm: VllmStandIn
) -> None:
    promotion.promote(registry.get(f"models:/{NAME}/2"), against=promotion.champion(), record=PROMOTED)
    assert champions(deliveries, 1) == ["2"]
    wait_for(vllm, {IDENTITY})
    assert {delivery["data"]["alias"] for delivery in deliveries} <= {"champion", "previous"}
    promotion.rollback(BACK)
    assert champions(deliveries, 2) == ["2", "1"]
    wait_for(vllm, set())
    assert [path for path in vllm.paths if "lora" in path] == ["/v1/load_lora_adapter", "/v1/unload_lora_adapter"]


def post(url: str, body: bytes, *, secret: str = SECRET, age: int = 0, signed: bytes | None = None) -> httpx2.Response:
    stamp = str(int(time.time()) - age)
    signature = _generate_hmac_signature(secret, "delivery", stamp, (signed or body).decode())
    headers = {"X-MLflow-Delivery-Id": "delivery", "X-MLflow-Timestamp": stamp, "X-MLflow-Signature": signature}
    return httpx2.post(url, content=body, headers=headers)


def test_only_what_mlflow_signed_just_now_is_believed(
    promotion: Promotion, vllm: VllmStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.log_message", lambda *_: None)
    MlflowClient().set_registered_model_alias(NAME, "champion", "2")
    moved = json.dumps({**follow_champion.EVENT, "data": {"name": NAME, "alias": "champion", "version": "2"}}).encode()
    other = moved.replace(b'"champion"', b'"previous"')
    with receiver(Follower(NAME, vllm.url, tmp_path / "adapters"), SECRET, 0) as listening:
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"http://127.0.0.1:{listening.server_port}"
        for refused, said in (
            (post(url, moved, secret="another"), "the signature is not that of the secret"),
            (post(url, moved, signed=other), "the signature is not that of the secret"),
            (httpx2.post(url, content=moved), "the signature is not that of the secret"),
            (post(url, moved, age=301), "the delivery is 30"),
        ):
            assert (refused.status_code, refused.json()["error"][: len(said)]) == (401, said)
        assert post(url, other).json() == {}
        assert vllm.loaded == {}
        believed = {"version": f"models:/{NAME}/2", "model": IDENTITY}
        assert post(url, moved, age=240).json() == httpx2.get(url).json() == believed
        assert set(vllm.loaded) == {IDENTITY}
        vllm.faults.refuse = (400, {"error": "rank"})
        vllm.loaded.clear()
        failed = post(url, moved)
        listening.shutdown()
    assert failed.status_code == 500
    assert "answers load_lora_adapter with 400" in failed.json()["error"]


class Answering:
    """A version from before chats, without weights."""

    def predict(self, data: Any) -> pd.DataFrame:  # noqa: ANN401 - what MLflow takes
        (row,) = data
        return pd.DataFrame({"answer": [f"{row['question']} The red."], "sources": [["It is red."]]})

    def predict_stream(self, data: Any) -> Iterator[Any]:  # noqa: ANN401
        raise AssertionError(data)


def test_the_playground_reaches_the_chat_server_through_the_gateway(server: str) -> None:
    """The page posts to this address of MLflow's server, which posts to what an endpoint of the gateway names."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = chat_app(QuestionsOnly(Answering(), "models:/m/1"), "models:/m@champion")
    chat = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=chat.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        store = RestStore(lambda: MlflowHostCreds(server))  # type: ignore[no-untyped-call]
        base = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        secret = store.create_gateway_secret("none", {"api_key": "none"}, "openai", {"api_base": base})
        model = store.create_gateway_model_definition("v1", secret.secret_id, "openai", "models:/m@champion")
        first = GatewayEndpointModelConfig(model.model_definition_id, GatewayModelLinkageType.PRIMARY)
        endpoint = store.create_gateway_endpoint("ragft", [first], usage_tracking=False)
        asked = {"model": "ragft", "messages": [{"role": "user", "content": "Which gate?"}]}
        url = f"{server}/gateway/mlflow/v1/chat/completions"
        whole = httpx2.post(url, json=asked, timeout=60)
        streamed = httpx2.post(url, json=asked | {"stream": True}, timeout=60)
        store.delete_gateway_endpoint(endpoint.endpoint_id)
    finally:
        chat.should_exit = True
        thread.join()
    assert whole.status_code == 200, whole.text
    assert whole.json()["choices"][0]["message"]["content"] == "Which gate? The red."
    assert "Which gate? The red." in streamed.text, streamed.text
