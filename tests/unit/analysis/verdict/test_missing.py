import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as theirs

from ragft.analysis.verdict.missing import count_missing, impute, mcnemar

NAN = float("nan")


@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 0), (6, 0), (3, 9), (20, 21), (15, 15)])
def test_mcnemar_is_statsmodels_exact_test(one: int, other: int) -> None:
    expected = theirs([[50, one], [other, 7]], exact=True).pvalue if one + other else 1.0

    assert mcnemar(one, other) == pytest.approx(expected)
    assert mcnemar(one, other) == mcnemar(other, one)


def test_what_is_missing_is_counted_by_side() -> None:
    base = np.array([1.0, NAN, NAN, 4.0, 5.0])
    version = np.array([1.0, NAN, 3.0, NAN, NAN])
    missing = count_missing(base, version, np.zeros(5), np.zeros(5))

    assert (missing.asked, missing.base, missing.version, missing.dropped) == (5, 2, 3, 4)
    assert missing.share == 0.8
    assert missing.p == mcnemar(1, 2)


def test_missing_scores_are_imputed_at_the_ends_of_the_scale() -> None:
    base, version = np.array([2.0, NAN]), np.array([NAN, 3.0])

    assert [list(side) for side in impute(base, version, worst=1.0, best=5.0, against=True)] == [[2, 5], [1, 3]]
    assert [list(side) for side in impute(base, version, worst=1.0, best=5.0, against=False)] == [[2, 1], [5, 3]]
