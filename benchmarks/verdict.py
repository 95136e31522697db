"""How often the verdict is wrong: thousands of simulated comparisons in worlds whose truth is known.

Scores are whole numbers from 1 to 5 (or 0 and 1), answers to questions about the same document go up and down
together, and differences are even, skewed, or rare but total losses. Each world is asked with the truth on the
boundary of each claim. A claim holds when the upper end of the 95 % Monte-Carlo interval of its error is at most one
point above the nominal rate; power is as printed when it differs by at most five points, where it is printed as more
than a rough guide (the rule was made after the worlds; --held-out asks for others). Side by side, on the same
studies: the same claim by the BCa bootstrap over clusters and by CR2's t alone, and by leaving out questions without
a score.

    OMP_NUM_THREADS=1 python -m benchmarks.verdict --studies 10000 > benchmarks/results/verdict.txt
    python -m benchmarks.verdict --table benchmarks/results/verdict.txt     # as docs/verdict.md shows it
"""

import argparse
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.bca import bca_bound
from benchmarks.worlds import AT_ONCE, HELD_OUT, WORLDS, SimulatedStudies, World, studies
from ragft.analysis.statistics.bounds import deciding_bound, depth_of_unseen
from ragft.analysis.statistics.clusters import Array, ClusterSums
from ragft.analysis.statistics.cr2 import cr2, t_bound
from ragft.analysis.statistics.resampling import draw, resample
from ragft.analysis.statistics.skewness import hidden_skewness
from ragft.analysis.verdict.power import Spread, chance, doubt, sample_of, smallest_difference

ALPHA = 0.025
# (resamples + 1) alpha and (resamples + 1) alpha / 2 are whole numbers, so that few resamples add no error.
RESAMPLES = 799
PARTS = ("totals", "squares", "sizes")


@dataclass(frozen=True)
class StudyBounds:
    """Deciding bounds of one criterion in a chunk of studies: at alpha, at alpha / 2, and the upper one."""

    low: Array
    low_half: Array
    high: Array


def decide(study: SimulatedStudies, extreme: float, rng: np.random.Generator) -> StudyBounds:
    """Return what the gate sees."""
    weights = draw(study.against.totals.shape[1], RESAMPLES, rng)
    against = resample(study.against, weights)
    in_favour = against if study.in_favour is study.against else resample(study.in_favour, weights)
    return StudyBounds(
        deciding_bound(study.against, against, ALPHA, extreme),
        deciding_bound(study.against, against, ALPHA / 2, extreme),
        deciding_bound(study.in_favour, in_favour, 1 - ALPHA, extreme),
    )


def superior(one: StudyBounds, other: StudyBounds) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which of two criteria are shown to be better, by Holm's procedure."""
    first = (one.low_half > 0) | ((one.low > 0) & (other.low_half > 0))
    second = (other.low_half > 0) | ((other.low > 0) & (one.low_half > 0))
    return first, second


def promoted(one: StudyBounds, other: StudyBounds, margin: float) -> npt.NDArray[np.bool_]:
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
        hidden=float(np.minimum(hidden_skewness(sums), 0.0).mean()),
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


def run(world: World, count: int, seed: int, *, power_alone: bool = False) -> tuple[Tally, Printed]:
    """Return what happened in ``count`` studies of each truth."""
    rng = np.random.default_rng(seed)
    tally, plan = Tally(), printed(world, rng)
    if power_alone:
        _power(tally, plan, world, count, rng)
        for (first,) in studies(world, (0.0,), count, rng):
            tally.add("non-inferior", decide(first, world.shape.extreme, rng).low > -world.shape.margin)
        return tally, plan
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
    _power(tally, plan, world, count, rng)
    return tally, plan


def _power(tally: Tally, plan: Printed, world: World, count: int, rng: np.random.Generator) -> None:
    for (first,) in studies(world, (plan.smallest,), count, rng):
        tally.add("power", decide(first, world.shape.extreme, rng).low_half > 0)


