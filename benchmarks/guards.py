"""How often the whole rule is wrong: two primaries, three guards, slices and missing scores, in simulated studies.

A study has judged scores of two criteria, and of each guard whether the base's and the version's answer does harm.
False answers and false refusals are asked about the same documents as the primaries, and go with them or against them;
forgetting is asked of 200 facts of its own. Every study is decided as a real one: Holm over the gains, Holm over the
claims that reject, safety and non-inferiority without correction, slices that veto, and the rule for missing scores.
Each world is asked with the truth on each boundary of the null, where all else is in the version's favour.

    OMP_NUM_THREADS=1 python -m benchmarks.guards --studies 2000      # goes on where it was stopped
    python -m benchmarks.guards --table                               # as docs/verdict.md shows it
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import ndtri

from benchmarks.worlds import AT_ONCE, EVEN, SKEWED, YES_NO, DifferenceShape, latent_scores, sums_of
from ragft.analysis.statistics.bounds import deciding_bounds
from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.resampling import draw, resample
from ragft.analysis.verdict.effect import Levels, gains_of
from ragft.analysis.verdict.guard_power import guard_power
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING
from ragft.analysis.verdict.missing import impute
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.power import Power
from ragft.analysis.verdict.scale import Scale
from ragft.params import GUARD_MARGIN

Truths = npt.NDArray[np.bool_]
OUTPUT = Path(__file__).with_name("results") / "guards.json"
ALPHA = 0.025
PRIMARIES = ("accuracy", "completeness")
GUARDS = (FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING)
NAMES = (*PRIMARIES, *GUARDS)
HARM = GUARD_MARGIN / 100
# (resamples + 1) alpha / 1, / 2, / 3 and / 5 are whole numbers.
RESAMPLES = 1199
BETWEEN_PRIMARIES = 0.6
FACTS = 200
# Of the harm that the base does, so much is not the version's, and the other way round.
CHURN = 0.3
SLICES, MOST_MISSING, MISSING_ALPHA = 2, 0.01, 0.05
# Studies of which the printed power is looked at.
PRINTED = 50


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


@dataclass(frozen=True)
class Bounds:
    """Of one measure: lower bounds at alpha / 1 and / 2, and upper ones at alpha / 1 to / 5, [ranks, studies]."""

    lows: Array
    highs: Array


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


def bounds_of(asked: Asked, weights: Array) -> Bounds:
    """Return what the rule sees of a measure."""
    extreme = asked.scale.range
    ones = np.ones(asked.base.shape)
    against = sums_of(asked.gains(against=True), ones, asked.sizes)
    drawn = resample(against, weights)
    lows = deciding_bounds(against, drawn, [ALPHA / rank for rank in range(1, len(PRIMARIES) + 1)], extreme)
    if np.isnan(asked.base).any() or np.isnan(asked.version).any():
        against = sums_of(asked.gains(against=False), ones, asked.sizes)
        drawn = resample(against, weights)
    highs = deciding_bounds(against, drawn, [1 - ALPHA / rank for rank in range(1, len(NAMES) + 1)], extreme)
    return Bounds(lows, highs)


def holm(shown: Truths) -> Truths:
    """Return which of m claims are shown, [m, studies]; ``shown`` [m, ranks, studies]: at alpha / 1, / 2, ..."""
    found = np.zeros((shown.shape[0], shown.shape[2]), dtype=bool)
    for _ in range(len(found)):
        left = (~found).sum(axis=0)
        at = np.take_along_axis(shown, np.maximum(left - 1, 0)[None, None, :], axis=1)[:, 0]
        found |= at & (left > 0)
    return found


@dataclass(frozen=True)
class Decided:
    """What is shown in a chunk of studies, [studies] or [measures, studies], and what is decided."""

    superior: Truths
    worse: Truths
    non_inferior: Truths
    harmful: Truths
    safe: Truths
    slipped: Truths
    doubtful: Truths

    @property
    def rejecting(self) -> Truths:
        """Where something rejects, missing scores or not."""
        return np.asarray(self.worse.any(axis=0) | self.harmful.any(axis=0))

    @property
    def rejected(self) -> Truths:
        """Where the verdict is reject."""
        return np.asarray(self.rejecting & ~self.doubtful)

    @property
    def promotable(self) -> Truths:
        """Where the verdict is promote, if no slice vetoes."""
        shown = self.superior.any(axis=0) & self.non_inferior.all(axis=0) & self.safe.all(axis=0)
        return np.asarray(shown & ~self.slipped.any(axis=0) & ~self.rejecting & ~self.doubtful)


def decide(bounds: Sequence[Bounds], margins: Sequence[float], doubtful: Truths) -> Decided:
    """Return what the rule shows; ``bounds`` and ``margins`` in the order of `NAMES`."""
    lows = np.array([each.lows for each in bounds])
    highs = np.array([each.highs for each in bounds])
    limits, first = np.array(margins)[:, None], len(PRIMARIES)
    beyond = np.concatenate([highs[:first] < 0, highs[first:] < -limits[first:, None]])
    against = holm(beyond)
    return Decided(
        superior=holm(lows[:first] > 0),
        worse=against[:first],
        non_inferior=lows[:first, 0] > -limits[:first],
        harmful=against[first:],
        safe=lows[first:, 0] > -limits[first:],
        slipped=highs[:, 0] < 0,
        doubtful=doubtful,
    )


def vetoed(asked: Sequence[Asked], chosen: Truths, rng: np.random.Generator) -> Truths:
    """Return in which of the ``chosen`` studies a slice vetoes; there are two, of 70 % and 30 % of the questions."""
    found = np.zeros(len(chosen), dtype=bool)
    if not chosen.any():
        return found
    sizes = asked[0].sizes
    first = np.random.default_rng(11).random(int(sizes.sum())) < 0.7
    document = np.repeat(np.arange(len(sizes)), sizes)
    for mask in (first, ~first):
        kept = np.bincount(document[mask])
        kept = kept[kept > 0]
        weights = draw(len(kept), RESAMPLES, rng)
        for each in asked[: len(PRIMARIES)]:
            gains = each.gains(against=False)[chosen][:, mask]
            sums = sums_of(gains, np.ones_like(gains), kept)
            level = 1 - ALPHA / (SLICES * len(PRIMARIES))
            high = deciding_bounds(sums, resample(sums, weights), [level], each.scale.range)[0]
            found[chosen] |= high < -0.05 * each.scale.range
    return found


class Counts:
    """Counts of events by name, each over the same number of studies."""

    def __init__(self) -> None:
        """Start empty."""
        self.counts: dict[str, list[int]] = {}

    def add(self, name: str, events: Truths) -> None:
        """Count the studies in which it happened."""
        count = self.counts.setdefault(name, [0, 0])
        count[0] += int(events.sum())
        count[1] += len(events)


def simulate(
    world: GuardWorld, truth: Truth, count: int, rng: np.random.Generator, *, slices: bool = False
) -> tuple[Counts, list[Asked]]:
    """Return what happened in ``count`` studies of a truth, and the guards of the first chunk.

    With ``slices`` the veto is counted in all studies, not only in those that would be promoted.
    """
    counts = Counts()
    first: list[Asked] = []
    margins = [0.05 * world.shape.extreme] * len(PRIMARIES) + [HARM] * len(GUARDS)
    truths = (*truth.gains, *(-rise for rise in truth.rises))
    for asked in chunks(world, truth, count, rng):
        first = first or list(asked[len(PRIMARIES) :])
        weights = {size: draw(size, RESAMPLES, rng) for size in sorted({len(each.sizes) for each in asked})}
        bounds = [bounds_of(each, weights[len(each.sizes)]) for each in asked]
        decided = decide(bounds, margins, np.any([each.doubtful() for each in asked], axis=0))
        vetoes = vetoed(asked, np.ones_like(decided.doubtful) if slices else decided.promotable, rng)
        counts.add("promoted", decided.promotable & ~vetoes)
        counts.add("rejected", decided.rejected)
        counts.add("rejecting", decided.rejecting)
        counts.add("too much missing", decided.doubtful)
        if slices:
            counts.add("vetoed", vetoes)
        counts.add("any gain shown", np.asarray(decided.superior.any(axis=0)))
        for index, name in enumerate(GUARDS):
            counts.add(f"{name} rejects", decided.harmful[index])
            counts.add(f"{name} safe", decided.safe[index])
        for name, each, true in zip(NAMES, bounds, truths, strict=True):
            counts.add(f"{name} missed", (each.lows[0] > true) | (each.highs[0] < true))
    return counts, first


def printed(asked: Asked) -> list[Power]:
    """Return what would be printed of a guard, study by study."""
    labels = tuple(f"d{document:04d}" for document in np.repeat(np.arange(len(asked.sizes)), asked.sizes))
    ids = tuple(f"q{question:05d}" for question in range(len(labels)))
    levels = Levels(ALPHA, len(PRIMARIES), rejecting=len(NAMES))
    studies = zip(asked.base[:PRINTED], asked.version[:PRINTED], strict=True)
    found = [guard_power(Pairs(ids, base, version, labels, asked.scale), HARM, levels) for base, version in studies]
    return [each for each in found if each is not None]


def run(world: GuardWorld, count: int, seed: int) -> dict[str, Any]:
    """Return what happened in ``count`` studies of each truth."""
    rng = np.random.default_rng(seed)
    same = (0.0, 0.0, 0.0)
    found: dict[str, Any] = {
        "name": world.name,
        "questions": int(world.sizes.sum()),
        "documents": world.documents,
        "rates": world.rates,
        "correlation": world.correlation,
        "missing": world.missing,
        "studies": count,
        "counts": {},
        "printed": {},
    }
    counts, guards = simulate(world, Truth((0.0, 0.0), same), count, rng, slices=True)
    found["counts"]["nothing differs"] = counts.counts
    for name, truth in boundaries(world).items():
        found["counts"][name] = simulate(world, truth, count, rng)[0].counts
    every = Truth((0.0, 0.0), (HARM, HARM, HARM))
    found["counts"]["every guard worse by its margin"] = simulate(world, every, count, rng)[0].counts
    few = max(AT_ONCE, count // 4)
    for points in (10, 15, 20):
        truth = Truth((world.large, world.large), (points / 100, 0.0, 0.0))
        found["counts"][f"false answers worse by {points} points"] = simulate(world, truth, few, rng)[0].counts
    found["counts"]["both primaries better"] = simulate(world, Truth((world.large,) * 2, same), few, rng)[0].counts
    for index, (name, asked) in enumerate(zip(GUARDS, guards, strict=True)):
        plans = printed(asked)
        known = [each.smallest_difference for each in plans if each.smallest_difference is not None]
        entry: dict[str, Any] = {
            "safe": float(np.median([each.chance_at_margin for each in plans])),
            "doubt": sorted(each.doubt for each in plans)[len(plans) // 2],
        }
        if 2 * len(known) > len(plans):
            entry["smallest"] = float(np.median(known))
            rises = tuple(entry["smallest"] if place == index else 0.0 for place in range(len(GUARDS)))
            at = simulate(world, Truth((0.0, 0.0), rises), few, rng)[0]  # type: ignore[arg-type]
            entry["rejects"] = at.counts[f"{name} rejects"]
        found["printed"][name] = entry
    return found


def rate(count: Sequence[int]) -> tuple[float, float, float]:
    """Return a rate and its exact 95 % limits, in percent."""
    happened, of = count
    low = stats.beta.ppf(0.025, happened, of - happened + 1) if happened else 0.0
    high = stats.beta.ppf(0.975, happened + 1, of - happened) if happened < of else 1.0
    return 100 * happened / of, 100 * float(low), 100 * float(high)


BOUNDARIES = tuple(boundaries(WORLDS[0]))
TRUTHS = ("nothing differs", *BOUNDARIES)
COLUMNS = (
    "world",
    "questions in documents",
    "base rates",
    "correlation",
    "promoted at a boundary",
    "rejected where nothing differs",
    "rejected, every guard at its margin",
    "interval misses",
    "false answers worse by 10, 15, 20 points: rejected",
    "better in both primaries: promoted",
)


def worst(counts: Mapping[str, Any], truths: Sequence[str], event: str) -> tuple[float, float, float]:
    """Return the largest rate of an event under any of the truths."""
    return max(rate(counts[truth][event]) for truth in truths)


def missed(counts: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return how often the interval of a measure misses, over all truths; that of the worst measure."""
    return max(
        rate([sum(counts[truth][f"{name} missed"][place] for truth in TRUTHS) for place in (0, 1)]) for name in NAMES
    )


