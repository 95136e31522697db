"""The worlds that studies of the whole rule are drawn from: scores of two criteria, and harm that goes with them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import ndtri

from benchmarks.worlds import AT_ONCE, EVEN, SKEWED, YES_NO, DifferenceShape, latent_scores
from ragft.analysis.statistics.clusters import Array
from ragft.analysis.verdict.effect import gains_of
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING
from ragft.analysis.verdict.missing import impute
from ragft.analysis.verdict.scale import Scale
from ragft.params.values import GUARD_MARGIN

Truths = npt.NDArray[np.bool_]
ALPHA = 0.025
PRIMARIES = ("accuracy", "completeness")
GUARDS = (FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING)
NAMES = (*PRIMARIES, *GUARDS)
HARM = GUARD_MARGIN / 100
BETWEEN_PRIMARIES = 0.6
FACTS = 200
# Of the harm that the base does, so much is not the version's, and the other way round.
CHURN = 0.3
MOST_MISSING, MISSING_ALPHA = 0.01, 0.05


@dataclass(frozen=True)
class GuardWorld:
    """Where studies come from.

    Attributes:
        shape: Of the primaries' differences.
        documents: Per study, each with 1 + geometric questions, three on average.
        rates: How often the base does harm, in the order of the guards.
        correlation: Between a gain in the primaries and less harm, question by question.
        missing: "" for none, "random", or "worst": the version's worst answers are the ones that cannot be told.
    """

    name: str
    shape: DifferenceShape
    documents: int
    rates: tuple[float, float, float]
    correlation: float
    missing: str = ""

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """How many questions each document has."""
        return np.random.default_rng(7).geometric(1 / 3, size=self.documents).astype(np.int64)

    @property
    def large(self) -> float:
        """A gain of .3 on a scale from 1 to 5."""
        return 0.3 * self.shape.extreme / 4


KINDS = (
    ("even", EVEN, (0.1, 0.1, 0.02), 0.0, ""),
    ("even, guards go with the primaries", EVEN, (0.3, 0.02, 0.1), 0.8, ""),
    ("even, guards go against them", EVEN, (0.02, 0.3, 0.1), -0.8, ""),
    ("skewed", SKEWED, (0.1, 0.3, 0.02), -0.4, ""),
    ("yes or no", YES_NO, (0.3, 0.1, 0.3), 0.4, ""),
    ("even, a few missing", EVEN, (0.1, 0.02, 0.1), 0.0, "random"),
    ("skewed, the worst missing", SKEWED, (0.3, 0.1, 0.1), 0.8, "worst"),
)
WORLDS = tuple(
    GuardWorld(name, shape, documents, rates, correlation, missing)
    for documents in (100, 330)
    for name, shape, rates, correlation, missing in KINDS
)


@dataclass(frozen=True)
class Truth:
    """What is true of a version: the primaries' gains, and by how much each rate of harm rises."""

    gains: tuple[float, float]
    rises: tuple[float, float, float]


@dataclass(frozen=True)
class Asked:
    """One measure in a chunk of studies: both sides [studies, questions], NaN where it is missing, and documents."""

    scale: Scale
    base: Array
    version: Array
    sizes: npt.NDArray[np.int64]

    def gains(self, *, against: bool) -> Array:
        """Return the gains with what is missing imputed against or for the version."""
        scale = self.scale
        base, version = impute(self.base, self.version, worst=scale.worst, best=scale.best, against=against)
        return gains_of(base, version, 1.0 if scale.direction == "higher" else -1.0)

    def doubtful(self) -> Truths:
        """Return in which studies too much is missing, or more on one side than chance explains."""
        base, version = np.isnan(self.base), np.isnan(self.version)
        share = (base | version).mean(axis=1)
        one, other = (base & ~version).sum(axis=1), (version & ~base).sum(axis=1)
        p = np.minimum(1.0, 2 * stats.binom.cdf(np.minimum(one, other), one + other, 0.5))
        return np.asarray((share > MOST_MISSING) | (p < MISSING_ALPHA))


def better(world: GuardWorld) -> tuple[float, float, float]:
    """Return rises at which every guard is safe: half of the harm is gone."""
    first, second, third = (-rate / 2 for rate in world.rates)
    return first, second, third


