"""How hallucination grows with fitted Unknown examples: curves over epochs, and the slope over runs.

The linear model is that of arXiv 2405.05904, section 4: what a model says of held-out Known facts, by the shares of its
training examples that were Known and fitted, and Unknown and fitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragft.analysis.statistics.cr1 import first_coefficient


@dataclass(frozen=True, slots=True)
class Point:
    """A model after an epoch; every field is a share in [0, 1], or None where no such question was asked.

    Attributes:
        fitted_known: Share of the Known training examples answered rightly, greedily; ``fitted_unknown`` likewise.
        held_out_right: Share of held-out Known facts answered rightly; ``held_out_false``: answered with
            something false. For the rest no answer was given.
    """

    epoch: float
    fitted_known: float | None
    fitted_unknown: float | None
    held_out_right: float | None
    held_out_false: float | None


@dataclass(frozen=True, slots=True)
class DoseCurve:
    """One training.

    Attributes:
        unknown_share: Dose of Unknown examples among its samples, in [0, 1].
        points: In the order of epochs, before training first.
    """

    unknown_share: float
    seed: int
    samples: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Slope:
    """How much the share of false answers rises when fitted Unknown examples go from none of the samples to all.

    Attributes:
        low: Lower end of the 95 % interval; NaN where there are too few points.
        runs: Trainings; their points are not independent, so they are the clusters of the interval where there are
            several. With one the interval takes its epochs as independent and is too narrow.
        with_known: Whether the share of fitted Known examples is in the model too.
    """

    value: float
    low: float
    high: float
    runs: int
    points: int
    with_known: bool


def hallucination_slope(curves: Sequence[DoseCurve]) -> Slope | None:
    """Return the slope of false answers over fitted Unknown examples; None where their share never changes."""
    rows = [
        (run, point.fitted_known or 0.0, point.fitted_unknown or 0.0, curve.unknown_share, point.held_out_false)
        for run, curve in enumerate(curves)
        for point in curve.points
        if point.held_out_false is not None
    ]
    if not rows:
        return None
    table = np.array(rows, dtype=np.float64)
    groups, known, unknown = table[:, 0], table[:, 1] * (1 - table[:, 3]), table[:, 2] * table[:, 3]
    if np.ptp(unknown) == 0:
        return None
    ones = np.ones(len(table))
    design = np.column_stack([unknown, ones, known])
    with_known = len(set(table[:, 3])) > 1 and int(np.linalg.matrix_rank(design)) == 3
    slope = first_coefficient(design if with_known else design[:, :2], table[:, 4], groups)
    return Slope(slope.value, *slope.interval(), len(set(groups)), len(table), with_known)


def final_slope(curves: Sequence[DoseCurve]) -> Slope | None:
    """Return the slope over the last epochs alone: one point per run, so the points are independent."""
    ends = [curve.points[-1] for curve in curves if curve.points]
    rows = [
        ((end.fitted_unknown or 0.0) * curve.unknown_share, end.held_out_false)
        for curve, end in zip([curve for curve in curves if curve.points], ends, strict=True)
        if end.held_out_false is not None
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    if len(table) < 2 or np.ptp(table[:, 0]) == 0:
        return None
    design = np.column_stack([table[:, 0], np.ones(len(table))])
    slope = first_coefficient(design, table[:, 1], np.zeros(len(table)))
    return Slope(slope.value, *slope.interval(), len(table), len(table), with_known=False)
