# ruff: noqa: ANN401 - options and JSON are anything
"""A served model against a server that misbehaves: retried where it helps, given up where it does not, nothing lost."""

import email.utils
import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models import endpoint_call
from ragft.models.endpoint import ChatRequest, Endpoint
from ragft.models.endpoint_call import Completion
from tests.scripted_server import Response, Script, ScriptedServer, message_of, says


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_call, "FIRST_WAIT_S", 0.02)


def echo(number: int, body: dict[str, Any]) -> Response:
    return says(*[f"re: {message_of(body)}"] * body.get("n", 1))


def requests(count: int, **options: Any) -> list[ChatRequest]:
    return [ChatRequest(f"m{number}", 16, **options) for number in range(count)]


def gathered(pieces: Iterator[list[tuple[int, int, Completion]]]) -> dict[tuple[int, int], Completion]:
    found: dict[tuple[int, int], Completion] = {}
    for piece in pieces:
        for request, reply, completion in piece:
            assert (request, reply) not in found
            found[request, reply] = completion
    return found


def ask(
    script: Script, asked: list[ChatRequest], **options: Any
) -> tuple[dict[tuple[int, int], Completion], ScriptedServer]:
    settings = {"timeout_s": 5.0, "deadline_s": 10.0, "concurrency": 4, **options}
    with ScriptedServer(script) as server, Endpoint(server.url, "m", **settings) as endpoint:
        return gathered(endpoint.complete(asked)), server


def test_every_message_gets_its_own_reply() -> None:
    found, server = ask(echo, requests(20))
    assert {key: reply.text for key, reply in found.items()} == {(i, 0): f"re: m{i}" for i in range(20)}
    assert found[3, 0] == Completion("re: m3", prompt_tokens=7, tokens=3)
    assert server.calls[0].keys() == {"model", "messages", "temperature", "max_tokens", "seed"}
    assert "authorization" not in server.headers[0]


def test_calls_in_flight_are_bounded_and_used() -> None:
    _, server = ask(lambda n, body: Response(body=echo(n, body).body, delay_s=0.05), requests(12), concurrency=3)
    assert server.most_at_once == 3


def test_n_is_used_where_it_is_offered() -> None:
    found, server = ask(echo, requests(2, temperature=1.0, seeds=(5, 6, 7)))
    assert len(found) == 6
    assert [body["n"] for body in server.calls] == [3, 3]


def test_a_server_that_ignores_n_is_asked_one_by_one_with_each_seed() -> None:
    found, server = ask(lambda *_: says("one"), requests(2, temperature=1.0, seeds=(5, 6, 7)), concurrency=1)
    assert len(found) == 6
    assert len(server.calls) == 6
    assert sorted(body["seed"] for body in server.calls) == [5, 5, 6, 6, 7, 7]


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [("n", 2, "'n' is not supported"), ("seed", 5, "extra fields not permitted: seed"),
     ("max_tokens", 16, "use 'max_completion_tokens' instead of 'max_tokens'")],
)  # fmt: skip
def test_an_optional_field_the_server_names_is_left_out(field: str, value: int, complaint: str) -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        return Response(422, {"detail": complaint}) if field in body else says("fine")

    found, server = ask(script, requests(6, temperature=1.0, seeds=(5, 6)), concurrency=2)
    assert len(found) == 12
    assert server.calls[0][field] == value
    assert 1 <= sum(field in body for body in server.calls) <= 2


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_a_passing_fault_is_retried(status: int) -> None:
    found, server = ask(lambda n, body: Response(status, b"busy") if n < 3 else echo(n, body), requests(1))
    assert found[0, 0].text == "re: m0"
    assert len(server.calls) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301, 402, 413])
def test_a_lasting_fault_is_not_retried(status: int) -> None:
    with ScriptedServer(lambda *_: Response(status, {"error": "no such thing"})) as server:
        with Endpoint(server.url, "m") as endpoint, pytest.raises(PrerequisiteError, match=f"{status}.*no such thing"):
            gathered(endpoint.complete(requests(1)))
        assert len(server.calls) == 1


