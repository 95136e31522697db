"""Whatever a judge's server sends ends in a score of the criterion, or in none: nothing raises, nothing grows."""

from collections.abc import Sequence

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragft.errors import JudgeError
from ragft.judging.backend import ESTIMATORS, Ask
from ragft.judging.scoring import judgement_of, row_of
from ragft.judging.served import reply_of
from ragft.models.endpoint_call import Completion, UnreadableError, read_completions, retry_after
from ragft.prompts.criterion import load_criterion
from ragft.prompts.reply import MOST_CHARACTERS, read_verdict
from ragft.types import Judgement
from tests.hostile_replies import LONGEST, bodies, texts, waits

ACCURACY = load_criterion("accuracy")
ASK = Ask("m", tuple(ACCURACY.scores), (1,))
BATCH, BATCHES = 20, 500


def judged(completion: Completion) -> list[Judgement]:
    """Take a reply the whole way that it goes under each estimator."""
    made = []
    for estimator in ESTIMATORS:
        try:
            reply = reply_of(ASK, completion, estimator)
        except JudgeError:
            assert estimator != "sampled" and completion.top_logprobs is None
            continue
        judgement = judgement_of("k", 0, reply, ACCURACY)
        assert row_of(ACCURACY, [judgement], 1, estimator).score.value == judgement.value
        made.append(judgement)
    return made


@settings(max_examples=BATCHES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(bodies, min_size=BATCH, max_size=BATCH))
def test_ten_thousand_answers_of_a_hostile_server(sent: Sequence[bytes]) -> None:
    for body in sent:
        try:
            completions = read_completions(body)
        except UnreadableError:
            continue
        for completion in completions:
            for judgement in judged(completion):
                assert judgement.value is None or 1 <= judgement.value <= 5
                assert judgement.mass is None or 0 <= judgement.mass <= 1


@settings(max_examples=BATCHES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(texts, min_size=BATCH, max_size=BATCH))
def test_ten_thousand_replies_of_a_hostile_judge(replies: Sequence[str]) -> None:
    for reply in replies:
        verdict = read_verdict(reply, ACCURACY)
        assert (verdict.value is not None) == (verdict.outcome == "scored")
        assert verdict.value in (None, *ACCURACY.scores.values())


def test_the_batches_are_as_many_as_they_claim() -> None:
    assert BATCH * BATCHES == 10_000


@settings(max_examples=1000, deadline=None)
@given(waits)
def test_a_wait_that_is_none_is_no_wait(value: str) -> None:
    # Servers send bytes; a client reads them as Latin-1.
    wait = retry_after(httpx2.Headers([(b"Retry-After", value.encode("latin-1", "replace"))]))
    assert wait >= 0.0


@pytest.mark.parametrize(("value", "wait"), [("3", 3.0), ("0.5", 0.5), ("²", 0.0), ("", 0.0), ("soon", 0.0)])
def test_a_wait_is_seconds(value: str, wait: float) -> None:
    assert retry_after(httpx2.Headers([(b"Retry-After", value.encode("latin-1"))])) == wait


@pytest.mark.parametrize("name", LONGEST)
def test_a_reply_without_end_is_not_read(name: str) -> None:
    reply = LONGEST[name]
    assert len(reply) > MOST_CHARACTERS
    assert read_verdict(reply, ACCURACY).outcome in ("unreadable", "cut")
    assert judged(Completion(reply, top_logprobs=((reply, {" 5": 0.0}),)))[0].value is None


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_reply_that_is_read_has_at_most_one_verdict(name: str) -> None:
    assert read_verdict(LONGEST[name][:MOST_CHARACTERS], ACCURACY).value in (None, 4.0, 5.0)


def test_thinking_does_not_count() -> None:
    assert read_verdict(f"<think>{'hm ' * MOST_CHARACTERS}</think>Score: 4", ACCURACY).value == 4.0


def test_a_scale_is_named_once() -> None:
    assert read_verdict("Score: 5/5", ACCURACY).value == 5.0
    for tail in ("/5/5", "/5 of 5", "/5" * 3000):
        assert read_verdict(f"Score: 5{tail}", ACCURACY).outcome == "not_offered"
