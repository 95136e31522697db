"""How risk goes with coverage: the stricter the threshold, the fewer answers leave, and the fewer of them are wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragft.analysis.statistics.proportions import share_interval
from ragft.analysis.verification.threshold import Checked


@dataclass(frozen=True, slots=True)
class Point:
    """A threshold and the answers above it.

    Attributes:
        threshold: None for every answer that there is, one without a score included.
        leaving: How many leave.
        wrong: How many of them are wrong.
        coverage: The share of all questions that get an answer, in [0, 1].
        risk: The share of these answers that is wrong, in [0, 1].
        low: Lower end of the risk's 95 % interval (`ragft.analysis.statistics.proportions`).
        high: Its upper end.
    """

    threshold: float | None
    leaving: int
    wrong: int
    coverage: float
    risk: float
    low: float
    high: float


def point(checked: Checked, threshold: float | None) -> Point:
    """Return what leaves above a threshold; None lets every answer leave, as without a verifier."""
    known = checked if threshold is not None else Checked(
        np.zeros(len(checked.scores)), checked.wrong, checked.labels, checked.asked
    )  # fmt: skip
    found = known.above(-np.inf if threshold is None else threshold)
    low, high = share_interval(found, checked.rho)
    return Point(threshold, found.n, found.count, found.n / checked.asked, found.share, low, high)


def curve(checked: Checked, thresholds: Sequence[float]) -> list[Point]:
    """Return a point for each threshold, and last that without a verifier."""
    return [*(point(checked, each) for each in thresholds), point(checked, None)]
