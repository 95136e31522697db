"""How often the verdict is wrong: thousands of simulated comparisons in worlds whose truth is known.

Scores are whole numbers from 1 to 5 (or 0 and 1), answers to questions about the same document go up and down
together, and differences are even, skewed, or rare but total losses. Each world is asked with the truth on the
boundary of each claim. A claim holds when the upper end of the 95 % Monte-Carlo interval of its error is at most one
point above the nominal rate. Side by side, on the same studies: the same claim by the BCa bootstrap over clusters and
by CR2's t alone, and by leaving out questions without a score.

    OMP_NUM_THREADS=1 python -m benchmarks.verdict --studies 10000 > benchmarks/results/verdict.txt
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import ndtri

from ragft.analysis.bounds import deciding_bound, depth_of_unseen
from ragft.analysis.clusters import Array, ClusterSums
from ragft.analysis.cr2 import cr2, t_bound
from ragft.analysis.power import Spread, chance, sample_of, smallest_difference
from ragft.analysis.resampling import bca_bound, draw, resample

ALPHA = 0.025
MARGIN_SHARE = 0.05
# (resamples + 1) alpha and (resamples + 1) alpha / 2 are whole numbers, so that few resamples add no error.
RESAMPLES = 799
AT_ONCE = 250
PARTS = ("totals", "squares", "sizes")
BETWEEN_CRITERIA = 0.6
MISSING = 0.01


@dataclass(frozen=True)
class Shape:
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


EVEN = Shape({1: 0.7, 2: 0.25, 3: 0.05}, {1: 0.7, 2: 0.25, 3: 0.05}, changed=0.6)
SKEWED = Shape({1: 0.35, 2: 0.25, 3: 0.2, 4: 0.2}, {1: 0.85, 2: 0.15}, changed=0.4)
HARDLY = Shape({1: 0.7, 2: 0.25, 3: 0.05}, {1: 0.7, 2: 0.25, 3: 0.05}, changed=0.03)
RARE = Shape({4: 1.0}, {1: 1.0}, changed=0.12)
RARE_GAIN = Shape({1: 1.0}, {4: 1.0}, changed=0.12)
YES_NO = Shape({1: 1.0}, {1: 1.0}, changed=0.2, top=1)


@dataclass(frozen=True)
class World:
    """Where studies come from.

    Attributes:
        documents: Per study, each with 1 + geometric questions of mean ``questions``; always the same sizes.
        correlation: Between the latent scores of questions of a document.
        missing: "" for none, "random", or "worst": the version's worst answers are the ones without a score.
    """

    name: str
    shape: Shape
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
)


@dataclass(frozen=True)
class Study:
    """One criterion in many studies: differences as observed, and imputed against and for the version."""

    observed: ClusterSums
    against: ClusterSums
    in_favour: ClusterSums


def studies(
    world: World, means: tuple[float, ...], count: int, rng: np.random.Generator
) -> Iterator[tuple[Study, ...]]:
    """Yield chunks of studies, one `Study` per mean; the criteria's scores are correlated."""
    sizes = world.sizes
    document = np.repeat(np.arange(len(sizes)), sizes)
    for _ in range(count // AT_ONCE):
        made, latent = [], np.zeros((AT_ONCE, len(document)), dtype=np.float32)
        for index, mean in enumerate(means):
            share = BETWEEN_CRITERIA if index else 0.0
            latent = share * latent + np.sqrt(1 - share**2) * _latent(world.correlation, document, rng)
            values, probabilities = world.shape.distribution(mean)
            cuts = ndtri(np.minimum(np.cumsum(probabilities)[:-1], 1.0)).astype(np.float32)
            made.append(_study(world, values[np.searchsorted(cuts, latent)], sizes, rng))
        yield tuple(made)


def _latent(correlation: float, document: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    common = rng.standard_normal((AT_ONCE, document[-1] + 1), dtype=np.float32)[:, document]
    own = rng.standard_normal((AT_ONCE, len(document)), dtype=np.float32)
    return np.float32(correlation**0.5) * common + np.float32((1 - correlation) ** 0.5) * own


def _study(world: World, gains: Array, sizes: npt.NDArray[np.int64], rng: np.random.Generator) -> Study:
    if not world.missing:
        sums = _sums(gains, np.ones_like(gains), sizes)
        return Study(sums, sums, sums)
    order = gains if world.missing == "worst" else rng.random(gains.shape)
    lost = np.zeros(gains.shape, dtype=bool)
    hidden = np.argpartition(order, int(MISSING * gains.shape[1]), axis=1)[:, : int(MISSING * gains.shape[1])]
    np.put_along_axis(lost, hidden, values=True, axis=1)
    # Scores are high: a loss starts from the best score, a gain ends there, a tie is next to it.
    base = np.where(gains < 0, 5.0, np.where(gains > 0, 5.0 - gains, 4.0))
    kept = (~lost).astype(np.float64)
    against, in_favour = np.where(lost, 1.0 - base, gains), np.where(lost, 5.0 - base, gains)
    everything = np.ones_like(gains)
    return Study(_sums(gains, kept, sizes), _sums(against, everything, sizes), _sums(in_favour, everything, sizes))


def _sums(gains: Array, kept: Array, sizes: npt.NDArray[np.int64]) -> ClusterSums:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return ClusterSums(*(np.add.reduceat(column, starts, axis=1) for column in (gains * kept, gains**2 * kept, kept)))


@dataclass(frozen=True)
class Bounds:
    """Deciding bounds of one criterion in a chunk of studies: at alpha, at alpha / 2, and the upper one."""

    low: Array
    low_half: Array
    high: Array


def decide(study: Study, extreme: float, rng: np.random.Generator) -> Bounds:
    """Return what the gate sees."""
    weights = draw(study.against.totals.shape[1], RESAMPLES, rng)
    against = resample(study.against, weights)
    in_favour = against if study.in_favour is study.against else resample(study.in_favour, weights)
    return Bounds(
        deciding_bound(study.against, against, ALPHA, extreme),
        deciding_bound(study.against, against, ALPHA / 2, extreme),
        deciding_bound(study.in_favour, in_favour, 1 - ALPHA, extreme),
    )


def superior(one: Bounds, other: Bounds) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which of two criteria are shown to be better, by Holm's procedure."""
    first = (one.low_half > 0) | ((one.low > 0) & (other.low_half > 0))
    second = (other.low_half > 0) | ((other.low > 0) & (one.low_half > 0))
    return first, second


def promoted(one: Bounds, other: Bounds, margin: float) -> npt.NDArray[np.bool_]:
    """Return in which studies the gate promotes; no slices, a judge to rely on."""
    better = np.logical_or(*superior(one, other))
    worse = (one.high < 0) | (other.high < 0)
    return np.asarray(better & ~worse & (one.low > -margin) & (other.low > -margin))


class Tally:
    """Counts of events by name, each over the same number of studies."""

    def __init__(self) -> None:
        """Start empty."""
        self.counts: dict[str, tuple[int, int]] = {}

    def add(self, name: str, events: npt.NDArray[np.bool_]) -> None:
        """Count the studies in which it happened."""
        happened, of = self.counts.get(name, (0, 0))
        self.counts[name] = (happened + int(events.sum()), of + len(events))

    def rate(self, name: str) -> tuple[float, float, float]:
        """Return the rate and its exact 95 % limits, in percent."""
        happened, of = self.counts[name]
        low = stats.beta.ppf(0.025, happened, of - happened + 1) if happened else 0.0
        high = stats.beta.ppf(0.975, happened + 1, of - happened) if happened < of else 1.0
        return 100 * happened / of, 100 * float(low), 100 * float(high)


@dataclass(frozen=True)
class Printed:
    """What is printed before a comparison of such a world, in percent and score points."""

    smallest: float
    chance_at_margin: float
    chance_at_smallest: float
    spread: Spread


def spread(world: World, mean: float, rng: np.random.Generator) -> Spread:
    """Return the spread at a true mean, as a very large dev split would show it."""
    found = [study for chunk in studies(world, (mean,), 8 * AT_ONCE, rng) for study in chunk]
    sums = ClusterSums(*(np.vstack([getattr(each.observed, part) for each in found]) for part in PARTS))
    against = np.vstack([each.against.totals for each in found]).sum(axis=1) / world.sizes.sum()
    residuals = sums.totals - sums.sizes * sums.mean[:, None]
    skew = float((residuals**3).mean() / (residuals**2).mean() ** 1.5)
    icc = float(np.nan_to_num(np.mean(sums.icc)))
    cost = float(np.mean(sums.mean - against))
    return Spread(
        sd=float(np.sqrt(np.mean(sums.sd**2))),
        icc=icc,
        source="simulation",
        skew=skew,
        cost=cost,
        losing=float((sums.totals < 0).mean()),
        unseen=float(np.median(depth_of_unseen(sums, world.shape.extreme))),
    )


def printed(world: World, rng: np.random.Generator) -> Printed:
    """Return the power as it would be printed, each from the spread of the truth it speaks of."""
    alike = spread(world, 0.0, rng)
    smallest, sample = 0.0, sample_of(world.sizes, alike)
    for _ in range(4):  # the spread depends on the difference, and the difference on the spread
        found = smallest_difference(sample, ALPHA / 2)
        wanted = world.shape.most if found is None else min(found, world.shape.most)
        smallest = wanted if smallest == 0 else (smallest + wanted) / 2
        sample = sample_of(world.sizes, spread(world, smallest, rng))
    at_margin = chance(world.shape.margin, sample_of(world.sizes, alike), ALPHA)
    return Printed(smallest, 100 * at_margin, 100 * chance(smallest, sample, ALPHA / 2), alike)


def run(world: World, count: int, seed: int) -> tuple[Tally, Printed]:
    """Return what happened in ``count`` studies of each truth."""
    rng = np.random.default_rng(seed)
    tally, plan = Tally(), printed(world, rng)
    shape, margin = world.shape, world.shape.margin
    large = 0.3 * shape.extreme / 4
    for first, second in studies(world, (0.0, 0.0), count, rng):
        one, other = decide(first, shape.extreme, rng), decide(second, shape.extreme, rng)
        tally.add("promote at no difference", promoted(one, other, margin))
        tally.add("any superior at no difference", np.logical_or(*superior(one, other)))
        tally.add("not covered", (one.low > 0) | (one.high < 0))
        tally.add("low at 0", one.low > 0)
        tally.add("worse", one.high < 0)
        tally.add("non-inferior", one.low > -margin)
        _peers(tally, world, first, rng)
    for first, second in studies(world, (0.0, large), count, rng):
        one, other = decide(first, shape.extreme, rng), decide(second, shape.extreme, rng)
        tally.add("superior", superior(one, other)[0])
    for first, second in studies(world, (-margin, large), count, rng):
        one, other = decide(first, shape.extreme, rng), decide(second, shape.extreme, rng)
        tally.add("promote at margin", promoted(one, other, margin))
        tally.add("non-inferior at margin", one.low > -margin)
        tally.add("not covered at margin", (one.low > -margin) | (one.high < -margin))
    for first, second in studies(world, (0.0, -margin), count, rng):
        one, other = decide(first, shape.extreme, rng), decide(second, shape.extreme, rng)
        tally.add("promote at both", promoted(one, other, margin))
    for (first,) in studies(world, (plan.smallest,), count, rng):
        tally.add("power", decide(first, shape.extreme, rng).low_half > 0)
    return tally, plan


def _peers(tally: Tally, world: World, study: Study, rng: np.random.Generator) -> None:
    """Count a gain shown where there is none by other ways to a lower bound."""
    sums = study.observed
    resamples = resample(sums, draw(sums.totals.shape[1], RESAMPLES, rng))
    tally.add("BCa", bca_bound(sums, resamples, ALPHA) > 0)
    tally.add("CR2", t_bound(sums, cr2(sums), ALPHA) > 0)
    if world.missing:
        tally.add("left out", deciding_bound(sums, resamples, ALPHA, world.shape.extreme) > 0)


CLAIMS = (
    # What is claimed, the nominal rate and the most that the upper limit may be, in percent.
    ("superior", "a gain is claimed where there is none", 2.5, 3.5),
    ("promote at no difference", "promoted, both criteria as before", 5.0, 6.0),
    ("promote at margin", "promoted, one worse by the margin, the other better", 5.0, 6.0),
    ("promote at both", "promoted, one as before, the other worse by the margin", 5.0, 6.0),
    ("not covered", "95 % interval misses no difference", 5.0, 6.0),
    ("not covered at margin", "95 % interval misses a loss by the margin", 5.0, 6.0),
)
WITHIN = 5.0


def report(world: World, tally: Tally, plan: Printed) -> list[str]:
    """Print a world and return what does not hold."""
    sizes = world.sizes
    print(
        f"{world.name}: {sizes.sum()} questions in {len(sizes)} documents (largest {sizes.max()}), "
        f"SD {plan.spread.sd:.2f}, ICC {plan.spread.icc:.2f}, skewness {plan.spread.skew:.1f}"
    )
    broken = []
    for name, words, nominal, most in CLAIMS:
        rate, low, high = tally.rate(name)
        holds = high <= most
        print(
            f"  {words:<55} {rate:5.2f} %  [{low:5.2f}, {high:5.2f}]  nominal {nominal}  {'' if holds else 'NOT HELD'}"
        )
        if not holds:
            broken.append(
                f"{world.name} ({sizes.sum()} in {len(sizes)}): {words}, {rate:.2f} % [{low:.2f}, {high:.2f}]"
            )
    for name, words in (
        ("any superior at no difference", "a gain claimed in any of two"),
        ("worse", "a loss claimed where there is none"),
        ("non-inferior at margin", "non-inferiority claimed at the margin"),
        ("BCa", "peer: a gain claimed by BCa alone, at 2.5 %"),
        ("CR2", "peer: a gain claimed by CR2 t alone, at 2.5 %"),
        ("left out", "peer: a gain claimed, unscored answers left out"),
    ):
        if name in tally.counts:
            rate, low, high = tally.rate(name)
            print(f"  {words:<55} {rate:5.2f} %  [{low:5.2f}, {high:5.2f}]")
    for name, words, expected in (
        ("power", f"power to show a gain of {plan.smallest:.2f}", plan.chance_at_smallest),
        ("non-inferior", "power to show non-inferiority, no difference", plan.chance_at_margin),
    ):
        rate, low, high = tally.rate(name)
        off = max(expected - high, low - expected, 0.0)
        mark = "" if off <= WITHIN else "OFF"
        print(f"  {words:<55} {rate:5.1f} %  [{low:5.1f}, {high:5.1f}]  printed {expected:.1f}  {mark}")
        if off > WITHIN:
            broken.append(
                f"{world.name} ({sizes.sum()} in {len(sizes)}): {words}, {rate:.1f} % where {expected:.1f} % is printed"
            )
    return broken


def main() -> None:
    """Run every world and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10000, help="per truth and world, a multiple of 250")
    parser.add_argument("--only", default="", help="worlds whose name contains this")
    options = parser.parse_args()
    started, broken = time.process_time(), []
    print(f"{options.studies} studies per truth, {RESAMPLES} resamples each\n")
    for number, world in enumerate(WORLDS):
        if options.only in world.name:
            broken += report(world, *run(world, options.studies, seed=number))
            print(f"  ({time.process_time() - started:.0f} s of processor time so far)\n", flush=True)
    print("Does not hold:" if broken else "Everything holds.")
    print("\n".join(broken))


if __name__ == "__main__":
    main()
