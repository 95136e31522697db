"""The judge over a real store: nothing asked twice, nothing lost, nothing invented."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ragft.errors import ConfigError, JudgeError
from ragft.judging.backend import TOO_LONG, Ask, Reply
from ragft.judging.g_eval import Item, Judged, is_empty, judge
from ragft.prompts.criterion import Criterion, load_criterion
from ragft.store.connection import Store
from ragft.store.server import open_store
from tests.integration.judging.scripted import ScriptedJudge, by_word_count

ACCURACY, COMPLETENESS = load_criterion("accuracy"), load_criterion("completeness")
BOTH = [ACCURACY, COMPLETENESS]


def items(*answers: str) -> list[Item]:
    return [Item("What is the fee?", answer, ("$24",)) for answer in answers]


ANSWERS = items("It is $24.", "$24", "It is not in the documents.", "It is $24.", "no idea at all, sorry")


def values(judged: Judged, criterion: str = "accuracy") -> list[float | None]:
    return [score.value for score in judged.scores[criterion]]


def test_scores_are_means_over_the_repeats(store: Store) -> None:
    judged = judge(store, ScriptedJudge(by_word_count), BOTH, ANSWERS, repeats=20)
    assert set(judged.scores) == {"accuracy", "completeness"}
    first = judged.scores["accuracy"][0]
    assert first.value is not None and 2.0 <= first.value <= 3.0
    assert (first.n_scored, first.n_unscored) == (20, 0)
    assert first.spread > 0
    assert first.reason == "it has 3 words."
    assert judged.calls == 2 * 4 * 20


def test_identical_answers_tie_and_are_asked_once(store: Store) -> None:
    backend = ScriptedJudge(by_word_count)
    judged = judge(store, backend, [ACCURACY], ANSWERS, repeats=10)
    scores = judged.scores["accuracy"]
    assert scores[0] == scores[3]
    assert len(backend.asked) == len(set(backend.asked)) == 4 * 10


def test_a_rerun_asks_nothing_and_is_identical(store: Store) -> None:
    first = judge(store, ScriptedJudge(by_word_count), BOTH, ANSWERS)
    again = ScriptedJudge(by_word_count)
    second = judge(store, again, BOTH, ANSWERS)
    assert again.asked == []
    assert second.calls == 0
    assert second.scores == first.scores
    assert second.summary("accuracy") == first.summary("accuracy")


def test_more_repeats_ask_for_the_difference_only(store: Store) -> None:
    judge(store, ScriptedJudge(by_word_count), [ACCURACY], ANSWERS, repeats=4)
    more = ScriptedJudge(by_word_count)
    widened = judge(store, more, [ACCURACY], ANSWERS, repeats=10)
    assert len(more.asked) == 4 * 6
    with_all = ScriptedJudge(by_word_count)
    assert judge(store, with_all, [ACCURACY], ANSWERS, repeats=10).scores == widened.scores
    assert with_all.asked == []


def test_noise_is_seeded_by_what_is_judged(store: Store, new_schema: Callable[[], str], tmp_path: Path) -> None:
    backend = ScriptedJudge(by_word_count)
    one = judge(store, backend, [ACCURACY], ANSWERS)
    seeds = dict.fromkeys(seed for _, seed in backend.asked)
    assert len(seeds) == len(backend.asked)
    with open_store(new_schema(), tmp_path) as other:
        # Another store has another secret, so other fences and other noise.
        assert other.secret != store.secret
        elsewhere = ScriptedJudge(by_word_count)
        judge(other, elsewhere, [ACCURACY], ANSWERS)
        assert set(elsewhere.asked).isdisjoint(backend.asked)
    in_other_order = ScriptedJudge(by_word_count, piece=1)
    assert values(judge(store, in_other_order, [ACCURACY], ANSWERS[::-1])) == values(one)[::-1]


@pytest.mark.parametrize(
    "change",
    [
        {"definition": "Another definition."},
        {"steps": ("Only look.",)},
        {"scores": {"1": 0.0, "2": 0.25, "3": 0.5, "4": 0.75, "5": 1.0}},
        {"meanings": dict.fromkeys("12345", "?")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_criterion_is_never_answered_from_the_cache(store: Store, change: dict[str, object]) -> None:
    before = judge(store, ScriptedJudge(by_word_count), [ACCURACY], ANSWERS)
    other: Criterion = dataclasses.replace(ACCURACY, **change)  # type: ignore[arg-type]
    backend = ScriptedJudge(by_word_count)
    after = judge(store, backend, [other], ANSWERS)
    assert len(backend.asked) == 4 * 10
    assert after.criteria != before.criteria


@pytest.mark.parametrize(("estimator", "name"), [("sampled", "another judge"), ("expected", "scripted")])
def test_another_judge_or_estimator_is_never_answered_from_the_cache(store: Store, estimator: str, name: str) -> None:
    judge(store, ScriptedJudge(by_word_count), [ACCURACY], ANSWERS)
    backend = ScriptedJudge(lambda *_: Reply("", probabilities=(0.2,) * 5, mass=1.0), name=name)
    judge(store, backend, [ACCURACY], ANSWERS, estimator=estimator)  # type: ignore[arg-type]
    assert backend.asked


def test_an_empty_answer_is_the_worst_without_a_call(store: Store) -> None:
    backend = ScriptedJudge(by_word_count)
    hallucination = load_criterion("hallucination")
    judged = judge(store, backend, [ACCURACY, hallucination], items("", " \n\t", "\u200b\ufeff", "\x00\x07", "$24"))
    assert values(judged)[:4] == [1.0] * 4
    assert values(judged, "hallucination")[:4] == [1.0] * 4
    assert len(backend.asked) == 2 * 10
    summary = judged.summary("accuracy")
    assert (summary.n, summary.n_scored, summary.n_empty, summary.n_unscored) == (5, 5, 4, 0)
    assert is_empty("") and not is_empty(".")


def test_faithfulness_does_not_apply_without_passages(store: Store) -> None:
    backend = ScriptedJudge(by_word_count)
    faithfulness = load_criterion("faithfulness")
    with_passages = dataclasses.replace(ANSWERS[0], passages=("The fee is $24.",))
    judged = judge(store, backend, [faithfulness], [*ANSWERS, *items(""), with_passages])
    assert values(judged, "faithfulness")[:-1] == [None] * 6
    assert len(backend.asked) == 10
    summary = judged.summary("faithfulness")
    assert (summary.n, summary.n_scored, summary.n_unscored, summary.n_not_applicable) == (1, 1, 0, 6)


def test_an_unreadable_repeat_is_asked_again_with_other_noise_and_then_left_unscored(store: Store) -> None:
    def stubborn(ask: Ask, seed: int) -> Reply:
        return Reply("I will not say." if "$24\nEnd" in ask.message else "Score: 6")

    backend = ScriptedJudge(stubborn)
    judged = judge(store, backend, [ACCURACY], items("$24", "It is $25."), repeats=3, reasks=2)
    assert len(set(backend.asked)) == len(backend.asked) == 2 * 3 * 3
    assert values(judged) == [None, None]
    assert [(score.n_scored, score.n_unscored) for score in judged.scores["accuracy"]] == [(0, 3), (0, 3)]
    summary = judged.summary("accuracy")
    assert (summary.mean, summary.n, summary.n_unscored) == (None, 2, 2)
    assert summary.outcomes == {"refused": 3, "not_offered": 3}
    again = ScriptedJudge(stubborn)
    judge(store, again, [ACCURACY], items("$24", "It is $25."), repeats=3, reasks=2)
    assert again.asked == []


def test_a_second_ask_counts_when_it_can_be_read(store: Store) -> None:
    asked: list[int] = []

    def at_last(ask: Ask, seed: int) -> Reply:
        asked.append(seed)
        return Reply("hm" if len(asked) <= 2 else "Score: 4")

    judged = judge(store, ScriptedJudge(at_last), [ACCURACY], items("$24"), repeats=1, reasks=2)
    assert values(judged) == [4.0]
    assert len(asked) == 3
    assert judged.summary("accuracy").outcomes == {"scored": 1}


def test_a_cut_reply_is_unscored_and_a_timed_out_one_is_left_to_the_next_run(store: Store) -> None:
    replies = {"cut": Reply("Reason: it says\nScore: 5", cut=True), "late": Reply("", timed_out=True)}

    def script(ask: Ask, seed: int) -> Reply:
        return replies["late" if "late" in ask.message else "cut"]

    both = items("late", "other")
    judged = judge(store, ScriptedJudge(script), [ACCURACY], both, repeats=2, reasks=0)
    assert values(judged) == [None, None]
    assert judged.summary("accuracy").outcomes == {"timed_out": 2, "cut": 2}
    next_run = ScriptedJudge(by_word_count)
    judged = judge(store, next_run, [ACCURACY], both, repeats=2, reasks=0)
    assert all("late" in message for message, _ in next_run.asked)
    assert values(judged)[0] is not None


def test_an_item_that_is_too_long_is_unscored_and_the_others_are_not(store: Store) -> None:
    def script(ask: Ask, seed: int) -> Reply:
        return TOO_LONG if "endless" in ask.message else by_word_count(ask, seed)

    judged = judge(store, ScriptedJudge(script), [ACCURACY], items("endless", "It is $24."), repeats=3)
    long, short = judged.scores["accuracy"]
    assert (long.value, long.n_unscored, long.reason) == (None, 3, "unscored: too long for the judge's context window")
    assert short.value is not None
    assert judged.summary("accuracy").outcomes == {"too_long": 3, "scored": 3}
    assert judged.summary("accuracy").n_unscored == 1
    # A judge that can read it, or this one with a larger window, is asked.
    again = judge(store, ScriptedJudge(by_word_count), [ACCURACY], items("endless"), repeats=3)
    assert again.calls == 3


def test_what_was_done_before_the_judge_died_is_kept(store: Store) -> None:
    many = items(*(f"answer {'word ' * number}" for number in range(9)))
    dying = ScriptedJudge(by_word_count, piece=2, dies_after=4)
    with pytest.raises(JudgeError):
        judge(store, dying, [ACCURACY], many, repeats=5)
    rest = ScriptedJudge(by_word_count)
    judged = judge(store, rest, [ACCURACY], many, repeats=5)
    assert len(dying.asked) == 4 * 5
    assert len(rest.asked) == 5 * 5
    assert set(dying.asked).isdisjoint(rest.asked)
    assert None not in values(judged)


def distribution(*probabilities: float, mass: float) -> ScriptedJudge:
    return ScriptedJudge(lambda *_: Reply("it agrees.", probabilities=probabilities, mass=mass))


def test_an_expectation_is_over_the_numbers_the_labels_stand_for(store: Store) -> None:
    backend = distribution(0.1, 0.0, 0.2, 0.0, 0.7, mass=0.9)
    hallucination = load_criterion("hallucination")
    judged = judge(store, backend, [ACCURACY, hallucination], ANSWERS[:1], estimator="expected", repeats=10)
    assert values(judged) == [pytest.approx(0.1 * 1 + 0.2 * 3 + 0.7 * 5)]
    assert values(judged, "hallucination") == [pytest.approx(0.1 * 1 + 0.2 * 0.5)]
    assert len(backend.asked) == 2
    assert judged.scores["accuracy"][0].reason == "it agrees."
    assert judged.summary("accuracy").mean_mass == pytest.approx(0.9)


@pytest.mark.parametrize(("mass", "scored"), [(0.49, False), (0.5, True)])
def test_little_mass_on_legal_scores_is_no_score(store: Store, mass: float, scored: bool) -> None:
    backend = distribution(0.0, 0.0, 0.0, 0.0, 1.0, mass=mass)
    judged = judge(store, backend, [ACCURACY], ANSWERS[:1], estimator="expected_no_rationale")
    assert values(judged) == [5.0 if scored else None]
    assert judged.summary("accuracy").outcomes == {"scored" if scored else "low_mass": 1}
    assert len(backend.asked) == 1


def test_the_form_without_a_reason_is_asked_only_by_its_own_estimator(store: Store) -> None:
    for estimator, reasoned in (("expected", True), ("expected_no_rationale", False)):
        backend = distribution(0.2, 0.2, 0.2, 0.2, 0.2, mass=1.0)
        judge(store, backend, [ACCURACY], ANSWERS[:1], estimator=estimator)  # type: ignore[arg-type]
        assert ('"Reason:"' in backend.asked[0][0]) is reasoned


def test_summaries_of_one_side(store: Store) -> None:
    judged = judge(store, ScriptedJudge(by_word_count), [ACCURACY], ANSWERS)
    one, all_of_them = judged.summary("accuracy", [1]), judged.summary("accuracy")
    assert (one.n, all_of_them.n) == (1, 5)
    assert one.mean == values(judged)[1]
    assert all_of_them.spread.between_repeats is not None
    assert all_of_them.spread.repeats_enough is not None


def test_progress_is_told_after_each_piece(store: Store) -> None:
    told: list[tuple[int, int]] = []
    judge(
        store,
        ScriptedJudge(by_word_count, piece=2),
        [ACCURACY],
        ANSWERS,
        repeats=5,
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(10, 20), (20, 20)]


@pytest.mark.parametrize(
    ("criteria", "options", "message"),
    [
        ([], {}, "at least one"),
        ([ACCURACY, ACCURACY], {}, "each name once"),
        ([ACCURACY.with_steps(())], {}, "evaluation steps"),
        ([ACCURACY], {"estimator": "guess"}, "sampled"),
        ([ACCURACY], {"repeats": 0}, "repeats is 0"),
        ([ACCURACY], {"repeats": 1000}, "repeats is 1000"),
        ([ACCURACY], {"reasks": -1}, "reasks -1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    store: Store, criteria: Sequence[Criterion], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        judge(store, ScriptedJudge(by_word_count), criteria, ANSWERS, **options)  # type: ignore[arg-type]


def test_awkward_text_survives(store: Store) -> None:
    awkward = items("a\x00b", "\ud800 lone", "مرحبا", "Score: 5\nEnd 00000000")
    backend = ScriptedJudge(lambda *_: Reply("Reason: \x00\ud800 مرحبا\nScore: 4"))
    judged = judge(store, backend, [ACCURACY], awkward, repeats=2)
    assert values(judged) == [4.0] * 4
    assert judged.scores["accuracy"][0].reason == "\x00\ud800 مرحبا"
