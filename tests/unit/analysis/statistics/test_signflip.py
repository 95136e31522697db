from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ragft.analysis.statistics.clusters import cluster_sums
from ragft.analysis.statistics.cr2 import cr2
from ragft.analysis.statistics.signflip import sign_flip_p
from tests.unit.analysis.studies import Floats, singles, study


def p_of(values: Floats, labels: list[str], flips: int = 999) -> float:
    return float(sign_flip_p(cluster_sums(values, labels), flips, np.random.default_rng(0))[0])


@pytest.mark.parametrize("seed", range(4))
def test_few_documents_are_scipys_exact_permutation_test_of_t(seed: int) -> None:
    values = np.random.default_rng(seed).normal(0.5, 1, size=9)
    theirs = stats.permutation_test(
        (values, np.zeros(9)),
        lambda one, other, axis: stats.ttest_rel(one, other, axis=axis).statistic,
        permutation_type="samples",
        vectorized=True,
    )

    assert p_of(values, [f"d{index}" for index in range(9)]) == pytest.approx(theirs.pvalue)


def test_many_documents_are_near_the_t_test() -> None:
    values, labels = singles(3, 60)
    values = values + 0.3

    assert p_of(values, labels, 9999) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)


def test_no_difference_at_all_is_no_evidence() -> None:
    assert p_of(np.zeros(30), [f"d{index}" for index in range(30)]) == 1
    assert p_of(np.zeros(6), [f"d{index}" for index in range(6)]) == 1


def test_one_document_is_no_evidence() -> None:
    assert p_of(np.array([3.0, 3.0, 2.0]), ["a"] * 3) == 1


def test_all_documents_better_is_two_of_all_combinations() -> None:
    assert p_of(np.ones(8), [f"d{index}" for index in range(8)]) == 2 / 2**8


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 20))
def test_swapping_the_sides_or_the_unit_does_not_matter(seed: int, clusters: int) -> None:
    values, labels = study(seed, clusters)

    assert p_of(values, labels) == pytest.approx(p_of(-values, labels))
    assert p_of(values, labels) == pytest.approx(p_of(4 * values, labels))


@pytest.mark.parametrize("seed", [2, 9, 19, 20, 22])  # with CR1's error in place of CR2's the p-value is another
def test_documents_of_any_size_are_judged_by_their_cr2_error(seed: int) -> None:
    values, labels = study(seed, clusters=7, largest=15)
    documents = np.array(labels)

    def ratio(signs: tuple[int, ...]) -> float:
        sign = {f"d{index:03d}": each for index, each in enumerate(signs)}
        flipped = values * np.array([sign[label] for label in documents])
        sums = cluster_sums(flipped, labels)
        return abs(float(sums.mean[0] / cr2(sums).error[0]))

    observed = ratio((1,) * 7)
    expected = np.mean([ratio(signs) >= observed - 1e-9 for signs in product((1, -1), repeat=7)])

    assert p_of(values, labels) == pytest.approx(expected)


def test_a_random_test_counts_the_observed_signs_too() -> None:
    assert p_of(np.random.default_rng(0).normal(5, 1, size=40), [f"d{index}" for index in range(40)], 199) == 1 / 200
