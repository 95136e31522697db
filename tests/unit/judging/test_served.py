# ruff: noqa: ANN401 - JSON is anything
"""A served model as a judge: samples, expectations from log probabilities, and what it does when the server fails."""

import math
from typing import Any

import pytest

from ragft.errors import JudgeError
from ragft.judging.backend import TOO_LONG, Ask, Estimator, Reply
from ragft.judging.scoring import judgement_of
from ragft.judging.served import ServedJudge
from ragft.models.endpoint import Endpoint
from ragft.prompts.criterion import load_criterion
from tests.scripted_server import Response, Script, ScriptedServer, message_of, says

LABELS = ("1", "2", "3", "4", "5")


def judged(script: Script, asks: list[Ask], estimator: Estimator = "sampled") -> dict[tuple[int, int], Reply]:
    with ScriptedServer(script) as server, Endpoint(server.url, "m", timeout_s=1, deadline_s=2) as endpoint:
        pieces = list(ServedJudge(endpoint, max_new_tokens=50).replies(asks, estimator))
    made = {(ask, seed): reply for piece in pieces for ask, seed, reply in piece}
    assert len(made) == sum(map(len, pieces))
    return made


def ask(message: str = "m", *seeds: int) -> Ask:
    return Ask(message, LABELS, seeds or (1,))


def tokens(*entries: str | tuple[str, dict[str, float]]) -> Any:
    """Return log probabilities as a server lists them; a bare token had no rival."""
    listed = []
    for entry in entries:
        token, rivals = entry if isinstance(entry, tuple) else (entry, {entry: 1.0})
        tops = [{"token": rival, "logprob": math.log(p)} for rival, p in rivals.items()]
        listed.append({"token": token, "logprob": math.log(rivals.get(token, 0.01)), "top_logprobs": tops})
    return {"content": listed}


def test_samples_come_at_temperature_1_with_their_cut() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        assert (body["temperature"], body["max_tokens"]) == (1.0, 50)
        return says(*["Score: 4"] * body.get("n", 1), finish="length" if message_of(body) == "long" else "stop")

    made = judged(script, [ask("m", 1, 2, 3), ask("long", 4)])
    assert [made[0, seed] for seed in range(3)] == [Reply("Score: 4")] * 3
    assert made[1, 0] == Reply("Score: 4", cut=True)


def test_an_expectation_is_read_at_the_token_after_the_last_marker() -> None:
    spelled = tokens(
        "Reason", ":", " it", " says", "\n", "Score", ":", (" 5", {" 5": 1.0}), "\n", "but", " no", ".", "\n",
        "**", "Score", ":**", (" 2", {" 2": 0.5, " 1": 0.25, "2": 0.05, " two": 0.1}),
    )  # fmt: skip
    text = "Reason: it says\nScore: 5\nbut no.\n**Score:** 2"
    made = judged(lambda *_: says(text, logprobs=spelled), [ask()], "expected")
    reply = made[0, 0]
    assert reply.mass == pytest.approx(0.8)
    assert reply.probabilities == pytest.approx((0.25 / 0.8, 0.55 / 0.8, 0, 0, 0))
    assert reply.text.startswith("Reason: it says\nScore: 5\nbut no.")


@pytest.mark.parametrize("blank", [[" 4"], [" ", "4"], ["\n", "4"]])
def test_the_blank_may_be_a_token_of_its_own(blank: list[str]) -> None:
    spelled = tokens("Score", ":", *blank[:-1], (blank[-1], {blank[-1]: 0.9, "5": 0.1}))
    reply = judged(lambda *_: says("Score: 4", logprobs=spelled), [ask()], "expected_no_rationale")[0, 0]
    assert reply.mass == pytest.approx(1.0)
    assert reply.probabilities == pytest.approx((0, 0, 0, 0.9, 0.1))


@pytest.mark.parametrize("text", ["4", " 4", "4\n"])
def test_a_reply_that_is_nothing_but_a_label_is_the_score(text: str) -> None:
    spelled = tokens((text, {text: 0.75, "5": 0.25}))
    reply = judged(lambda *_: says(text, logprobs=spelled), [ask()], "expected_no_rationale")[0, 0]
    assert reply.probabilities == pytest.approx((0, 0, 0, 0.75, 0.25))


@pytest.mark.parametrize("text", ["I would say 4.", "Reason: it never ends"])
def test_without_a_score_line_there_is_no_mass(text: str) -> None:
    spelled = tokens(*text.split(" "))
    assert judged(lambda *_: says(text, logprobs=spelled), [ask()], "expected")[0, 0].mass == 0.0