def test_a_storm_of_429_passes_with_every_reply_once() -> None:
    start = time.monotonic()

    def script(number: int, body: dict[str, Any]) -> Response:
        return (
            Response(429, b"slow down", {"Retry-After": "0.1"})
            if time.monotonic() < start + 0.5
            else echo(number, body)
        )

    found, server = ask(script, requests(10), concurrency=8)
    assert len(found) == 10
    # All wait for the moment the server names: 8 at once, a few rounds, not a flood.
    assert 10 < len(server.calls) < 70


def test_retry_after_is_kept_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[float] = []

    def script(number: int, body: dict[str, Any]) -> Response:
        moments.append(time.monotonic())
        return Response(429, b"", {"Retry-After": "0.5"}) if number == 0 else echo(number, body)

    found, _ = ask(script, requests(3), concurrency=1)
    assert len(found) == 3
    assert moments[1] - moments[0] >= 0.5


def test_retry_after_may_be_a_date() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        later = email.utils.formatdate(time.time() + 2, usegmt=True)
        return Response(503, b"", {"Retry-After": later}) if number == 0 else echo(number, body)

    start = time.monotonic()
    ask(script, requests(1))
    assert time.monotonic() - start >= 0.9


def test_a_pause_longer_than_the_deadline_is_not_waited_for() -> None:
    start = time.monotonic()
    with pytest.raises(PrerequisiteError, match="status 429: quota"):
        ask(lambda *_: Response(429, b"quota", {"Retry-After": "3600"}), requests(5), deadline_s=0.6)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    "broken",
    [
        Response(drop=True),
        Response(body=b"<html>gateway</html>"),
        Response(body=b'{"choices": []}'),
        Response(body={"choices": [{"message": {"content": 5}}]}),
        Response(body={"choices": [None]}),
        Response(body=[1]),
        Response(body=b"[" * 100_000),
        Response(body=b"\xff\xfe"),
    ],
)
def test_a_broken_answer_is_asked_again(broken: Response) -> None:
    found, server = ask(lambda n, body: broken if n < 2 else echo(n, body), requests(1))
    assert found[0, 0].text == "re: m0"
    assert len(server.calls) == 3


def test_a_message_the_server_hangs_on_times_out_and_the_others_go_on() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        return Response(delay_s=60) if message_of(body) == "m1" else echo(number, body)

    found, _ = ask(script, requests(6), timeout_s=0.3, deadline_s=0.8)
    assert [index for (index, _), reply in found.items() if reply.timed_out] == [1]
    assert len(found) == 6


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_server_that_hangs_on_everything_ends_the_run_within_the_deadline(concurrency: int) -> None:
    start = time.monotonic()
    with pytest.raises(PrerequisiteError, match=r"no answer within 0\.8 s"):
        ask(lambda *_: Response(delay_s=60), requests(50), timeout_s=0.5, deadline_s=0.8, concurrency=concurrency)
    assert time.monotonic() - start < 4


def test_a_server_that_drips_is_a_server_that_hangs() -> None:
    start = time.monotonic()
    with pytest.raises(PrerequisiteError, match="no answer within"):
        ask(
            lambda n, body: Response(body=echo(n, body).body, drip_s=0.05),
            requests(1), timeout_s=0.5, deadline_s=0.8, concurrency=1,
        )  # fmt: skip
    assert time.monotonic() - start < 4


def test_a_death_halfway_loses_nothing_that_came_back() -> None:
    answered = threading.Event()

    def script(number: int, body: dict[str, Any]) -> Response:
        if number >= 10:
            answered.set()
            return Response(drop=True)
        return echo(number, body)

    kept: dict[tuple[int, int], Completion] = {}
    with ScriptedServer(script) as server, Endpoint(server.url, "m", concurrency=4, deadline_s=2.0) as endpoint:
        with pytest.raises(PrerequisiteError, match="gave no answer"):
            for piece in endpoint.complete(requests(40)):
                kept.update({(request, reply): text for request, reply, text in piece})
        assert len(kept) == 10
        rest = [request for index, request in enumerate(requests(40)) if (index, 0) not in kept]
        asked_before = {message_of(body) for body in server.calls}
        repeated = asked_before & {request.message for request in rest}
        assert len(repeated) <= 4


