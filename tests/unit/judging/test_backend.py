# ruff: noqa: ARG002 - a fake takes what the protocol passes
"""A model in this process as a judge: what it is asked, in which pieces, and what becomes of its words."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ragft.judging.backend import TOO_LONG, Ask, Estimator, LocalJudge, Reply, ScoringModel

LABELS = ("1", "2", "3")


@dataclass(frozen=True)
class Written:
    text: str
    cut: bool = False


class FakeModel:
    """Replies with what it was asked, so that a test sees which reply belongs to which ask."""

    identity = "fake"

    def __init__(self, reason: str = "Reason: fine.\nScore: 2", window: int = 10_000) -> None:
        self.reason = reason
        self.window = window
        self.prefixes: list[str] = []
        self.batches: list[list[str]] = []

    def fits(self, message: str, max_new_tokens: int, prefix: str = "") -> bool:
        return len(message) + len(prefix) + max_new_tokens <= self.window

    def generate(self, messages: Sequence[str], max_new_tokens: int) -> list[Written]:
        return [Written(self.reason) for _ in messages]

    def sample(
        self,
        prompts: Sequence[str],
        prefix: str,
        n: int,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[Sequence[int]],
    ) -> list[list[Written]]:
        self.batches.append(list(prompts))
        assert all(len(row) == n for row in seeds)
        # An odd seed runs into the limit.
        return [
            [Written(f"{prompt}/{seed}", cut=seed % 2 == 1) for seed in row]
            for prompt, row in zip(prompts, seeds, strict=True)
        ]

    def score_distribution(
        self, prompts: Sequence[str], prefix: str | Sequence[str], labels: Sequence[str]
    ) -> tuple[list[list[float]], list[float]]:
        self.batches.append(list(prompts))
        self.prefixes += prefix
        return [[1.0, *[0.0] * (len(labels) - 1)] for _ in prompts], [len(prompt) / 100 for prompt in prompts]


def collected(judge: LocalJudge, asks: Sequence[Ask], estimator: Estimator) -> dict[int, list[Reply]]:
    pieces = list(judge.replies(asks, estimator))
    made = {(index, number): reply for piece in pieces for index, number, reply in piece}
    assert sum(len(piece) for piece in pieces) == len(made) == sum(len(ask.seeds) for ask in asks)
    return {i: [made[i, number] for number in range(len(ask.seeds))] for i, ask in enumerate(asks)}


def test_every_ask_gets_its_own_replies() -> None:
    asks = [Ask("m" * length, LABELS, (length, length + 1)) for length in (3, 9, 1, 4)]
    found = collected(LocalJudge(FakeModel(), rows=4), asks, "sampled")
    for index, ask in enumerate(asks):
        assert [reply.text for reply in found[index]] == [f"{ask.message}/{seed}" for seed in ask.seeds]


def test_pieces_hold_similar_lengths_and_few_rows() -> None:
    model = FakeModel()
    asks = [Ask("m" * length, LABELS, tuple(range(5))) for length in range(1, 8)]
    collected(LocalJudge(model, rows=15), asks, "sampled")
    assert [[len(prompt) for prompt in batch] for batch in model.batches] == [[7, 6, 5], [4, 3, 2], [1]]


def test_more_repeats_than_rows_still_go_through() -> None:
    found = collected(LocalJudge(FakeModel(), rows=3), [Ask("m", LABELS, tuple(range(10)))] * 2, "sampled")
    assert [len(replies) for replies in found.values()] == [10, 10]


def test_different_labels_or_repeats_never_share_a_piece() -> None:
    model = FakeModel()
    asks = [Ask("a", LABELS, (1,)), Ask("b", ("yes", "no"), (1,)), Ask("c", LABELS, (1, 2)), Ask("d", LABELS, (2,))]
    collected(LocalJudge(model), asks, "sampled")
    assert sorted(map(sorted, model.batches)) == [["a", "d"], ["b"], ["c"]]


@pytest.mark.parametrize(
    ("reason", "prefix", "kept"),
    [
        ("Reason: fine.\nScore: 2", "Reason: fine.\nScore:", "Reason: fine."),
        ("Reason: it says\nScore: 5\nbut no.\n**Score:** 1", "Reason: it says\nScore: 5\nbut no.\nScore:", None),
        ("Reason: it never ends", "Reason: it never ends\nScore:", "Reason: it never ends"),
        ("Score: 3", "Score:", ""),
        ("", "Score:", ""),
    ],
)
def test_the_form_is_filled_in_anew_after_the_greedy_reason(reason: str, prefix: str, kept: str | None) -> None:
    model = FakeModel(reason)
    found = collected(LocalJudge(model), [Ask("message", LABELS, (0,))], "expected")
    assert model.prefixes == [prefix]
    reply = found[0][0]
    assert (reply.probabilities, reply.mass) == ((1.0, 0.0, 0.0), 0.07)
    assert kept is None or reply.text == kept


def test_without_a_rationale_the_model_writes_nothing() -> None:
    model = FakeModel()
    found = collected(LocalJudge(model), [Ask("message", LABELS, (0,))], "expected_no_rationale")
    assert model.prefixes == ["Score:"]
    assert found[0] == [Reply("", probabilities=(1.0, 0.0, 0.0), mass=0.07)]


def test_what_changes_replies_changes_the_identity() -> None:
    model: ScoringModel = FakeModel()
    judges = [LocalJudge(model), LocalJudge(model, temperature=0.5), LocalJudge(model, max_new_tokens=7)]
    assert len({judge.identity for judge in judges}) == 3
    assert LocalJudge(model, rows=5).identity == LocalJudge(model).identity


def test_a_reply_at_the_limit_is_cut() -> None:
    found = collected(LocalJudge(FakeModel()), [Ask("m", LABELS, (1, 2))], "sampled")
    assert [reply.cut for reply in found[0]] == [True, False]


def test_what_several_criteria_say_of_one_answer_stays_in_one_piece() -> None:
    model = FakeModel()
    items = [f"{number} " * (20 + 3 * number) for number in range(6)]
    forms = ["accuracy", "a form that is longer than all the answers are, by far and by much and even more than that"]
    asks = [Ask(f"{item}{form}", LABELS, (0,)) for form in forms for item in items]
    collected(LocalJudge(model, rows=4), asks, "expected_no_rationale")
    begun = [{message[:20] for message in batch} for batch in model.batches]
    assert [len(batch) for batch in model.batches] == [4, 4, 4]
    assert [len(beginnings) for beginnings in begun] == [2, 2, 2]


@pytest.mark.parametrize("estimator", ["sampled", "expected", "expected_no_rationale"])
def test_a_message_that_is_too_long_holds_no_other_back(estimator: Estimator) -> None:
    seeds = (0, 2) if estimator == "sampled" else (0,)
    asks = [Ask("m" * length, LABELS, seeds) for length in (5, 500, 7, 900)]
    found = collected(LocalJudge(FakeModel(window=100), max_new_tokens=10), asks, estimator)
    assert {index for index, replies in found.items() if replies == [TOO_LONG] * len(seeds)} == {1, 3}
    assert not any(reply.too_long for index in (0, 2) for reply in found[index])


def test_a_reason_that_leaves_no_room_for_the_score_is_one_that_is_too_long() -> None:
    model = FakeModel("Reason: " + "long " * 40, window=120)
    found = collected(
        LocalJudge(model, max_new_tokens=10), [Ask("m", LABELS, (0,)), Ask("n", LABELS, (0,))], "expected"
    )
    assert found == {0: [TOO_LONG], 1: [TOO_LONG]}


def test_no_ask_is_no_piece() -> None:
    assert list(LocalJudge(FakeModel()).replies([], "expected")) == []
