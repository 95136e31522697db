import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragft.analysis.statistics.bounds import deciding_bound, deciding_bounds, with_unseen
from ragft.analysis.statistics.clusters import ClusterSums, cluster_sums
from ragft.analysis.statistics.cr2 import cr2, t_bound
from ragft.analysis.statistics.resampling import resample, studentised_bound
from ragft.analysis.statistics.skewness import critical_shift, hidden_skewness
from tests.unit.analysis.studies import study, sums_of, weights

EXTREME = 4.0
seeds = st.integers(0, 10_000)
cluster_counts = st.integers(2, 30)


def bound(sums: ClusterSums, level: float, extreme: float = EXTREME) -> float:
    resamples = resample(sums, weights(sums.totals.shape[1], 399))
    return float(deciding_bound(sums, resamples, level, extreme)[0])


def ends(seed: int, clusters: int, *, scale: float = 1.0) -> tuple[float, float]:
    values, labels = study(seed, clusters)
    sums = cluster_sums(values * scale, labels)
    return bound(sums, 0.025, EXTREME * abs(scale)), bound(sums, 0.975, EXTREME * abs(scale))


@pytest.mark.parametrize("largest", [1, 5])
def test_the_bound_is_the_more_cautious_of_two(largest: int) -> None:
    sums = sums_of(0, clusters=60, largest=largest)
    assert (sums.totals < 0).sum() >= 10 and (sums.totals > 0).sum() >= 10
    resamples, hidden = resample(sums, weights(60, 399)), float(hidden_skewness(sums)[0])
    assert (abs(hidden) > 0.1) == (largest > 1)
    for level, cautious in ((0.025, min), (0.975, max)):
        t = t_bound(sums, cr2(sums), level)[0]
        studentised = studentised_bound(sums, resamples, level)[0]
        moved = critical_shift(level) * cautious(hidden, 0.0) / 60**0.5 * resamples.error[0]

        assert t != studentised
        assert bound(sums, level) == pytest.approx(cautious(t, studentised + moved))


@settings(max_examples=40)
@given(seeds, cluster_counts)
def test_swapping_the_sides_mirrors_the_interval(seed: int, clusters: int) -> None:
    low, high = ends(seed, clusters)

    assert ends(seed, clusters, scale=-1.0) == pytest.approx((-high, -low))


@settings(max_examples=40)
@given(seeds, cluster_counts, st.sampled_from([0.25, 2.0, 16.0]))
def test_the_unit_of_the_scores_does_not_matter(seed: int, clusters: int, scale: float) -> None:
    low, high = ends(seed, clusters)

    assert ends(seed, clusters, scale=scale) == pytest.approx((low * scale, high * scale))


@settings(max_examples=40)
@given(seeds, cluster_counts)
def test_bounds_are_ordered_possible_and_wider_at_smaller_levels(seed: int, clusters: int) -> None:
    sums = sums_of(seed, clusters)
    lows, highs = [bound(sums, level) for level in (0.025, 0.0125)], [bound(sums, level) for level in (0.975, 0.9875)]

    assert -EXTREME <= lows[1] <= lows[0] <= highs[0] <= highs[1] <= EXTREME
    assert lows[0] <= sums.mean[0] <= highs[0]


def test_ties_alone_allow_what_so_many_draws_cannot_exclude() -> None:
    lows = []
    for n in (10, 50, 200, 1000):
        ties = cluster_sums(np.zeros(n), [f"d{index:04d}" for index in range(n)])
        lows.append(bound(ties, 0.025))

    assert lows == sorted(lows)
    assert lows[0] < -0.5
    # The exact bound for a total loss that 50 draws never showed is 4 (1 - 0.025 ** (1 / 50)) = 0.28.
    assert -0.4 < lows[1] < -0.2
    assert lows[3] > -0.02


def test_next_to_no_change_is_bounded_by_what_so_many_draws_cannot_exclude() -> None:
    # exp(-3) = 5 % of the resamples miss three losers among 150: the bootstrap alone would allow any loss.
    few = cluster_sums(np.array([-1.0] * 3 + [0.0] * 147), [f"d{index:03d}" for index in range(150)])
    resamples = resample(few, weights(150, 399))

    assert studentised_bound(few, resamples, 0.025)[0] == -np.inf
    assert -0.2 < bound(few, 0.0125) < bound(few, 0.025) < 0


def test_few_documents_in_all_stay_with_the_bootstrap() -> None:
    few = cluster_sums(np.array([-1.0] * 2 + [0.0] * 6), [f"d{index}" for index in range(8)])

    assert bound(few, 0.025) == -EXTREME


def test_an_unseen_document_fades_as_losers_are_seen() -> None:
    def unseen_size(losers: int) -> float:
        sums = cluster_sums(np.array([-1.0] * losers + [0.0] * (40 - losers)), [f"d{index:02d}" for index in range(40)])
        return float(with_unseen(sums, -EXTREME).sizes.sum() - 40)

    assert [unseen_size(losers) for losers in (0, 5, 9, 10, 20)] == pytest.approx([1.0, 0.5, 0.1, 0.0, 0.0])


def test_an_unseen_document_of_many_questions_is_less_extreme_than_one_question() -> None:
    rng = np.random.default_rng(0)
    sums = cluster_sums(rng.normal(5, 1, size=90), [f"d{index // 9}" for index in range(90)])
    guarded = with_unseen(sums, -EXTREME)

    assert guarded.sizes[0, -1] == 9
    icc = max(float(sums.icc[0]), 0.0)
    assert guarded.totals[0, -1] / 9 == pytest.approx(-EXTREME * np.sqrt((1 + 8 * icc) / 9))


def test_one_document_bounds_nothing() -> None:
    sums = cluster_sums(np.full(50, 2.0), ["only"] * 50)

    assert bound(sums, 0.025) == bound(sums, 0.4) == -EXTREME
    assert bound(sums, 0.975) == bound(sums, 0.6) == EXTREME


@pytest.mark.parametrize("levels", [(0.025, 0.0125, 0.005), (0.975, 0.9875, 0.995)])
def test_several_levels_at_once_are_each_bound_on_its_own(levels: tuple[float, ...]) -> None:
    sums = sums_of(3, clusters=40)
    drawn = resample(sums, weights(40))
    together = deciding_bounds(sums, drawn, levels, 4.0)

    assert together.shape == (3, 1)
    assert [float(bound[0]) for bound in together] == [
        float(deciding_bound(sums, drawn, level, 4.0)[0]) for level in levels
    ]
    assert list(np.sign(np.diff(together[:, 0]))) == [-1 if levels[0] < 0.5 else 1] * 2
