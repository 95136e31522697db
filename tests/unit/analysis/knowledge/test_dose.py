"""The slope of hallucination over fitted Unknown examples, against statsmodels and against a truth."""

import itertools
import math

import numpy as np
import pytest
import statsmodels.api as sm

from ragft.analysis.knowledge.dose import DoseCurve, Point, final_slope, hallucination_slope
from ragft.analysis.knowledge.dose_figures import dose_figure, training_curves


def made_curves(slope: float, noise: float, seeds: int = 3) -> list[DoseCurve]:
    rng = np.random.default_rng(5)
    curves = []
    for share, seed in itertools.product((0.0, 0.5, 1.0), range(seeds)):
        points = []
        for epoch in range(6):
            known = min(1.0, 0.7 + 0.1 * epoch) + 0.01 * seed
            unknown = (epoch / 6) ** 2 + 0.01 * seed
            false = 0.1 + slope * unknown * share - 0.05 * known * (1 - share) + noise * rng.normal()
            points.append(Point(epoch, known if share < 1 else None, unknown if share else None, 1 - false, false))
        curves.append(DoseCurve(share, seed, 20, tuple(points)))
    return curves


def test_the_slope_of_a_line_is_found() -> None:
    found = hallucination_slope(made_curves(0.4, 0.0))
    assert found is not None
    assert found.value == pytest.approx(0.4)
    assert (found.runs, found.points, found.with_known) == (9, 54, True)


def test_the_interval_is_that_of_statsmodels_with_runs_as_clusters() -> None:
    curves = made_curves(0.3, 0.05)
    rows = [
        (
            run,
            (p.fitted_unknown or 0) * c.unknown_share,
            (p.fitted_known or 0) * (1 - c.unknown_share),
            p.held_out_false,
        )
        for run, c in enumerate(curves)
        for p in c.points
    ]
    table = np.array(rows, dtype=float)
    design = np.column_stack([table[:, 1], np.ones(len(table)), table[:, 2]])
    fit = sm.OLS(table[:, 3], design).fit(cov_type="cluster", cov_kwds={"groups": table[:, 0].astype(int)}, use_t=True)
    found = hallucination_slope(curves)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((fit.params[0], *fit.conf_int()[0]))
    assert found.low < 0.3 < found.high


def test_one_run_has_the_ordinary_interval() -> None:
    curve = made_curves(0.3, 0.05)[3]
    x = np.array([(point.fitted_unknown or 0) * 0.5 for point in curve.points])
    y = np.array([point.held_out_false for point in curve.points], dtype=float)
    fit = sm.OLS(y, np.column_stack([x, np.ones(6)])).fit()
    found = hallucination_slope([curve])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((fit.params[0], *fit.conf_int()[0]))
    assert (found.runs, found.with_known) == (1, False)


def test_without_any_unknown_example_there_is_no_slope() -> None:
    assert hallucination_slope([curve for curve in made_curves(0.3, 0.1) if curve.unknown_share == 0]) is None
    assert hallucination_slope([]) is None


def test_two_points_have_a_slope_and_no_interval() -> None:
    points = (Point(0, None, 0.0, 1.0, 0.0), Point(1, None, 1.0, 0.8, 0.2))
    found = hallucination_slope([DoseCurve(1.0, 0, 20, points)])
    assert found is not None
    assert found.value == pytest.approx(0.2)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_the_figures_show_every_run_and_the_slope() -> None:
    curves = made_curves(0.3, 0.02, seeds=2)
    left, right = training_curves(curves, "telecom").axes
    # Known is fitted in four runs and Unknown in four, each with a line and a mean; right and false in all six.
    assert len(left.get_lines()) == 4 + 1 + 4 + 1
    assert len(right.get_lines()) == 2 * (6 + 3)
    slope = hallucination_slope(curves)
    axes = dose_figure(curves, slope, "telecom").axes[0]
    assert sum(np.asarray(points.get_offsets()).shape[0] for points in axes.collections) == 36
    assert slope is not None
    assert f"slope {slope.value:+.2f}" in axes.get_title()
    assert "no slope" in dose_figure(curves[:2], None, "telecom").axes[0].get_title()


def test_the_ends_of_runs_are_independent_points() -> None:
    curves = made_curves(0.3, 0.05)
    ends = [
        (curve.unknown_share * (curve.points[-1].fitted_unknown or 0), curve.points[-1].held_out_false)
        for curve in curves
    ]
    x, y = np.array(ends, dtype=float).T
    fit = sm.OLS(y, np.column_stack([x, np.ones(9)])).fit()
    found = final_slope(curves)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((fit.params[0], *fit.conf_int()[0]))
    assert (found.runs, found.points) == (9, 9)
    assert final_slope(curves[:3]) is None
    assert final_slope([]) is None


def test_two_runs_have_no_interval() -> None:
    curves = made_curves(0.3, 0.05)
    found = hallucination_slope([curves[0], curves[3]])
    assert found is not None
    assert math.isnan(found.low)