def test_one_that_is_refused_ends_the_run_but_keeps_those_in_flight() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        if message_of(body) == "m3":
            return Response(401, {"error": "key expired"})
        return Response(body=echo(number, body).body, delay_s=0.2)

    kept = []
    with ScriptedServer(script) as server, Endpoint(server.url, "m", concurrency=4) as endpoint:
        with pytest.raises(PrerequisiteError, match="key expired"):
            for piece in endpoint.complete(requests(30)):
                kept += piece
        assert sorted(request for request, _, _ in kept) == [0, 1, 2]
        assert len(server.calls) == 4


def test_an_unreachable_server_is_named() -> None:
    with ScriptedServer(echo) as server:
        url = server.url
    told: list[str] = []
    with (
        Endpoint(url, "m", deadline_s=0.3, tell=told.append) as endpoint,
        pytest.raises(PrerequisiteError, match=r"127\.0\.0\.1.*Connect"),
    ):
        gathered(endpoint.complete(requests(3)))
    # Not at the deadline: a person waits ten minutes for that.
    (line,) = told
    assert re.fullmatch(rf"{url}/chat/completions gives no answer \(ConnectError: .*\); trying for 0 s more", line)


def test_the_key_is_sent_and_never_shown() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        return Response(401, {"error": "Incorrect API key provided: sk-secret-123"})

    with ScriptedServer(script) as server, Endpoint(server.url, "m", api_key="sk-secret-123") as endpoint:
        with pytest.raises(PrerequisiteError) as caught:
            gathered(endpoint.complete(requests(1)))
        assert server.headers[0]["authorization"] == "Bearer sk-secret-123"
        assert "sk-secret-123" not in str(caught.value)
        assert "***" in str(caught.value)
        assert "sk-secret-123" not in repr(endpoint) + endpoint.identity


@pytest.mark.parametrize(
    "key", ["sk-secret-123\nX: y", "sk-secret-123\r\n", "sk secret-123", "sk-secret-123\u00e9", "\x00s3cret"]
)
def test_a_key_that_cannot_be_sent_is_refused_without_being_repeated(key: str) -> None:
    """The client's own error holds the whole header."""
    with pytest.raises(ConfigError, match="the API key holds a blank") as caught:
        Endpoint("http://localhost/v1", "m", api_key=key)
    assert "secret" not in str(caught.value) and "s3cret" not in str(caught.value)


@pytest.mark.parametrize("padding", [0, 250, 290, 1990, 4000])
@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_server_that_sends_the_key_back_does_not_get_it_shown_or_kept(status: int, padding: int) -> None:
    key = "sk-secret-1234567890"
    echo = f"{'x' * (padding % 300)}{' ' * padding} you sent {key} to us {key[:4]}"

    def script(number: int, body: dict[str, Any]) -> Response:
        return Response(status, says(echo).body if status == 200 else {"error": echo})

    with ScriptedServer(script) as server, Endpoint(server.url, "m", api_key=key, deadline_s=0.3) as endpoint:
        try:
            shown = repr(gathered(endpoint.complete(requests(1))))
        except PrerequisiteError as error:
            shown = f"{error!s} {error.__dict__}"
    assert server.headers[0]["authorization"] == f"Bearer {key}"
    assert "sk-secret" not in shown


def test_cut_refusal_and_log_probabilities_are_read() -> None:
    logprobs = {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}]}
    found, server = ask(lambda *_: says("Hi", finish="length", logprobs=logprobs), requests(1, top_logprobs=5))
    assert found[0, 0] == Completion("Hi", 7, 3, True, False, (("Hi", {"Hi": -0.5, "Ho": -1.5}),))
    assert (server.calls[0]["logprobs"], server.calls[0]["top_logprobs"]) == (True, 5)
    refusal = {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}
    found, _ = ask(lambda *_: Response(body=refusal), requests(1))
    assert found[0, 0].text == "I cannot."