def boundaries(world: GuardWorld) -> dict[str, Truth]:
    """Return every boundary beyond which promotion would be wrong, with all else in the version's favour."""
    large, margin, safe = world.large, 0.05 * world.shape.extreme, better(world)
    found = {"no primary better": Truth((0.0, 0.0), safe)}
    found["one primary worse by its margin"] = Truth((-margin, large), safe)
    for index, name in enumerate(GUARDS):
        rises = tuple(HARM if place == index else rise for place, rise in enumerate(safe))
        found[f"{name} worse by its margin"] = Truth((large, large), rises)  # type: ignore[arg-type]
    return found


def chunks(world: GuardWorld, truth: Truth, count: int, rng: np.random.Generator) -> Iterator[tuple[Asked, ...]]:
    """Yield chunks of studies, each measure in the order of `NAMES`."""
    sizes = world.sizes
    document = np.repeat(np.arange(len(sizes)), sizes)
    alone = np.ones(FACTS, dtype=np.int64)
    for _ in range(count // AT_ONCE):
        shared = latent_scores(0.2, document, rng)
        own = [latent_scores(0.2, document, rng) for _ in range(3)]
        share, going = BETWEEN_PRIMARIES, world.correlation
        latents = [shared, share * shared + np.sqrt(1 - share**2) * own[0]]
        latents += [going * shared + np.sqrt(1 - going**2) * each for each in own[1:]]
        asked = [
            _scored(world, name, latent, gain, rng)
            for name, latent, gain in zip(PRIMARIES, latents[:2], truth.gains, strict=True)
        ]
        facts = latent_scores(0.0, np.arange(FACTS), rng), latent_scores(0.0, np.arange(FACTS), rng)
        stays = [latent_scores(0.2, document, rng) for _ in range(2)]
        harms: list[tuple[Array, Array]] = [*zip(latents[2:], stays, strict=True), facts]  # type: ignore[list-item]
        for name, latent, rate, rise in zip(GUARDS, harms, world.rates, truth.rises, strict=True):
            asked.append(_harm(world, name, latent, (rate, rise), alone if name == FORGETTING else sizes, rng))
        yield tuple(asked)


def _scored(world: GuardWorld, name: str, latent: Array, gain: float, rng: np.random.Generator) -> Asked:
    values, probabilities = world.shape.distribution(gain)
    gains = _cut(values, probabilities, latent)
    top = float(world.shape.top)
    # Scores are high: a loss starts from the best score, a gain ends there, a tie is next to it.
    base = np.where(gains < 0, top, np.where(gains > 0, top - gains, max(top - 1, 1.0)))
    return _hidden(Asked(Scale(name, top - world.shape.extreme, top), base, base + gains, world.sizes), world, rng)


def _harm(
    world: GuardWorld,
    name: str,
    latents: tuple[Array, Array],
    rates: tuple[float, float],
    sizes: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Asked:
    """Return a guard; ``latents`` say which questions change, and which of the others do harm on both sides."""
    rate, rise = rates
    less = CHURN * rate if rise >= 0 else CHURN * (rate + rise) - rise
    more = less + rise
    gains = _cut(np.array([-1.0, 0.0, 1.0]), np.array([more, 1 - more - less, less]), latents[0])
    stays = latents[1] < ndtri((rate - less) / (1 - more - less))
    base = np.where(gains > 0, 1.0, np.where(gains < 0, 0.0, stays))
    return _hidden(Asked(Scale(name, 1.0, 0.0), base, base - gains, sizes), world, rng)


def _cut(values: Array, probabilities: Array, latent: Array) -> Array:
    cuts = ndtri(np.minimum(np.cumsum(probabilities)[:-1], 1.0)).astype(np.float32)
    return values[np.searchsorted(cuts, latent.astype(np.float32))]


def _hidden(asked: Asked, world: GuardWorld, rng: np.random.Generator) -> Asked:
    """Return the measure with what is missing: 0.1 % of each side, or the version's worst answers, five at most."""
    base, version = asked.base, asked.version
    if world.missing == "random":
        base, version = (np.where(rng.random(side.shape) < 0.001, np.nan, side) for side in (base, version))
    if world.missing == "worst":
        count = min(5, int(MOST_MISSING * base.shape[1]))
        lost = np.argpartition(asked.gains(against=True), count, axis=1)[:, :count]
        version = version.copy()
        np.put_along_axis(version, lost, np.nan, axis=1)
    return Asked(asked.scale, base, version, asked.sizes)
