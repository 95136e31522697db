import numpy as np
import pytest
from scipy import stats

from ragft.analysis.statistics.clusters import cluster_sums
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.guard_power import Turns, guard_power
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.scale import Scale

LEVELS = Levels(0.025, 2, rejecting=3)


def study(turns: Turns, shared: float, rng: np.random.Generator, documents: int = 150, size: int = 3) -> Pairs:
    """Return a study whose questions turn as the probit model says; a base without a turn does no harm."""
    effect = np.repeat(rng.normal(size=documents), size)
    latent = np.sqrt(shared) * effect + np.sqrt(1 - shared) * rng.normal(size=documents * size)
    version = np.where(latent > stats.norm.isf(turns.worse), 1.0, 0.0)
    base = np.where(latent < stats.norm.ppf(turns.better), 1.0, 0.0)
    labels = tuple(f"d{document:03d}" for document in np.repeat(np.arange(documents), size))
    ids = tuple(f"q{question:04d}" for question in range(documents * size))
    return Pairs(ids, base, version, labels, Scale("false_answers", worst=1.0, best=0.0))


@pytest.mark.parametrize(("turns", "shared"), [(Turns(0.1, 0.03), 0.0), (Turns(0.2, 0.05), 0.3), (Turns(0.3, 0), 0.5)])
def test_moments_and_correlation_are_those_of_the_model(turns: Turns, shared: float) -> None:
    found = study(turns, shared, np.random.default_rng(0), documents=40_000)
    rises = -found.gains()

    assert turns.variance == pytest.approx(rises.var(), rel=0.02)
    assert turns.skew == pytest.approx(stats.skew(rises), rel=0.05)
    assert turns.icc(shared) == pytest.approx(float(cluster_sums(rises, found.labels).icc[0]), abs=0.01)
    assert turns.shared(turns.icc(shared)) == pytest.approx(shared, abs=0.001)


def test_what_documents_share_has_ends() -> None:
    assert Turns(0.1, 0.1).shared(-0.2) == 0.0
    assert Turns(0.1, 0.1).shared(1.0) == 0.95
    assert (Turns(0.0, 0.0).icc(0.5), Turns(0.0, 0.0).skew, Turns(0.0, 0.0).shared(0.5)) == (0.0, 0.0, 0.0)


def test_the_smallest_rise_is_found_with_four_in_five_where_harm_keeps_to_documents() -> None:
    rng, margin = np.random.default_rng(1), 0.05
    plans = [guard_power(study(Turns(0.06, 0.06), 0.2, rng), margin, LEVELS) for _ in range(15)]
    smallest = float(np.median([plan.smallest_difference for plan in plans if plan and plan.smallest_difference]))
    rejects = [
        study(Turns(0.06 + smallest, 0.06), 0.2, rng)
        .bounds(Levels(0.025, rejecting=3), Resampling(799))
        .claim_highs[-1]
        < -margin
        for _ in range(300)
    ]

    assert np.mean(rejects) == pytest.approx(0.8, abs=0.08)
    # Taking the spread of no difference for that of a rise would promise a smaller one.
    assert smallest > 0.13


def test_a_rise_that_was_seen_is_not_taken_for_what_turns_both_ways() -> None:
    rng = np.random.default_rng(2)
    calm, harmful = (guard_power(study(Turns(0.03 + rise, 0.03), 0.1, rng), 0.05, LEVELS) for rise in (0.0, 0.5))

    assert calm is not None and calm.smallest_difference is not None
    assert harmful is not None and harmful.smallest_difference is not None
    assert harmful.smallest_difference == pytest.approx(calm.smallest_difference, abs=0.04)


@pytest.mark.parametrize("documents", [4, 40])
def test_more_harm_never_needs_fewer_questions_than_no_change(documents: int) -> None:
    ids = tuple(f"q{index}" for index in range(documents))
    zeros, scale = np.zeros(documents), Scale("false_answers", worst=1.0, best=0.0)
    same, worst = (guard_power(Pairs(ids, zeros, zeros + harm, ids, scale), 0.05, LEVELS) for harm in (0, 1))

    assert same is not None and worst is not None
    assert worst.n_for_margin == same.n_for_margin == 62
    assert worst.chance_at_margin == same.chance_at_margin == 0.0