def test_awkward_text_arrives() -> None:
    found, server = ask(echo, [ChatRequest("a\x00b \ud800 مرحبا 😀", 4)])
    assert message_of(server.calls[0]) == "a\x00b \ufffd مرحبا 😀"
    assert found[0, 0].text == "re: a\x00b \ufffd مرحبا 😀"
    assert json.dumps(server.calls[0])


def test_it_writes_answers_like_a_model_in_process() -> None:
    batches: list[int] = []
    with ScriptedServer(echo) as server, Endpoint(server.url, "m") as endpoint:
        made = endpoint.generate(["m0", "m1", "m2"], 16, on_batch=lambda batch: batches.append(len(batch)))
        assert [reply.text for reply in made] == ["re: m0", "re: m1", "re: m2"]
        assert (made[0].prompt_tokens, made[0].tokens, made[0].cut) == (7, 3, False)
        assert sum(batches) == 3
        assert all(body["temperature"] == 0 for body in server.calls)
        assert endpoint.fit_passages("q", ["a", "b"], lambda question, _: question, 16) == (0, 1)


def test_an_unanswered_message_is_an_error_that_keeps_the_others() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        return Response(delay_s=60) if message_of(body) == "m1" else echo(number, body)

    kept: list[int] = []
    with (
        ScriptedServer(script) as server,
        Endpoint(server.url, "m", timeout_s=0.2, deadline_s=0.4) as endpoint,
        pytest.raises(PrerequisiteError, match="1 of 4 messages unanswered"),
    ):
        endpoint.generate([f"m{i}" for i in range(4)], 16, on_batch=lambda batch: kept.extend(i for i, _ in batch))
    assert sorted(kept) == [0, 2, 3]


def test_the_identity_is_address_and_model() -> None:
    one = Endpoint("http://localhost:8000/v1", "m")
    assert one.identity == Endpoint("http://localhost:8000/v1/", "m", api_key="k", concurrency=1).identity
    assert one.identity != Endpoint("http://localhost:8000/v1", "other").identity
    assert one.identity != Endpoint("http://localhost:8001/v1", "m").identity


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("localhost:8000/v1", {}, "expected http"),
        ("", {}, "expected http"),
        ("ftp://host/v1", {}, "expected http"),
        ("http://host:port/v1", {}, "cannot be read"),
        ("http://user:secret@host/v1", {}, "password"),
        ("http://host/v1?key=secret", {}, "query"),
        ("http://host/v1", {"concurrency": 0}, "concurrency 0"),
        ("http://host/v1", {"deadline_s": 0.0}, "above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(url: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Endpoint(url, "m", **options)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This model's maximum context length is 4096 tokens. However, you requested 9196 tokens"),
        (400, "'max_tokens' or 'max_completion_tokens' is too large: 200. This model's maximum context length is 4096"),
        (400, "the request exceeds the available context size, try increasing it"),
        (422, "Input validation error: `inputs` must have less than 4096 tokens. Given: 9000"),
        (413, "Prompt is too long"),
    ],
)
def test_a_message_that_is_too_long_holds_no_other_back(status: int, said: str) -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        refusal = Response(status, {"error": {"message": said}})
        return refusal if message_of(body) == "m1" else echo(number, body)

    found, server = ask(script, requests(4))
    assert found.pop((1, 0)) == Completion("", too_long=True)
    assert [reply.text for reply in found.values()] == [f"re: m{i}" for i, _ in found]
    assert len(server.calls) == 4
    assert all("max_tokens" in body for body in server.calls)


def test_an_answer_to_a_message_that_is_too_long_is_asked_of_the_user() -> None:
    refusal = Response(400, {"error": {"code": "context_length_exceeded"}})
    with (
        ScriptedServer(lambda *_: refusal) as server,
        Endpoint(server.url, "m", timeout_s=5, deadline_s=10) as endpoint,
        pytest.raises(
            PrerequisiteError, match=r"2 of 2 messages do not fit the context window of m .*fewer or shorter"
        ),
    ):
        endpoint.generate(["a", "b"], 16)
