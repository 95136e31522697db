"""A served judge that fails, over a real store: what it said is kept, and little is asked twice."""

import threading
import time
from typing import Any

import pytest

from ragft.errors import JudgeError
from ragft.judging.g_eval import Item, Judged, judge
from ragft.judging.served import ServedJudge
from ragft.models import endpoint_call
from ragft.models.endpoint import Endpoint
from ragft.prompts.criterion import load_criterion
from ragft.store.connection import Store
from tests.scripted_server import Response, Script, ScriptedServer, message_of, says

CRITERIA = [load_criterion("accuracy"), load_criterion("completeness")]
ITEMS = [Item("What is the fee?", f"It is ${number}.", (f"${number}",)) for number in range(15)]
REPEATS = 4
WANTED = len(ITEMS) * len(CRITERIA) * REPEATS
IN_FLIGHT = 6


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_call, "FIRST_WAIT_S", 0.02)


def verdict(number: int, body: dict[str, Any]) -> Response:
    """Answer without ``n``: every judgement is a call."""
    return says(f"Reason: fine.\nScore: {1 + body['seed'] % 5}")


def judged(
    store: Store, script: Script, *, url: list[str], deadline_s: float = 1.0, timeout_s: float = 0.5
) -> tuple[Judged, ScriptedServer]:
    with ScriptedServer(script) as server:
        # The judge's identity holds its address: the server that comes back has the old one.
        url.append(server.url)
        with Endpoint(server.url, "m", concurrency=IN_FLIGHT, timeout_s=timeout_s, deadline_s=deadline_s) as endpoint:
            endpoint.base_url = url[0]
            try:
                return judge(store, ServedJudge(endpoint), CRITERIA, ITEMS, repeats=REPEATS), server
            except JudgeError as error:
                raise _WithServer(server) from error


class _WithServer(Exception):  # noqa: N818 - carries the server's record out of a failed run
    def __init__(self, server: ScriptedServer) -> None:
        super().__init__()
        self.server = server


def seeds(server: ScriptedServer) -> list[tuple[str, int]]:
    return [(message_of(body), body["seed"]) for body in server.calls]


def kept(store: Store) -> int:
    with store.transaction() as cursor:
        row = cursor.execute("SELECT count(*) FROM judgements").fetchone()
    return int(row[0]) if row else 0


def test_a_death_halfway_loses_no_row_and_repeats_at_most_what_was_in_flight(store: Store) -> None:
    url: list[str] = []
    undisturbed = {(i, name) for i in range(len(ITEMS)) for name in ("accuracy", "completeness")}

    def dies(number: int, body: dict[str, Any]) -> Response:
        return verdict(number, body) if number < WANTED // 2 else Response(drop=True)

    with pytest.raises(_WithServer) as caught:
        judged(store, dies, url=url, deadline_s=5, timeout_s=5)  # a busy machine is not a dead server
    answered = WANTED // 2
    assert kept(store) == answered
    finished, second = judged(store, verdict, url=url, deadline_s=30, timeout_s=30)
    assert kept(store) == WANTED
    assert finished.calls == WANTED - answered
    first_asked, second_asked = set(seeds(caught.value.server)), seeds(second)
    assert len(first_asked & set(second_asked)) <= IN_FLIGHT
    scored = {(i, name) for name, rows in finished.scores.items() for i, s in enumerate(rows) if s.value is not None}
    assert scored == undisturbed


def test_the_result_is_that_of_an_undisturbed_run(store: Store) -> None:
    url: list[str] = []
    start = time.monotonic()

    def storm(number: int, body: dict[str, Any]) -> Response:
        if time.monotonic() < start + 0.6:
            return Response(429, b"slow down", {"Retry-After": "0.2"})
        return verdict(number, body)

    calm, _ = judged(store, storm, url=url, deadline_s=20)
    assert calm.calls == WANTED
    assert kept(store) == WANTED
    again, server = judged(store, verdict, url=url)
    assert server.calls == []
    assert again.scores == calm.scores


def test_a_server_that_refuses_the_key_costs_a_handful_of_calls(store: Store) -> None:
    with pytest.raises(_WithServer) as caught:
        judged(store, lambda *_: Response(401, b"no such key"), url=[])
    assert "no such key" in str(caught.value.__cause__)
    assert 1 <= len(caught.value.server.calls) <= IN_FLIGHT
    assert kept(store) == 0


def test_a_server_that_hangs_ends_within_the_deadline(store: Store) -> None:
    start = time.monotonic()
    with pytest.raises(_WithServer):
        judged(store, lambda *_: Response(delay_s=60), url=[])
    assert time.monotonic() - start < 5


def test_messages_it_hangs_on_are_left_to_the_next_run(store: Store) -> None:
    url: list[str] = []
    hung = threading.Event()

    def script(number: int, body: dict[str, Any]) -> Response:
        if "$7." in message_of(body):
            hung.set()
            return Response(delay_s=60)
        return verdict(number, body)

    first, _ = judged(store, script, url=url)
    assert hung.is_set()
    assert first.scores["accuracy"][7].value is None
    assert first.summary("accuracy").outcomes["timed_out"] == REPEATS
    second, server = judged(store, verdict, url=url)
    assert len(server.calls) == 2 * REPEATS
    assert second.scores["accuracy"][7].value is not None
    assert second.summary("accuracy").n_unscored == 0
