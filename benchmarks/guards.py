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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.guard_worlds import (
    ALPHA,
    GUARDS,
    HARM,
    NAMES,
    PRIMARIES,
    WORLDS,
    Asked,
    GuardWorld,
    Truth,
    Truths,
    boundaries,
    chunks,
)
from benchmarks.worlds import AT_ONCE, sums_of
from ragft.analysis.statistics.bounds import deciding_bounds
from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.resampling import draw, resample
from ragft.analysis.verdict.effect import Levels
from ragft.analysis.verdict.guard_power import guard_power
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.power import Power

OUTPUT = Path(__file__).with_name("results") / "guards.json"
# (resamples + 1) alpha / 1, / 2, / 3 and / 5 are whole numbers.
RESAMPLES = 1199
SLICES = 2
# Studies of which the printed power is looked at.
PRINTED = 50


@dataclass(frozen=True)
class Bounds:
    """Of one measure: lower bounds at alpha / 1 and / 2, and upper ones at alpha / 1 to / 5, [ranks, studies]."""

    lows: Array
    highs: Array


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
