"""A judge's server that serves another model halfway is noticed, and the comparison is not decided on."""

from typing import Any

import pytest

from entrypoints.steps.shared.evaluation import Evaluation, JudgedBy
from entrypoints.steps.shared.integrity import JUDGE_CHECK, _one_judge
from ragft.judging.backend import Estimator
from ragft.judging.g_eval import Item, Judged, judge
from ragft.judging.served import ServedJudge
from ragft.models.endpoint import Endpoint
from ragft.prompts.criterion import load_criterion
from ragft.store.connection import Store
from tests.scripted_server import Response, ScriptedServer, says

ACCURACY = load_criterion("accuracy")
BASE = [Item("What is the fee?", f"It is ${number}.", ("$3",)) for number in range(4)]
TUNED = [Item("What is the fee?", f"It is {number} dollars.", ("$3",)) for number in range(4)]


class Judges:
    """A server whose model can be swapped."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {"model": "judge-2026-01", "system_fingerprint": "fp_a"}

    def __call__(self, number: int, body: dict[str, Any]) -> Response:  # noqa: ARG002 - a script
        spelled: dict[str, Any] = {
            "content": [{"token": token, "logprob": -0.01, "top_logprobs": []} for token in ("Score:", " 4")]
        }
        answer = says("Score: 4", logprobs=spelled)
        return Response(body={**answer.body, **self.said})


def side(judged: Judged) -> Evaluation:
    return Evaluation("", {}, judged_by=JudgedBy("m", "id", (ACCURACY,), judged.served_by))


@pytest.mark.parametrize("estimator", ["sampled", "expected", "expected_no_rationale"])
@pytest.mark.parametrize(
    "later",
    [
        {"model": "judge-2026-02", "system_fingerprint": "fp_a"},
        {"model": "judge-2026-01", "system_fingerprint": "fp_b"},
    ],
)
def test_a_judge_that_changes_between_the_sides_fails_the_check(
    store: Store, estimator: Estimator, later: dict[str, str]
) -> None:
    judges = Judges()
    with ScriptedServer(judges) as server, Endpoint(server.url, "m") as endpoint:
        first = judge(store, ServedJudge(endpoint), [ACCURACY], BASE, estimator=estimator, repeats=2)
        same = judge(store, ServedJudge(endpoint), [ACCURACY], TUNED[:2], estimator=estimator, repeats=2)
        judges.said = later
        second = judge(store, ServedJudge(endpoint), [ACCURACY], TUNED, estimator=estimator, repeats=2)
        again = judge(store, ServedJudge(endpoint), [ACCURACY], BASE, estimator=estimator, repeats=2)
    assert again.calls == 0
    assert first.served_by == again.served_by == {"judge-2026-01 fp_a": 8 if estimator == "sampled" else 4}
    [passed] = _one_judge({"base": side(first), "version": side(same)})
    assert (passed.name, passed.passed) == (JUDGE_CHECK, True)
    [failed] = _one_judge({"base": side(first), "version": side(second)})
    assert not failed.passed
    assert all(name in failed.detail for name in ("judge-2026-01 fp_a", " ".join(later.values()), "-P judge="))
    [within] = _one_judge({"base": side(second), "version": side(second)})
    assert not within.passed


def test_a_server_that_does_not_say_what_it_is_is_not_checked(store: Store) -> None:
    judges = Judges()
    judges.said = {"model": None, "system_fingerprint": 7}
    with ScriptedServer(judges) as server, Endpoint(server.url, "m") as endpoint:
        found = judge(store, ServedJudge(endpoint), [ACCURACY], BASE, repeats=2)
    assert found.served_by == {}
    assert _one_judge({"base": side(found), "version": side(found)}) == []
