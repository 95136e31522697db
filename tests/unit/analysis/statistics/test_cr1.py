"""The first coefficient and its error, against statsmodels."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from ragft.analysis.statistics.cr1 import first_coefficient

RNG = np.random.default_rng(0)
DESIGN = np.column_stack([RNG.normal(size=60), np.ones(60), RNG.normal(size=60)])
OUTCOME = DESIGN @ [0.5, 2.0, -1.0] + RNG.normal(size=60)


def test_with_clusters_it_is_statsmodels_cluster_robust_coefficient() -> None:
    clusters = np.sort(RNG.integers(0, 12, size=60))
    found = first_coefficient(DESIGN, OUTCOME, clusters)
    peer = sm.OLS(OUTCOME, DESIGN).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "df_correction": True}, use_t=True
    )

    assert (found.value, found.error) == pytest.approx((peer.params[0], peer.bse[0]))
    assert found.interval() == pytest.approx(tuple(peer.conf_int()[0]))
    assert found.interval(alpha=0.05) == pytest.approx(tuple(peer.conf_int(alpha=0.1)[0]))


def test_with_one_cluster_it_is_the_ordinary_one() -> None:
    found, peer = first_coefficient(DESIGN, OUTCOME, np.zeros(60)), sm.OLS(OUTCOME, DESIGN).fit()

    assert (found.value, found.error, found.dof) == pytest.approx((peer.params[0], peer.bse[0], 57))
    assert found.interval() == pytest.approx(tuple(peer.conf_int()[0]))


def test_no_more_clusters_than_coefficients_leave_no_interval() -> None:
    found = first_coefficient(DESIGN, OUTCOME, np.arange(60) % 3)

    assert math.isfinite(found.value)
    assert found.dof == 0
    assert all(math.isnan(end) for end in found.interval())
