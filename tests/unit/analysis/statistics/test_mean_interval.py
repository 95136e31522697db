import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from ragft.analysis.statistics.mean_interval import mean_of
from tests.unit.analysis.studies import study


def test_the_interval_is_wider_than_without_clusters_where_questions_are_alike() -> None:
    values, labels = study(0, 40)
    found, loose = mean_of(values, labels), mean_of(values, [str(i) for i in range(len(values))])

    assert found.value == loose.value == pytest.approx(values.mean())
    assert found.low is not None and found.high is not None and loose.low is not None and loose.high is not None
    assert found.low < values.mean() < found.high
    error = OLS(values, np.ones(len(values))).fit().bse[0]
    assert (loose.high - loose.low) / 2 == pytest.approx(1.96 * error, rel=0.05)


def test_missing_values_are_left_out_and_nothing_is_no_number() -> None:
    assert mean_of(np.array([1.0, np.nan, 3.0]), ["a", "b", "c"]).n == 2
    assert mean_of(np.array([1.0, np.nan, 3.0]), ["a", "b", "c"]).value == 2.0
    nothing = mean_of(np.array([np.nan]), ["a"])
    assert (nothing.n, nothing.value, nothing.low) == (0, None, None)


def test_one_document_or_equal_values_have_no_interval() -> None:
    assert mean_of(np.array([1.0, 2.0]), ["a", "a"]).low is None
    assert mean_of(np.array([1.0, 1.0]), ["a", "b"]).low is None
