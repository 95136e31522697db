from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.verdict.compare import compare
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.guard_power import guard_power
from ragft.analysis.verdict.guards import (
    FALSE_ANSWERS,
    FALSE_REFUSALS,
    FORGETTING,
    GuardRates,
    guard_result,
    in_words,
    pair_guard,
)
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.errors import ConfigError, DataError, RagftError
from ragft.types import Question
from tests.unit.analysis.studies import Floats
from tests.unit.analysis.verdict.test_compare import CRITERIA, DESIGN, QUESTIONS, base, version

ASKED = [Question(f"w{index:03d}", "?", ("a",), documents=(f"d{index // 3:03d}",)) for index in range(300)]
LABELS = cluster(ASKED).labels
LEVELS = Levels(0.025, 2, rejecting=3)
RESAMPLING = Resampling(399)
NOT_HERE = GuardRates(FORGETTING, unmeasured="no facts were asked before the training")


def rates(before: float, after: float, name: str = FALSE_ANSWERS, *, seed: int = 0, margin: float = 5.0) -> GuardRates:
    """Return a guard in which the version does the base's harm and more of it, or less."""
    draws = np.random.default_rng(seed).random(len(ASKED))
    one, other = ({q.id: float(draw < rate) for q, draw in zip(ASKED, draws, strict=True)} for rate in (before, after))
    return GuardRates(name, one, other, LABELS, margin)


def compared(*guards: GuardRates, shift: float = 0.0) -> Comparison:
    return compare(base(), version(shift), QUESTIONS, CRITERIA, design=DESIGN, guards=guards)


@pytest.mark.parametrize(
    ("after", "harmful", "unsafe", "slipped"),
    [
        (0.7, (FALSE_ANSWERS,), (FALSE_ANSWERS,), (FALSE_ANSWERS,)),
        (0.17, (), (FALSE_ANSWERS,), (FALSE_ANSWERS,)),
        (0.1, (), (), ()),
        (0.02, (), (), ()),
    ],
)
def test_what_was_planted_is_claimed(
    after: float, harmful: tuple[str, ...], unsafe: tuple[str, ...], slipped: tuple[str, ...]
) -> None:
    found = compared(rates(0.1, after), rates(0.3, 0.3, FALSE_REFUSALS, seed=1))

    assert (found.claims.harmful, found.claims.unsafe, found.claims.slipped) == (harmful, unsafe, slipped)
    guard, other = found.guards
    assert guard.effect is not None and guard.bounds is not None and guard.missing is not None
    assert (guard.effect.n, guard.effect.clusters, guard.missing.dropped) == (300, 100, 0)
    assert guard.effect.gain == pytest.approx(guard.effect.base - guard.effect.version)
    assert guard.effect.version == pytest.approx(after, abs=0.08)
    assert (guard.bounds.low, guard.bounds.high) == (guard.effect.low, guard.effect.high)
    assert guard.margin == 0.05
    # Two primaries and two guards can reject.
    assert len(guard.bounds.claim_highs) == len(found.primaries[0].bounds.claim_highs) == 4
    assert list(guard.bounds.claim_highs) == sorted(guard.bounds.claim_highs)
    assert other.bounds is not None and other.bounds.low < 0 < other.bounds.high


def test_guards_change_nothing_about_gains_and_make_a_loss_harder_to_claim() -> None:
    alone, guarded = compared(shift=0.3), compared(rates(0.1, 0.1), shift=0.3)

    assert alone.guards == ()
    assert guarded.claims.superior == alone.claims.superior
    for before, after in zip(alone.primaries, guarded.primaries, strict=True):
        assert replace(after.bounds, claim_highs=before.bounds.claim_highs) == before.bounds
        assert after.bounds.claim_highs[:2] == before.bounds.claim_highs
        assert len(after.bounds.claim_highs) == 3


def test_what_could_not_be_told_is_counted_against_the_version_and_for_it() -> None:
    whole = rates(0.1, 0.12)
    lost = [name for name, rate in whole.version.items() if rate == 1.0][:3]
    holed = replace(whole, version={**whole.version, **dict.fromkeys(lost)})
    full, found = (compared(guard).guards[0] for guard in (whole, holed))

    assert full.bounds is not None and found.bounds is not None
    assert found.missing is not None and found.missing.version == found.missing.dropped == 3
    assert found.bounds.low == full.bounds.low  # they were harm, and are counted as harm
    assert found.bounds.high > full.bounds.high
    assert found.effect is not None and found.effect.n == 297


def test_a_guard_that_was_not_measured_says_why_and_claims_nothing() -> None:
    found = compared(rates(0.1, 0.1), NOT_HERE)

    assert [guard.measured for guard in found.guards] == [True, False]
    assert found.guards[1].unmeasured == "no facts were asked before the training"
    assert found.claims.unsafe == ()
    assert len(found.primaries[0].bounds.claim_highs) == 3
    assert found.unknown_harm == ()
    assert compared(NOT_HERE).unknown_harm == (FALSE_ANSWERS,)
    assert compared().unknown_harm == ()


def test_the_order_of_the_questions_changes_nothing() -> None:
    guard = rates(0.1, 0.2)

    def turned(sides: Mapping[str, float | None]) -> dict[str, float | None]:
        return dict(reversed(list(sides.items())))

    assert compared(guard) == compared(replace(guard, base=turned(guard.base), version=turned(guard.version)))


def test_a_guard_survives_json() -> None:
    found = compared(rates(0.1, 0.3), NOT_HERE)

    assert Comparison.from_dict(found.to_dict()) == found