def broken(worlds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return which claims about the rule do not hold."""
    found = []
    for world in worlds:
        counts, where = world["counts"], f"{world['name']} ({world['questions']} in {world['documents']})"
        for words, (value, _, high), most, limit in (
            ("promoted at a boundary", worst(counts, BOUNDARIES, "promoted"), 5.0, 5.5),
            ("rejected where nothing differs", rate(counts["nothing differs"]["rejecting"]), 2.5, 3.5),
            ("an interval misses", missed(counts), 5.5, 6.0),
        ):
            if value > most or high > limit:
                found.append(f"{where}: {words} in {value:.2f} % (limit {high:.2f})")
        found += [f"{where}: {words}" for words in off(world)]
    return found


def off(world: Mapping[str, Any]) -> list[str]:
    """Return which printed power is off by more than 5 points without being marked as a rough guide."""
    found = []
    for name, entry in world["printed"].items():
        pairs = [("safe", 100 * entry["safe"], world["counts"]["nothing differs"][f"{name} safe"])]
        if "smallest" in entry:
            pairs.append((f"rejected at {entry['smallest']:.3f}", 80.0, entry["rejects"]))
        for words, expected, count in pairs:
            value, low, high = rate(count)
            if max(expected - high, low - expected) > 5 and not entry["doubt"]:
                found.append(f"{name} {words}: printed {expected:.0f} %, found {value:.0f} %")
    return found


def table_of(worlds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the worlds as a table in Markdown: rates in percent, the upper Monte-Carlo limit in brackets."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for world in worlds:
        counts = world["counts"]
        limited = [
            worst(counts, BOUNDARIES, "promoted"),
            rate(counts["nothing differs"]["rejecting"]),
            rate(counts["every guard worse by its margin"]["rejecting"]),
            missed(counts),
        ]
        harmed = [rate(counts[f"false answers worse by {points} points"]["rejected"])[0] for points in (10, 15, 20)]
        cells = [
            world["name"],
            f"{world['questions']} in {world['documents']}",
            ", ".join(f"{100 * each:.0f}" for each in world["rates"]),
            f"{world['correlation']:g}",
            *(f"{value:.2f} ({high:.2f})" for value, _, high in limited),
            ", ".join(f"{each:.0f}" for each in harmed),
            f"{rate(counts['both primaries better']['promoted'])[0]:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Simulate what the output lacks, or print the table of what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="per boundary and world, a multiple of 250")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of worlds, from 0")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--table", action="store_true", help="print the table of the output and simulate nothing")
    options = parser.parse_args()
    stored = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
    if not options.table:
        started = time.process_time()
        for number in options.only if options.only is not None else range(len(WORLDS)):
            if stored.get(str(number), {}).get("studies") == options.studies:
                continue
            stored[str(number)] = run(WORLDS[number], options.studies, number)
            options.output.write_text(json.dumps(stored, sort_keys=True) + "\n", encoding="utf-8")
            print(f"{WORLDS[number].name}: {time.process_time() - started:.0f} s of processor time so far", flush=True)
    worlds = [stored[number] for number in sorted(stored, key=int)]
    print("\n".join([*table_of(worlds), "", *(broken(worlds) or ["Everything holds."])]))


if __name__ == "__main__":
    main()
