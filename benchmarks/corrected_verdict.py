"""How often a verdict that people correct is wrong, and how many labels the judge saves.

Studies of `benchmarks.worlds`, whose truth is known: people's differences are the world's, a judge scores all questions
and people a sample of them. The judges are *good* (off by .4 points, root mean square), *unbiased* (by .9), *biased*
(besides, a point too kind to the tuned side in every second question), *useless* (noise) and *adversarial* (it rewards
the tuned side whenever the sides differ, whichever is better). Samples are uniform, or active: asked by what the judge
says of its own uncertainty, which is right for the first three and tells nothing for the others. Every cell is asked for
the false gains, where nothing differs, and for the misses of the 95 % interval, there and where the tuned side is better.

    OMP_NUM_THREADS=1 python -m benchmarks.corrected_verdict --studies 4000     # goes on where it was stopped
    python -m benchmarks.corrected_verdict --table                              # as docs/judge.md shows it
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import ndtri

from benchmarks.worlds import AT_ONCE, EVEN, RARE, SKEWED, YES_NO, World, latent_scores
from ragft.analysis.statistics.bounds import deciding_bounds
from ragft.analysis.statistics.clusters import Array
from ragft.analysis.statistics.corrected import corrected_sums
from ragft.analysis.statistics.label_sampling import draw_questions, inclusion_probabilities
from ragft.analysis.statistics.resampling import draw, resample

OUTPUT = Path(__file__).with_name("results") / "corrected_verdict.json"
ALPHA = 0.025
RESAMPLES = 799
# What is asked for, in percent: of a false gain the upper Monte-Carlo limit, of the interval how often it holds.
MOST_FALSE, LEAST_COVERED = 3.2, 94.5
WORLDS = (
    World("even", EVEN, 250, 4, 0.2),
    World("skewed", SKEWED, 250, 4, 0.2),
    World("rare total loss", RARE, 250, 4, 0.2),
    World("yes or no", YES_NO, 250, 4, 0.3),
    World("skewed, few documents", SKEWED, 60, 5, 0.3),
    World("rare total loss, most answers the same", RARE, 250, 4, 0.2),
)
# World -> how many of the ties are answers that are the same, which nobody is asked about.
SAME = {5: 0.8}
JUDGES = ("good", "unbiased", "biased", "useless", "adversarial")
SAMPLES = ("uniform", "active")
LABELS = (20, 30, 50, 100, 200)
# People alone, up to where more labels would be all questions.
ALONE, MORE_LABELS = "people alone", (20, 30, 50, 100, 200, 300, 500)
# World -> as many labels as there are questions that need asking, where that is fewer than all.
MOST_LABELS = {5: 300}
# Of every 100 questions the judge is unsure in 30, and off by five times as much there.
SURE, UNSURE, SHARE_UNSURE = 0.3, 1.5, 0.3
# The judge's errors go together within a document a little, like everything else.
ERRORS_TOGETHER = 0.2


@dataclass(frozen=True)
class Cell:
    """What is simulated together; ``judge`` may be people alone."""

    world: int
    judge: str
    sample: str
    labels: int
    better: bool

    @property
    def key(self) -> str:
        """Its name in the stored output."""
        truth = "better" if self.better else "no difference"
        return f"{self.world}|{self.judge}|{self.sample}|{self.labels}|{truth}"


@dataclass
class Counted:
    """What happened in the studies of a cell; ``width`` is the sum of the intervals' half-widths."""

    studies: int = 0
    above: int = 0
    below: int = 0
    width: float = 0.0
    weight: float = 0.0


def cells() -> Iterator[Cell]:
    """Yield every cell: where nothing differs first."""
    for better in (False, True):
        for world in range(len(WORLDS)):
            for labels in MORE_LABELS:
                if not better and labels < MOST_LABELS.get(world, WORLDS[world].sizes.sum()):
                    yield Cell(world, ALONE, "uniform", labels, better)
            for judge in JUDGES:
                for sample in SAMPLES:
                    for labels in LABELS:
                        yield Cell(world, judge, sample, labels, better)


