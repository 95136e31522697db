"""The change at equal length, against statsmodels and against a truth."""

import numpy as np
import pytest
import statsmodels.api as sm

from ragft.analysis.verdict.equal_length import at_equal_length

RNG = np.random.default_rng(0)
LABELS = [f"d{index // 4:02d}" for index in range(120)]


def test_it_is_the_intercept_of_statsmodels_with_clusters() -> None:
    longer = RNG.normal(5, 10, size=120)
    gains = 0.2 + 0.03 * longer + RNG.normal(size=120) + np.repeat(RNG.normal(size=30), 4)
    found = at_equal_length(gains, longer, LABELS)
    peer = sm.OLS(gains, sm.add_constant(longer)).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(120) // 4, "df_correction": True}, use_t=True
    )

    assert found is not None
    assert found.value == pytest.approx(peer.params[0])
    assert (found.low, found.high) == pytest.approx(tuple(peer.conf_int()[0]))


def test_a_gain_that_length_alone_explains_is_gone() -> None:
    longer = RNG.integers(0, 20, size=120).astype(np.float64)
    found = at_equal_length(0.1 * longer, longer, LABELS)

    assert found is not None
    assert found.value == pytest.approx(0.0, abs=1e-9)
    assert found.words == "at equal length +0.00 (+0.00 to +0.00)"


def test_lengths_that_all_change_alike_say_nothing() -> None:
    assert at_equal_length(RNG.normal(size=120), np.full(120, 3.0), LABELS) is None
    assert at_equal_length(RNG.normal(size=4), np.arange(4.0), ["a", "a", "b", "b"]) is None
