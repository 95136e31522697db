"""What an adapter lost, compared with its base, on questions that it was not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ragft.analysis.statistics.clusters import cluster, cluster_sums
from ragft.analysis.statistics.cr2 import interval
from ragft.types import Question

# Name of a probe -> what it asks, where its name says too little: in a report on other data "known facts" would be read
# as facts of those.
ASKED = {
    "known_facts": "facts of pocket's own made-up world",
    "unknown_refused": "refusing products that are not in pocket's own made-up world",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """One probe, answered by a base and by an adapter on that base.

    Attributes:
        name: Of the probe.
        measure: What the shares are, in words.
        base: Mean score of the base, in [0, 1]; ``adapter`` likewise.
        change: adapter - base, paired by question; below 0 something was lost.
        low: Lower end of its 95 % interval (CR2 over documents); NaN with one document.
    """

    name: str
    measure: str
    n: int
    base: float
    adapter: float
    change: float
    low: float
    high: float

    @property
    def metrics(self) -> dict[str, float]:
        """The change under ``forgetting_<name>``, with its interval, the two sides and n."""
        values = {"": self.change, "_base": self.base, "_adapter": self.adapter, "_n": float(self.n)}
        if not np.isnan(self.low):
            values |= {"_low": self.low, "_high": self.high}
        return {f"forgetting_{self.name}{end}": value for end, value in values.items()}

    @property
    def sentence(self) -> str:
        """The line that a verdict and a card show."""
        return sentence(self.name, self.metrics)


def compare_answers(
    name: str, measure: str, questions: Sequence[Question], base: Mapping[str, float], adapter: Mapping[str, float]
) -> Lost:
    """Return what was lost; ``base`` and ``adapter`` are question id -> score in [0, 1]."""
    labels = cluster(questions).labels
    ids = [question.id for question in questions]
    differences = np.array([adapter[each] - base[each] for each in ids])
    sums = cluster_sums(differences, [labels[each] for each in ids])
    low, high = interval(sums)
    before, after = (float(np.mean([side[each] for each in ids])) for side in (base, adapter))
    return Lost(name, measure, len(ids), before, after, float(sums.mean[0]), low, high)


def sentence(name: str, metrics: Mapping[str, float]) -> str:
    """Return the line of one probe from its logged metrics."""
    key = f"forgetting_{name}"
    interval = ""
    if f"{key}_low" in metrics:
        interval = f" ({metrics[f'{key}_low']:+.3f} to {metrics[f'{key}_high']:+.3f})"
    return (
        f"{ASKED.get(name, name.replace('_', ' '))}, not trained on: {metrics[f'{key}_base']:.3f} -> "
        f"{metrics[f'{key}_adapter']:.3f}, change {metrics[key]:+.3f}{interval}, n={metrics[f'{key}_n']:.0f}"
    )


def sentences(metrics: Mapping[str, float]) -> list[str]:
    """Return a line for each probe among logged metrics, by name."""
    names = sorted(key.removeprefix("forgetting_").removesuffix("_n") for key in metrics if _is_count(key))
    return [sentence(name, metrics) for name in names]


def _is_count(key: str) -> bool:
    return key.startswith("forgetting_") and key.endswith("_n")