def people_of(world: World, mean: float, rng: np.random.Generator) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return people's differences, [studies, questions], and each question's document."""
    document = np.repeat(np.arange(len(world.sizes)), world.sizes)
    values, probabilities = world.shape.distribution(mean)
    cuts = ndtri(np.minimum(np.cumsum(probabilities)[:-1], 1.0)).astype(np.float32)
    return values[np.searchsorted(cuts, latent_scores(world.correlation, document, rng))], document


def judge_of(
    kind: str, people: Array, document: npt.NDArray[np.int64], extreme: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the judge's differences, and how unsure it says it is, both [studies, questions]."""
    unit = extreme / 4
    unsure = np.where(rng.random(people.shape) < SHARE_UNSURE, UNSURE, SURE) * unit
    error = unsure * latent_scores(ERRORS_TOGETHER, document, rng)
    if kind == "good":
        judge = people + 0.5 * error
    elif kind == "unbiased":
        judge = people + error
    elif kind == "biased":
        judge = people + error + unit * (rng.random(people.shape) < 0.5)
    elif kind == "useless":
        judge = error
    else:
        judge = np.abs(people) + 0.5 * error
    return np.clip(judge, -extreme, extreme), unsure * rng.lognormal(0.0, 0.3, people.shape)


def run(cell: Cell, count: int, rng: np.random.Generator, found: Counted) -> None:
    """Add ``count`` studies of a cell to what was found."""
    world = WORLDS[cell.world]
    extreme = world.shape.extreme
    mean = 0.1 * extreme if cell.better else 0.0
    for _ in range(count // AT_ONCE):
        people, document = people_of(world, mean, rng)
        same = ((people == 0) & (rng.random(people.shape) < SAME.get(cell.world, 0.0))).astype(np.float64)
        judge, unsure = np.zeros(people.shape), np.ones(people.shape)
        if cell.judge != ALONE:
            judge, told = judge_of(cell.judge, people, document, extreme, rng)
            unsure = told if cell.sample == "active" else unsure
        probability = inclusion_probabilities(unsure, cell.labels, same=same)
        asked = draw_questions(probability, document, rng)
        corrected = corrected_sums(judge, np.where(asked, people, np.nan), probability, document, same=same)
        drawn = resample(corrected.sums, draw(len(world.sizes), RESAMPLES, rng))
        low, high = (
            corrected.share * deciding_bounds(corrected.sums, drawn, [level], extreme, told=corrected.told)[0]
            for level in (ALPHA, 1 - ALPHA)
        )
        found.studies += len(people)
        found.above += int((low > mean).sum())
        found.below += int((high < mean).sum())
        found.width += float((high - low).sum() / 2)
        found.weight += float(corrected.weight.sum())


def upper(happened: int, of: int) -> float:
    """Return the exact upper 95 % limit of a rate, in percent."""
    return 100.0 if happened == of else 100 * float(stats.beta.ppf(0.975, happened + 1, of - happened))


Stored = Mapping[str, Mapping[str, float]]


def _pooled(stored: Stored, chosen: Sequence[Cell]) -> Counted:
    found = Counted()
    for cell in chosen:
        each = stored[cell.key]
        found.studies += int(each["studies"])
        found.above += int(each["above"])
        found.below += int(each["below"])
    return found


def error_table(stored: Stored) -> list[str]:
    """Return false gains and coverage for each judge and number of labels: over all worlds, and in the worst of them."""
    lines = [
        "| judge | labels | false gains, % | in the worst world | interval covers, % | in the worst world |",
        "|---" * 6 + "|",
    ]
    done = [cell for cell in cells() if cell.key in stored and cell.judge != ALONE]
    for judge in JUDGES:
        for labels in LABELS:
            chosen = [cell for cell in done if (cell.judge, cell.labels) == (judge, labels)]
            null = [cell for cell in chosen if not cell.better]
            gains, worst_gain = _pooled(stored, null), max((_pooled(stored, [cell]) for cell in null), key=_false)
            all_, worst = _pooled(stored, chosen), min((_pooled(stored, [cell]) for cell in chosen), key=_covered)
            lines.append(
                f"| {judge} | {labels} | {_with_limit(gains)} | {_with_limit(worst_gain)} | {_covered(all_):.1f} | "
                f"{_covered(worst):.1f} |"
            )
    return lines


def _false(found: Counted) -> float:
    return 100 * found.above / found.studies


def _covered(found: Counted) -> float:
    return 100 - 100 * (found.above + found.below) / found.studies


def _with_limit(found: Counted) -> str:
    return f"{_false(found):.2f} ({upper(found.above, found.studies):.2f})"


def half_width(stored: Stored, cell: Cell) -> float:
    """Return the mean half-width of a cell's intervals, in score points."""
    return stored[cell.key]["width"] / stored[cell.key]["studies"]


def labels_for(stored: Stored, world: int, width: float) -> float:
    """Return how many labels of people alone give intervals of such a half-width; infinite above the most simulated.

    Between the numbers that were simulated it is interpolated, on logarithms of both.
    """
    numbers = [n for n in MORE_LABELS if Cell(world, ALONE, "uniform", n, better=False).key in stored]
    widths = [half_width(stored, Cell(world, ALONE, "uniform", n, better=False)) for n in numbers]
    if width < widths[-1]:
        return float("inf")
    return float(np.exp(np.interp(-np.log(width), -np.log(widths), np.log(numbers))))


def saving_table(stored: Stored) -> list[str]:
    """Return how many labels of people alone give the same width, for each world, judge and sample."""
    lines = [
        f"| world | judge | sample | {' | '.join(f'{labels} labels' for labels in LABELS)} |",
        "|---" * (3 + len(LABELS)) + "|",
    ]
    for number, world in enumerate(WORLDS):
        for judge in JUDGES:
            for sample in SAMPLES:
                row = []
                for labels in LABELS:
                    cell = Cell(number, judge, sample, labels, better=False)
                    alone = labels_for(stored, number, half_width(stored, cell))
                    most = max(n for n in MORE_LABELS if Cell(number, ALONE, "uniform", n, better=False).key in stored)
                    row.append(f"above {most}" if alone == float("inf") else f"{alone:.0f}")
                lines.append(f"| {world.name} | {judge} | {sample} | {' | '.join(row)} |")
    return lines


def misses(stored: Stored) -> list[str]:
    """Return the cells in which what is asked for does not hold, a line each."""
    lines = []
    for cell in cells():
        if cell.key not in stored or cell.judge == ALONE:
            continue
        found = _pooled(stored, [cell])
        what = f"{WORLDS[cell.world].name}, {cell.judge}, {cell.sample}, {cell.labels} labels"
        if not cell.better and upper(found.above, found.studies) > MOST_FALSE:
            lines.append(f"{what}: false gains {_with_limit(found)} %")
        if _covered(found) < LEAST_COVERED:
            lines.append(f"{what}{', the tuned side better' * cell.better}: covers {_covered(found):.1f} %")
    return lines


def main() -> None:
    """Simulate what is missing of every cell, or print the tables of what is stored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=4000, help="of each cell, a multiple of 250")
    parser.add_argument("--table", action="store_true", help="print the tables of the stored output")
    options = parser.parse_args()
    stored = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else {}
    if options.table:
        print("\n".join([*error_table(stored), "", *saving_table(stored), "", *misses(stored)]))
        return
    started = time.process_time()
    for number, cell in enumerate(cells()):
        found = Counted(**stored.get(cell.key, {}))
        if found.studies < options.studies:
            run(cell, options.studies - found.studies, np.random.default_rng([number, found.studies]), found)
            stored[cell.key] = vars(found)
            OUTPUT.write_text(json.dumps(stored, indent=0) + "\n", encoding="utf-8")
            print(f"{cell.key}: {time.process_time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
