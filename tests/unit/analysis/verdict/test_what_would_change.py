from dataclasses import replace

import numpy as np
import pytest

from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.power import n_to_show, sample_of
from ragft.analysis.verdict.what_would_change import MOST, carriers, change
from ragft.prompts.criterion import load_criterion

N = 150
LEVELS = Levels(alpha=0.025, family=2)
RESAMPLING = Resampling(399)


def pairs_of(gain: float) -> Pairs:
    rng = np.random.default_rng(0)
    base = rng.uniform(2, 3, size=N)
    ids = tuple(f"q{index:03d}" for index in range(N))
    labels = tuple(f"d{index // 2:02d}" for index in range(N))
    noise = rng.normal(0, 0.8, size=N)
    return Pairs(ids, base, np.clip(base + gain + noise - noise.mean(), 1, 5), labels, load_criterion("accuracy"))


@pytest.mark.parametrize("gain", [0.12, -0.12])
def test_questions_are_counted_for_the_claim_that_the_gain_points_to(gain: float) -> None:
    pairs = pairs_of(gain)
    seen = float(pairs.gains().mean())
    found = change(pairs, pairs.bounds(LEVELS, RESAMPLING), margin=0.2, levels=LEVELS)
    spread, swapped = pairs.spread("here"), pairs.swapped().spread("here")

    assert found is not None and spread is not None and swapped is not None
    sample = sample_of([2] * (N // 2), spread)
    assert found.n_superior == n_to_show(seen, sample, 0.0125)
    assert found.n_non_inferior == n_to_show(seen + 0.2, sample, 0.025)
    assert found.n_worse == n_to_show(-seen, sample_of([2] * (N // 2), swapped), 0.025)
    assert (found.n_superior is None, found.n_worse is None) == (gain < 0, gain > 0)


def test_a_gain_within_the_noise_says_no_number_of_questions() -> None:
    """3,743 questions for a gain of 0.01 that is a fraction of its standard error are no advice."""
    slight, clear = pairs_of(0.01), pairs_of(0.12)
    found, other = (
        change(each, each.bounds(LEVELS, RESAMPLING), margin=0.2, levels=LEVELS) for each in (slight, clear)
    )
    assert found is not None and other is not None
    assert 0 < float(slight.gains().mean()) < 0.03
    assert (found.n_superior, found.n_worse) == (None, None)
    assert other.n_superior is not None and other.n_superior <= MOST * N


def test_swapped_sides_have_the_mirrored_spread() -> None:
    pairs = pairs_of(0.3)
    pairs.version[3] = np.nan
    one, other = pairs.spread("here"), pairs.swapped().spread("here")

    assert one is not None and other is not None
    assert other.sd == pytest.approx(one.sd)
    assert other.skew == pytest.approx(-one.skew)
    assert one.losing + other.losing <= 1
    missing = pairs.missing()
    gain = float(np.nanmean(pairs.gains()))
    assert (one.cost, other.cost) == pytest.approx((gain - missing.worst_gain, missing.best_gain - gain))


def test_one_document_changes_nothing_and_two_have_no_carrier() -> None:
    pairs = pairs_of(0.0)
    one = replace(pairs, labels=("only",) * N)
    two = replace(pairs, labels=("a",) * 75 + ("b",) * 75)

    assert change(one, one.bounds(LEVELS, RESAMPLING), margin=0.2, levels=LEVELS) is None
    assert carriers({"accuracy": two}, {"accuracy": 0.2}, LEVELS, RESAMPLING) == ()


def hardly_any(lost: int, won: int, n: int = 40) -> Pairs:
    gains = np.zeros(n)
    gains[:lost], gains[lost : lost + won] = -1.0, 1.0
    ids = tuple(f"q{index:02d}" for index in range(n))
    return Pairs(ids, np.full(n, 3.0), 3.0 + gains, tuple(f"d{name}" for name in ids), load_criterion("accuracy"))


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
@pytest.mark.parametrize("won", [0, 1, 4, 12])
def test_what_is_not_shown_needs_more_questions_than_were_asked(lost: int, won: int) -> None:
    pairs = hardly_any(lost, won)
    for margin in (0.2, 0.4):
        bounds = pairs.bounds(LEVELS, RESAMPLING)
        found = change(pairs, bounds, margin=margin, levels=LEVELS)
        assert found is not None
        needs = {
            "superior": (bounds.claim_lows[-1] > 0, found.n_superior),
            "non-inferior": (bounds.low > -margin, found.n_non_inferior),
            "worse": (bounds.high < 0, found.n_worse),
        }
        assert {
            name: need for name, (shown, need) in needs.items() if not shown and need is not None and need <= 40
        } == {}
