"""Whether a judge agrees with people, or with a truth that needs none, well enough to decide.

One rule holds for both: at least 30 answers, and the lower end of the rank correlation's 95 % interval is at least .7.
Where no people were asked, a truth that a program knows takes their place, under the criteria that it measures.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

# Below this rank correlation a judge's scores are a hint, not evidence; with fewer rows nothing can be said.
LEAST_SPEARMAN = 0.7
LEAST_ROWS = 30
RESAMPLES = 2_000
COVERAGE = 0.95
PEOPLE, TRUTH = "people", "the programmatic truth"


@dataclass(frozen=True, slots=True)
class Calibration:
    """How one judge, criterion and estimator compare with people on one data set.

    Attributes:
        n: Rows that both scored.
        n_groups: How many groups the rows belong to; whole groups are resampled for the interval.
        spearman: Over all rows, with the mean of the people; None where it cannot be computed.
        low: Lower end of its 95 % percentile interval over resampled groups; None below two groups.
        high: Upper end.
        source: Where people's numbers came from.
        beside: What the judge was compared with: people, or the programmatic truth.
    """

    criterion: str
    n: int
    n_groups: int
    spearman: float | None
    low: float | None
    high: float | None
    source: str
    beside: str = PEOPLE

    @property
    def passed(self) -> bool:
        """Whether the whole interval of the rank correlation is at least .7, over at least 30 rows."""
        return self.n >= LEAST_ROWS and self.low is not None and self.low >= LEAST_SPEARMAN

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        what = f"{self.criterion}: its rank correlation with {self.beside}"
        if self.spearman is None:
            return f"{what} cannot be computed ({self.n} answers)"
        interval = "no interval" if self.low is None else f"95 % interval {self.low:.2f} to {self.high:.2f}"
        told = f"{what} is {self.spearman:.2f}, {interval}, n={self.n}"
        few = f", and {LEAST_ROWS} answers" if self.n < LEAST_ROWS else ""
        return told if self.passed else f"{told}; expected an interval from {LEAST_SPEARMAN} up{few}"

    def as_record(self) -> dict[str, Any]:
        """Return what the store keeps."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Calibration":
        """Return what the store kept."""
        return cls(**record)


def calibrate(
    criterion: str,
    judge: Sequence[float | None],
    people: Sequence[float | None],
    groups: Sequence[Hashable],
    source: str,
    beside: str = PEOPLE,
) -> Calibration:
    """Return the calibration of paired numbers, both oriented alike; rows where either is None are left out."""
    kept = [i for i, pair in enumerate(zip(judge, people, strict=True)) if None not in pair]
    x = np.array([judge[i] for i in kept], dtype=float)
    y = np.array([people[i] for i in kept], dtype=float)
    rows: dict[Hashable, list[int]] = {}
    for position, index in enumerate(kept):
        rows.setdefault(groups[index], []).append(position)
    low, high = _interval(x, y, [np.array(own) for own in rows.values()])
    return Calibration(criterion, len(kept), len(rows), _spearman(x, y), low, high, source, beside)


def reasons_against(
    criteria: Sequence[str], people: Sequence[Calibration], truth: Sequence[Calibration]
) -> tuple[str, ...]:
    """Return why a judge is only advisory on the data, one sentence per reason; empty where every criterion passed.

    Args:
        criteria: Those that were judged.
        people: How it compares with people, where that is known.
        truth: How it compares with the programmatic truth, under the criteria that this measures; it counts where
            people were not asked.
    """
    asked = {calibration.criterion for calibration in people}
    known = [*people, *(calibration for calibration in truth if calibration.criterion not in asked)]
    reasons = [calibration.sentence for calibration in known if not calibration.passed]
    if missing := [name for name in criteria if name not in {calibration.criterion for calibration in known}]:
        reasons.append(f"it was not calibrated against people on this data under {' and '.join(missing)}")
    return tuple(dict.fromkeys(reasons))


def _spearman(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float | None:
    """Return Pearson's r of the mid-ranks; None below three rows or where one side is constant."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))[0, 1])


def _interval(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], groups: Sequence[npt.NDArray[np.int64]]
) -> tuple[float | None, float | None]:
    """Return the percentile bootstrap interval of Spearman's rho over whole groups (Field & Welsh 2007)."""
    if len(groups) < 2:
        return None, None
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        value = _spearman(x[drawn], y[drawn])
        if value is not None:
            found.append(value)
    if len(found) < RESAMPLES / 2:
        return None, None
    low, high = np.quantile(found, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
