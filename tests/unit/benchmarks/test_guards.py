"""The simulation decides as the product does."""

import numpy as np
import pytest

from benchmarks import guards as simulated
from benchmarks.guard_worlds import GUARDS, HARM, NAMES, PRIMARIES, WORLDS, Truth, chunks
from benchmarks.guards import decide, rate
from ragft.analysis.statistics.resampling import draw
from ragft.analysis.verdict.effect import Bounds, Levels, Resampling
from ragft.analysis.verdict.missing import mcnemar
from ragft.analysis.verdict.multiplicity import claim
from ragft.analysis.verdict.paired_scores import Pairs


def bounds_at_random(rng: np.random.Generator, studies: int, margin: float) -> simulated.Bounds:
    """Bounds around -margin and 0, ordered as bounds at stricter levels are."""
    middle = rng.normal(-margin / 2, margin, size=studies)
    widths = np.cumsum(rng.uniform(0, margin / 2, size=(5, studies)), axis=0)
    return simulated.Bounds((middle - widths)[:2], middle + widths)


def test_the_rule_is_the_products() -> None:
    rng, margins = np.random.default_rng(0), dict(zip(NAMES, (0.2, 0.2, HARM, HARM, HARM), strict=True))
    studies = 400
    found = [bounds_at_random(rng, studies, margin) for margin in margins.values()]
    decided = decide(found, list(margins.values()), np.zeros(studies, dtype=bool))
    outcomes = set()
    for study in range(studies):
        family = {
            name: Bounds(
                float(each.lows[0, study]),
                float(each.highs[0, study]),
                tuple(map(float, each.lows[:, study])),
                claim_highs=tuple(map(float, each.highs[:, study])),
            )
            for name, each in zip(NAMES, found, strict=True)
        }
        claims = claim({name: family[name] for name in PRIMARIES}, margins, {name: family[name] for name in GUARDS})
        assert claims.superior == tuple(np.array(PRIMARIES)[decided.superior[:, study]])
        assert claims.worse == tuple(np.array(PRIMARIES)[decided.worse[:, study]])
        assert claims.non_inferior == tuple(np.array(PRIMARIES)[decided.non_inferior[:, study]])
        assert claims.harmful == tuple(np.array(GUARDS)[decided.harmful[:, study]])
        assert claims.unsafe == tuple(np.array(GUARDS)[~decided.safe[:, study]])
        assert claims.slipped == tuple(np.array(NAMES)[decided.slipped[:, study]])
        outcomes.add((bool(claims.harmful), bool(claims.worse), len(claims.superior)))
    assert len(outcomes) > 6


@pytest.mark.parametrize("number", [5, 6])
def test_studies_are_what_their_truth_says_and_missing_scores_are_counted_as_in_the_product(number: int) -> None:
    world = WORLDS[number]
    asked = next(chunks(world, Truth((0.1, 0.0), (0.1, 0.0, -0.05)), 250, np.random.default_rng(1)))
    rises = (0.1, 0.0, -0.05)

    for each, before, rise in zip(asked[2:], world.rates, rises, strict=True):
        assert np.nanmean(each.base) == pytest.approx(before, abs=0.02)
        assert np.nanmean(each.version) == pytest.approx(before + rise, abs=0.03)
        assert set(np.unique(each.base[~np.isnan(each.base)])) == {0.0, 1.0}
    whole = asked[0].base[~np.isnan(asked[0].base)]
    assert whole.min() >= 1 and whole.max() <= 5
    doubtful = asked[2].doubtful()
    for study in range(40):
        missing = [np.isnan(side[study]) for side in (asked[2].base, asked[2].version)]
        p = mcnemar(int((missing[0] & ~missing[1]).sum()), int((missing[1] & ~missing[0]).sum()))
        assert doubtful[study] == bool((missing[0] | missing[1]).mean() > 0.01 or p < 0.05)


def test_bounds_are_the_products() -> None:
    asked = next(chunks(WORLDS[5], Truth((0.1, 0.0), (0.1, 0.0, 0.0)), 250, np.random.default_rng(2)))[2]
    resampling = Resampling(399, 3)
    labels = tuple(f"d{document:03d}" for document in np.repeat(np.arange(len(asked.sizes)), asked.sizes))
    pairs = Pairs(labels, asked.base[7], asked.version[7], labels, asked.scale)
    weights = draw(len(asked.sizes), 399, np.random.default_rng([3, len(asked.sizes)]))

    theirs = pairs.bounds(Levels(0.025, 2, rejecting=5), resampling)
    ours = simulated.bounds_of(asked, weights)
    assert tuple(ours.lows[:, 7]) == pytest.approx(theirs.claim_lows)
    assert tuple(ours.highs[:, 7]) == pytest.approx(theirs.claim_highs)


def test_a_slice_that_is_far_worse_vetoes() -> None:
    asked = list(next(chunks(WORLDS[0], Truth((-0.9, 0.0), (0.0, 0.0, 0.0)), 250, np.random.default_rng(4))))
    same = list(next(chunks(WORLDS[0], Truth((0.0, 0.0), (0.0, 0.0, 0.0)), 250, np.random.default_rng(4))))
    some = np.arange(250) < 20

    assert (simulated.vetoed(asked, some, np.random.default_rng(0)) == some).all()
    assert not simulated.vetoed(same, some, np.random.default_rng(0)).any()


def test_rates_have_exact_limits() -> None:
    assert rate([0, 100]) == pytest.approx((0.0, 0.0, 3.62), abs=0.01)
    assert rate([100, 100]) == pytest.approx((100.0, 96.38, 100.0), abs=0.01)