def _peers(tally: Tally, world: World, study: SimulatedStudies, rng: np.random.Generator) -> None:
    """Count a gain shown where there is none by other ways to a lower bound."""
    sums = study.observed
    weights = draw(sums.totals.shape[1], RESAMPLES, rng)
    tally.add("BCa", bca_bound(sums, weights, ALPHA) > 0)
    tally.add("CR2", t_bound(sums, cr2(sums), ALPHA) > 0)
    if world.missing:
        tally.add("left out", deciding_bound(sums, resample(sums, weights), ALPHA, world.shape.extreme) > 0)


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
        if name not in tally.counts:
            continue
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
        rough = doubt(len(sizes), plan.spread)
        mark = f"a rough guide: {rough}" if rough else "" if off <= WITHIN else "OFF"
        print(f"  {words:<55} {rate:5.1f} %  [{low:5.1f}, {high:5.1f}]  printed {expected:.1f}  {mark}")
        if off > WITHIN and not rough:
            broken.append(
                f"{world.name} ({sizes.sum()} in {len(sizes)}): {words}, {rate:.1f} % where {expected:.1f} % is printed"
            )
    return broken


COLUMNS = {
    # Column of the table -> the lines of the output it is the largest rate of.
    "false gain": ("a gain is claimed where there is none",),
    "promoted at a boundary": tuple(words for name, words, *_ in CLAIMS if name.startswith("promote")),
    "interval misses": tuple(words for name, words, *_ in CLAIMS if name.startswith("not covered")),
    "false gain, BCa alone": ("peer: a gain claimed by BCa alone, at 2.5 %",),
    "false gain, CR2 t alone": ("peer: a gain claimed by CR2 t alone, at 2.5 %",),
}
HEADING = re.compile(
    r"(?P<name>.+): (?P<questions>\d+) questions in (?P<documents>\d+) documents \(.*, ICC (?P<icc>[\d.]+)"
)
RATE = re.compile(r"  (?P<words>.*?) +(?P<rate>[\d.]+) %  \[ *[\d.]+, +(?P<limit>[\d.]+)\]")


def table_of(output: str) -> list[str]:
    """Return the output of all worlds as a table in Markdown: rates, the upper Monte-Carlo limit in brackets."""
    lines = [f"| world | questions in documents | ICC | {' | '.join(COLUMNS)} |", "|---" * (3 + len(COLUMNS)) + "|"]
    for block in output.split("\n\n"):
        heading = HEADING.match(block)
        if heading is None:
            continue
        rates = {found["words"]: (float(found["rate"]), found["limit"]) for found in RATE.finditer(block)}
        shown = [max(rates[words] for words in wanted) for wanted in COLUMNS.values()]
        cells = " | ".join(f"{rate:.2f} ({limit})" for rate, limit in shown)
        lines.append(
            f"| {heading['name']} | {heading['questions']} in {heading['documents']} | {heading['icc']} | {cells} |"
        )
    return lines


def main() -> None:
    """Run every world and print what happened, or the table of what was printed before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10000, help="per truth and world, a multiple of 250")
    parser.add_argument(
        "--only", type=int, nargs="*", help="numbers of worlds, from 0; each has its own random numbers"
    )
    parser.add_argument("--held-out", action="store_true", help="power alone, in worlds that no rule was made after")
    parser.add_argument("--table", type=Path, help="print the table of this output and simulate nothing")
    options = parser.parse_args()
    if options.table:
        print("\n".join(table_of(options.table.read_text(encoding="utf-8"))))
        return
    worlds = HELD_OUT if options.held_out else WORLDS
    started, broken = time.process_time(), []
    print(f"{options.studies} studies per truth, {RESAMPLES} resamples each\n")
    for number in options.only or range(len(worlds)):
        found = run(worlds[number], options.studies, number + 100 * options.held_out, power_alone=options.held_out)
        broken += report(worlds[number], *found)
        print(f"  ({time.process_time() - started:.0f} s of processor time so far)\n", flush=True)
    print("Does not hold:" if broken else "Everything holds.")
    print("\n".join(broken))


if __name__ == "__main__":
    main()