def test_the_score_line_of_a_cut_reason_may_be_a_quotation() -> None:
    spelled = tokens("It", " says", "\n", "Score", ":", " 5")
    cut = judged(lambda *_: says("It says\nScore: 5", finish="length", logprobs=spelled), [ask()], "expected")
    assert cut[0, 0].mass == 0.0


@pytest.mark.parametrize(
    "logprob", [800.0, 3.0, 0.5, math.nan, math.inf, 10**400, "-0.1", None, True, [0.1], {"a": 1}], ids=repr
)
def test_what_is_no_log_probability_is_no_score(logprob: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A server's 3.0 was taken for a probability of 20: a score of 100 on a scale to 5."""
    spelled = tokens("Score", ":", " 5")
    spelled["content"][-1] |= {"logprob": logprob, "top_logprobs": [{"token": " 5", "logprob": logprob}]}
    for estimator in ("expected", "expected_no_rationale"):
        reply = judged(lambda *_: says("Score: 5", logprobs=spelled), [ask()], estimator)[0, 0]
        assert reply.mass == 0.0
        assert judgement_of("k", 0, reply, load_criterion("accuracy")).value is None
    assert "log probabilities that are none" in caplog.text


def test_candidates_that_add_up_to_more_than_everything_are_no_distribution(caplog: pytest.LogCaptureFixture) -> None:
    spelled = tokens("Score", ":", (" 5", {" 5": 0.9, " 4": 0.9, " 3": 0.9}))
    reply = judged(lambda *_: says("Score: 5", logprobs=spelled), [ask()], "expected_no_rationale")[0, 0]
    assert reply.mass == 0.0
    assert "add up to 2.7" in caplog.text


def test_rounded_log_probabilities_leave_the_expectation_on_the_scale() -> None:
    """It was 5.004 on a scale to 5, which no store of judgements takes."""
    spelled = tokens("Score", ":", (" 5", {" 5": 1.0, " 4": math.exp(-6.9)}))
    reply = judged(lambda *_: says("Score: 5", logprobs=spelled), [ask()], "expected_no_rationale")[0, 0]
    assert reply.mass == 1.0
    assert sum(reply.probabilities or ()) == pytest.approx(1.0, abs=1e-12)
    value = judgement_of("k", 0, reply, load_criterion("accuracy")).value
    assert value == pytest.approx(5 - 0.001 / 1.001, abs=1e-4)


def test_a_candidate_that_cannot_be_has_no_probability() -> None:
    spelled = tokens("Score", ":", (" 5", {" 5": 1.0}))
    spelled["content"][-1]["top_logprobs"].append({"token": " 4", "logprob": -math.inf})
    reply = judged(lambda *_: says("Score: 5", logprobs=spelled), [ask()], "expected_no_rationale")[0, 0]
    assert (reply.mass, reply.probabilities) == (1.0, (0, 0, 0, 0, 1))


def test_without_log_probabilities_an_expectation_is_refused_not_swapped() -> None:
    with pytest.raises(JudgeError, match=r"no log probabilities.*use sampled"):
        judged(lambda *_: says("Score: 4"), [ask()], "expected_no_rationale")


def test_a_silent_server_is_a_time_out_and_a_broken_one_a_judge_error() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        return Response(delay_s=30) if message_of(body) == "silent" else says("Score: 4")

    made = judged(script, [ask("a"), ask("silent"), ask("b")])
    assert made[1, 0] == Reply("", timed_out=True)
    assert made[2, 0] == Reply("Score: 4")
    with pytest.raises(JudgeError, match="run the same command again"):
        judged(lambda *_: Response(401, b"no"), [ask()])


def test_what_the_server_cannot_read_is_too_long() -> None:
    def script(number: int, body: dict[str, Any]) -> Response:
        refusal = Response(400, {"error": {"message": "maximum context length is 4096 tokens"}})
        return refusal if message_of(body) == "long" else says("Score: 4")

    assert judged(script, [ask("long")], "sampled")[0, 0] == TOO_LONG
    assert judged(script, [ask("long")], "expected_no_rationale")[0, 0] == TOO_LONG
    assert judged(script, [ask("a"), ask("long"), ask("b")])[2, 0] == Reply("Score: 4")


def test_what_changes_replies_changes_the_identity() -> None:
    endpoint = Endpoint("http://localhost/v1", "m")
    judges = [ServedJudge(endpoint), ServedJudge(endpoint, temperature=0.5), ServedJudge(endpoint, max_new_tokens=9)]
    judges.append(ServedJudge(Endpoint("http://localhost/v1", "other")))
    assert len({judge.identity for judge in judges}) == 4
