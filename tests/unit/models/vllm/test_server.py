"""Reaching a vLLM server: what is no server, wants a key or refuses an adapter is told with the way out."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models import endpoint_call
from ragft.models.vllm.server import Prompt, VllmServer, read_reply
from tests.scripted_server import Response, ScriptedServer
from tests.vllm_stand_in import Answer, Faults, VllmStandIn

pytestmark = pytest.mark.slow


def reach(url: str, **settings: Any) -> VllmServer:  # noqa: ANN401
    return VllmServer(url, **{"timeout_s": 5.0, "deadline_s": 10.0, **settings})


def test_it_says_which_base_it_holds(tiny_base: Path) -> None:
    with VllmStandIn(tiny_base, loaded={"a" * 64: "/adapters/a"}) as stand_in, reach(f"{stand_in.url}/") as server:
        assert (server.version, server.base, server.window) == ("0.32.0", "the-base", 2048)
        assert server.adapters()["a" * 64].path == "/adapters/a"


def test_no_server_is_told_at_once() -> None:
    with pytest.raises(PrerequisiteError, match=r"no engine: http://127.0.0.1:9/version cannot be reached.*vllm serve"):
        reach("http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match=r"expected http"):
        reach("gpu-box:8000")


def test_another_kind_of_server_is_told() -> None:
    with (
        ScriptedServer(lambda _, __: Response()) as server,
        pytest.raises(PrerequisiteError, match=r"does not say which vLLM this is.*model=served"),
    ):
        reach(server.url)


def test_a_key_that_is_missing_or_wrong_is_told(tiny_base: Path) -> None:
    with VllmStandIn(tiny_base, Faults(key="right")) as stand_in:
        for given in ("", "wrong"):
            with pytest.raises(PrerequisiteError, match=r"wants a key.*RAGFT_MODEL_API_KEY"):
                reach(stand_in.url, api_key=given)
        reach(stand_in.url, api_key="right").close()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((404, {"detail": "Not Found"}), "loads no adapters: start it with --enable-lora.*VLLM_ALLOW_RUNTIME_LORA_UPD"),
        (
            (404, {"error": {"message": "Loading lora x failed: No adapter found for /a/x"}}),
            "find /a/x.*mount",
        ),
        (
            (500, {"error": {"message": "Internal Server Error"}}),
            "status 500.*its log.*rank is 32.*--max-lora-rank",
        ),
    ],
)
def test_why_an_adapter_is_not_loaded_is_told(tiny_base: Path, answer: Answer, told: str) -> None:
    with VllmStandIn(tiny_base, Faults(refuse=answer)) as stand_in, reach(stand_in.url) as server:
        with pytest.raises(PrerequisiteError, match=told):
            server.load_adapter("x", "/a/x", 32)
        stand_in.loaded["x"] = "/a/x"  # as another process did in the meantime
        server.load_adapter("x", "/a/x", 32)


@pytest.mark.parametrize(
    "choice",
    [{"token_ids": [5, 6], "finish_reason": "abort"}, {"token_ids": [], "finish_reason": "stop"}, {"token_ids": [5]}],
)
def test_a_reply_that_was_broken_off_is_asked_for_again(choice: dict[str, Any]) -> None:
    with pytest.raises(endpoint_call.UnreadableError):
        read_reply(json.dumps({"choices": [choice]}).encode())


def test_log_probabilities_that_are_no_numbers_are_told() -> None:
    choice = {"token_ids": [5], "finish_reason": "stop", "logprobs": {"top_logprobs": [{"token_id:5": math.nan}]}}
    with pytest.raises(PrerequisiteError, match="no numbers"):
        read_reply(json.dumps({"choices": [choice]}).encode())


def test_a_server_that_comes_back_as_another_is_told(tiny_base: Path) -> None:
    with VllmStandIn(tiny_base) as stand_in, reach(stand_in.url) as server:
        asked = [Prompt("the-base", (5, 6, 7), 2)]
        assert len(list(server.complete(asked))) == 1
        stand_in.fingerprint = "vllm-0.32.0-another"
        with pytest.raises(PrerequisiteError, match=r"started anew as 'vllm-0.32.0-another', it was 'vllm-0.32.0-one'"):
            list(server.complete(asked))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"choices": []}', b'{"choices": [{"token_ids": ["a"]}]}'])
def test_a_reply_that_is_none_is_asked_for_again(content: bytes) -> None:
    with pytest.raises(endpoint_call.UnreadableError):
        read_reply(content)
