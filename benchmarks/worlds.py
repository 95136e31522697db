"""Worlds in which the truth about a comparison is known, and studies drawn from them, many at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ragft.analysis.statistics.clusters import Array, ClusterSums

MARGIN_SHARE = 0.05
AT_ONCE = 250
BETWEEN_CRITERIA = 0.6
MISSING = 0.01


@dataclass(frozen=True)
class DifferenceShape:
    """How differences are distributed, given that there is one.

    Attributes:
        losses: Size -> share among the losses; ``gains`` the same among the gains.
        changed: Share of questions whose score changes; more where a mean asks for it.
        top: The best score; the worst is 1, or 0 where the best is 1.
    """

    losses: Mapping[int, float]
    gains: Mapping[int, float]
    changed: float
    top: int = 5

    @property
    def extreme(self) -> float:
        """The range of the scores."""
        return 4.0 if self.top == 5 else 1.0

    @property
    def most(self) -> float:
        """A mean that leaves room for some losses."""
        return 0.8 * sum(size * share for size, share in self.gains.items())

    @property
    def margin(self) -> float:
        """The non-inferiority margin."""
        return MARGIN_SHARE * self.extreme

    def distribution(self, mean: float) -> tuple[Array, Array]:
        """Return the differences and their probabilities such that their mean is exactly ``mean``."""
        loss = sum(size * share for size, share in self.losses.items())
        gain = sum(size * share for size, share in self.gains.items())
        changed = max(self.changed, 1.1 * mean / gain, -1.1 * mean / loss)
        losing = (gain - mean / changed) / (gain + loss)
        probabilities = {0: 1 - changed}
        probabilities |= {-size: changed * losing * share for size, share in self.losses.items()}
        probabilities |= {size: changed * (1 - losing) * share for size, share in self.gains.items()}
        values = sorted(probabilities)
        return np.array(values, dtype=np.float64), np.array([probabilities[value] for value in values])


EVEN = DifferenceShape({1: 0.7, 2: 0.25, 3: 0.05}, {1: 0.7, 2: 0.25, 3: 0.05}, changed=0.6)
SKEWED = DifferenceShape({1: 0.35, 2: 0.25, 3: 0.2, 4: 0.2}, {1: 0.85, 2: 0.15}, changed=0.4)
HARDLY = DifferenceShape({1: 0.7, 2: 0.25, 3: 0.05}, {1: 0.7, 2: 0.25, 3: 0.05}, changed=0.03)
NEXT_TO_NO = DifferenceShape({1: 0.7, 2: 0.25, 3: 0.05}, {1: 0.7, 2: 0.25, 3: 0.05}, changed=0.007)
RARE = DifferenceShape({4: 1.0}, {1: 1.0}, changed=0.12)
RARE_GAIN = DifferenceShape({1: 1.0}, {4: 1.0}, changed=0.12)
YES_NO = DifferenceShape({1: 1.0}, {1: 1.0}, changed=0.2, top=1)


@dataclass(frozen=True)
class World:
    """Where studies come from.

    Attributes:
        documents: Per study, each with 1 + geometric questions of mean ``questions``; always the same sizes.
        correlation: Between the latent scores of questions of a document.
        missing: "" for none, "random", or "worst": the version's worst answers are the ones without a score.
    """

    name: str
    shape: DifferenceShape
    documents: int
    questions: int
    correlation: float = 0.0
    missing: str = ""

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """How many questions each document has."""
        if self.questions == 1:
            return np.ones(self.documents, dtype=np.int64)
        return np.random.default_rng(7).geometric(1 / self.questions, size=self.documents).astype(np.int64)


WORLDS = (
    World("even", EVEN, 300, 1),
    World("even", EVEN, 100, 3, 0.2),
    World("even", EVEN, 40, 4, 0.4),
    World("even", EVEN, 20, 10, 0.2),
    World("even", EVEN, 10, 10, 0.1),
    World("hardly any change", HARDLY, 300, 1),
    World("skewed", SKEWED, 300, 1),
    World("skewed", SKEWED, 100, 3, 0.2),
    World("skewed", SKEWED, 40, 4, 0.2),
    World("skewed", SKEWED, 40, 4, 0.4),
    World("skewed", SKEWED, 20, 10, 0.3),
    World("rare total loss", RARE, 300, 1),
    World("rare total loss", RARE, 100, 3, 0.2),
    World("rare total loss", RARE, 40, 1),
    World("rare total loss", RARE, 20, 10, 0.3),
    World("rare total gain", RARE_GAIN, 100, 3, 0.2),
    World("yes or no", YES_NO, 300, 1),
    World("yes or no", YES_NO, 100, 3, 0.3),
    World("even, 1 % missing", EVEN, 300, 1, missing="random"),
    World("skewed, worst 1 % missing", SKEWED, 300, 1, missing="worst"),
    World("skewed, worst 1 % missing", SKEWED, 100, 3, 0.2, missing="worst"),
    World("next to no change", NEXT_TO_NO, 300, 1),
    World("next to no change", NEXT_TO_NO, 100, 3, 0.2),
    World("rare total loss", RARE, 60, 1),
    World("rare total loss", RARE, 60, 3, 0.5),
    World("rare total loss", RARE, 90, 1),
    World("skewed", SKEWED, 60, 5, 0.3),
)

MILD = DifferenceShape({1: 0.6, 2: 0.4}, {1: 0.7, 2: 0.2, 4: 0.1}, changed=0.5)
SEVERE = DifferenceShape({2: 0.5, 4: 0.5}, {1: 1.0}, changed=0.3)
MOSTLY_TIES = DifferenceShape({1: 0.5, 2: 0.5}, {1: 0.5, 3: 0.5}, changed=0.12)
YES_NO_RARE = DifferenceShape({1: 1.0}, {1: 1.0}, changed=0.08, top=1)
# For the rule that tells figures from rough guides, which was made after the worlds above.
HELD_OUT = (
    World("mild", MILD, 150, 2, 0.1),
    World("mild", MILD, 60, 3, 0.3),
    World("severe losses", SEVERE, 200, 1),
    World("severe losses", SEVERE, 80, 3, 0.3),
    World("severe losses", SEVERE, 45, 5, 0.1),
    World("rare total loss", RARE, 600, 1),
    World("rare total loss", RARE, 250, 2, 0.1),
    World("mostly ties", MOSTLY_TIES, 400, 1),
    World("mostly ties", MOSTLY_TIES, 120, 4, 0.2),
    World("rarely yes or no", YES_NO_RARE, 500, 1),
    World("rarely yes or no", YES_NO_RARE, 150, 3, 0.2),
    World("even", EVEN, 50, 8, 0.3),
)


@dataclass(frozen=True)
class SimulatedStudies:
    """One criterion in many studies: differences as observed, and imputed against and for the version."""

    observed: ClusterSums
    against: ClusterSums
    in_favour: ClusterSums


def studies(
    world: World, means: tuple[float, ...], count: int, rng: np.random.Generator
) -> Iterator[tuple[SimulatedStudies, ...]]:
    """Yield chunks of studies, one `SimulatedStudies` per mean; the criteria's scores are correlated."""
    sizes = world.sizes
    document = np.repeat(np.arange(len(sizes)), sizes)
    for _ in range(count // AT_ONCE):
        made, latent = [], np.zeros((AT_ONCE, len(document)), dtype=np.float32)
        for index, mean in enumerate(means):
            share = BETWEEN_CRITERIA if index else 0.0
            latent = share * latent + np.sqrt(1 - share**2) * latent_scores(world.correlation, document, rng)
            values, probabilities = world.shape.distribution(mean)
            cuts = ndtri(np.minimum(np.cumsum(probabilities)[:-1], 1.0)).astype(np.float32)
            made.append(_study(world, values[np.searchsorted(cuts, latent)], sizes, rng))
        yield tuple(made)


def latent_scores(
    correlation: float, document: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return standard normal scores, [studies, questions]; those of one document go together."""
    common = rng.standard_normal((AT_ONCE, document[-1] + 1), dtype=np.float32)[:, document]
    own = rng.standard_normal((AT_ONCE, len(document)), dtype=np.float32)
    return np.float32(correlation**0.5) * common + np.float32((1 - correlation) ** 0.5) * own


def _study(world: World, gains: Array, sizes: npt.NDArray[np.int64], rng: np.random.Generator) -> SimulatedStudies:
    if not world.missing:
        sums = sums_of(gains, np.ones_like(gains), sizes)
        return SimulatedStudies(sums, sums, sums)
    order = gains if world.missing == "worst" else rng.random(gains.shape)
    lost = np.zeros(gains.shape, dtype=bool)
    hidden = np.argpartition(order, int(MISSING * gains.shape[1]), axis=1)[:, : int(MISSING * gains.shape[1])]
    np.put_along_axis(lost, hidden, values=True, axis=1)
    # Scores are high: a loss starts from the best score, a gain ends there, a tie is next to it.
    base = np.where(gains < 0, 5.0, np.where(gains > 0, 5.0 - gains, 4.0))
    kept = (~lost).astype(np.float64)
    against, in_favour = np.where(lost, 1.0 - base, gains), np.where(lost, 5.0 - base, gains)
    everything = np.ones_like(gains)
    return SimulatedStudies(
        sums_of(gains, kept, sizes), sums_of(against, everything, sizes), sums_of(in_favour, everything, sizes)
    )


def sums_of(gains: Array, kept: Array, sizes: npt.NDArray[np.int64]) -> ClusterSums:
    """Return the sums over documents of so many questions each; ``kept`` is 0.0 where a gain does not count."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return ClusterSums(*(np.add.reduceat(column, starts, axis=1) for column in (gains * kept, gains**2 * kept, kept)))