def test_a_document_that_carries_a_guard_is_left_out_of_it_and_of_the_primaries() -> None:
    calm = rates(0.1, 0.1)
    one = cluster([replace(ASKED[0], documents=("d07",))]).labels
    labels = {**LABELS, **{question.id: one["w000"] for question in ASKED[:60]}}
    carried = {**calm.version, **dict.fromkeys((question.id for question in ASKED[:60]), 1.0)}
    found = compared(replace(calm, version=carried, clusters=labels))
    without = next(each for each in found.carriers if each.cluster == "d07")

    assert found.claims.unsafe == (FALSE_ANSWERS,)
    assert without.claims.unsafe == ()
    assert (without.questions, without.gains[FALSE_ANSWERS]) == (60, 0.0)
    assert "accuracy" in without.gains


@pytest.mark.parametrize(
    ("guards", "error", "said"),
    [
        (
            [rates(0.1, 0.1, margin=0)],
            ConfigError,
            "margin of the guard false_answers is 0, expected percentage points",
        ),
        ([rates(0.1, 0.1, margin=100)], ConfigError, "is 100, expected percentage points above 0 and below 100"),
        ([rates(0.1, 0.1, margin=float("nan"))], ConfigError, "is nan, expected"),
        ([rates(0.1, 0.1), rates(0.2, 0.2)], ConfigError, "false_answers is named twice among the guards"),
        ([rates(0.1, 0.1, "accuracy")], ConfigError, "accuracy is named twice .* name each measure once"),
        ([GuardRates(FORGETTING)], DataError, "forgetting: it has no question; say in `unmeasured` why"),
        ([replace(rates(0.1, 0.1), unmeasured="x")], DataError, "it has 300 questions and says that it was not meas"),
        ([GuardRates("g", {"a": 0.5}, {"a": 1.0}, {"a": "d"})], DataError, "question a of the base is 0.5, expected 1"),
        ([GuardRates("g", {"a": 0.0}, {"b": 1.0}, {"a": "d", "b": "d"})], DataError, "question a has no row for the v"),
        ([GuardRates("g", {"a": 0.0}, {"a": 1.0}, {})], DataError, "g: question a has no cluster"),
    ],
)
def test_guards_that_cannot_be_compared_are_refused(
    guards: list[GuardRates], error: type[RagftError], said: str
) -> None:
    with pytest.raises(error, match=said):
        compared(*guards)


def test_every_bad_row_is_named_at_once() -> None:
    guard = GuardRates("g", {"a": 0.0, "b": 2.0}, {"b": float("nan")}, {"a": "d"})
    with pytest.raises(DataError) as caught:
        compared(guard)

    assert len(caught.value.problems) == 4


def test_the_power_of_a_guard_is_that_of_differences_of_0_and_1() -> None:
    pairs = pair_guard(rates(0.2, 0.2))
    quiet = guard_power(pairs, 0.05, LEVELS)
    draws = np.random.default_rng(5).random((2, 300))
    churned = replace(pairs, base=(draws[0] < 0.2) * 1.0, version=(draws[1] < 0.2) * 1.0)
    noisy = guard_power(churned, 0.05, LEVELS)

    assert quiet is not None and noisy is not None
    assert quiet.smallest_difference is not None and noisy.smallest_difference is not None
    assert 0.05 < quiet.smallest_difference < noisy.smallest_difference < 0.25
    assert quiet.chance_at_margin > 0.9 > noisy.chance_at_margin
    assert noisy.n_for_margin is not None and noisy.n_for_margin > 300
    wide = guard_power(churned, 0.1, LEVELS)
    assert wide is not None and wide.chance_at_margin > noisy.chance_at_margin


def test_the_smallest_worsening_is_found_with_four_in_five() -> None:
    """Studies of independent questions, whose version does so much more harm than the base."""
    rng, margin, n = np.random.default_rng(0), 0.05, 300
    alone = replace(pair_guard(rates(0.2, 0.2)), labels=tuple(f"q{index}" for index in range(n)))

    def study(rise: float) -> Floats:
        draws = rng.random(n)
        return np.where(draws < 0.04 + rise, -1.0, np.where(draws > 0.96, 1.0, 0.0))

    def pairs_of(gains: Floats) -> Pairs:
        base = np.where(gains > 0, 1.0, 0.0)
        return replace(alone, base=base, version=base - gains)

    plans = [guard_power(pairs_of(study(0.0)), margin, LEVELS) for _ in range(5)]
    found = sorted(plan.smallest_difference for plan in plans if plan and plan.smallest_difference)
    assert len(found) == 5
    rejects = [
        pairs_of(study(found[2])).bounds(Levels(0.025, rejecting=3), Resampling(799)).claim_highs[-1] < -margin
        for _ in range(200)
    ]
    assert np.mean(rejects) == pytest.approx(0.8, abs=0.1)


def test_few_questions_show_no_rise_and_say_so() -> None:
    few = pair_guard(rates(0.2, 0.2)).only([index < 9 for index in range(300)])
    found = guard_power(few, 0.05, LEVELS)

    assert found is not None
    said = in_words(FALSE_ANSWERS, found)
    assert said.startswith(
        "False answers: 9 questions in 3 independent groups reject no rise, however large, with 80% c"
    )
    assert "A rough guide only" in said
    assert guard_power(few.only([index < 1 for index in range(9)]), 0.05, LEVELS) is None


def test_one_answer_that_could_be_told_on_neither_side_is_no_effect() -> None:
    guard = GuardRates("g", {"a": None}, {"a": 1.0}, {"a": "d"})
    found = guard_result(guard, pair_guard(guard), LEVELS, RESAMPLING)

    assert found.effect is None and found.power is None
    assert found.bounds is not None and (found.bounds.low, found.bounds.high) == (-1, 1)
    assert Design().alpha == LEVELS.alpha
