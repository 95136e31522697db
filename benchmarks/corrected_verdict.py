"""How often a verdict that people correct is wrong, and how many labels the judge saves.

Studies of `benchmarks.worlds`, whose truth is known: people's differences are the world's, a judge scores all questions
and people a sample of them. The judges are *good* (off by .4 points, root mean square), *unbiased* (by .9), *biased*
(besides, a point too kind to the tuned side in every second question), *useless* (noise) and *adversarial* (it
rewards the tuned side whenever the sides differ, whichever is better). Samples are uniform, or active: asked by what
the judge says of its own uncertainty, which is right for the first three and tells nothing for the others. Every cell
is asked for the false gains, where nothing differs, and for the misses of the 95 % interval, there and where the tuned
side is better.

    OMP_NUM_THREADS=1 python -m benchmarks.corrected_verdict --studies 4000     # goes on where it was stopped
    python -m benchmarks.corrected_verdict --docs                               # into docs/judge.md
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

DOCS = Path(__file__).resolve().parents[1] / "docs/judge.md"
OUTPUT = Path(__file__).with_name("results") / "corrected_verdict.json"
ALPHA = 0.025
RESAMPLES = 799
# All groups are given so many studies, then all so many more.
ROUND = 250
# What is asked for, in percent: of a false gain the upper Monte-Carlo limit, of the interval how often it holds.
NOMINAL, MOST_FALSE, LEAST_COVERED = 2.5, 3.2, 94.5
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


@dataclass(frozen=True)
class Group:
    """Cells that are asked of the same studies."""

    world: int
    judge: str
    better: bool

    @property
    def cells(self) -> list[Cell]:
        """What is asked of them."""
        if self.judge == ALONE:
            return [Cell(self.world, ALONE, "uniform", labels, self.better) for labels in _more_labels(self.world)]
        return [Cell(self.world, self.judge, sample, labels, self.better) for sample in SAMPLES for labels in LABELS]


def _more_labels(world: int) -> list[int]:
    return [labels for labels in MORE_LABELS if labels < MOST_LABELS.get(world, WORLDS[world].sizes.sum())]


def groups() -> list[Group]:
    """Return every group: where nothing differs first."""
    null = [Group(world, judge, better=False) for world in range(len(WORLDS)) for judge in (ALONE, *JUDGES)]
    return [*null, *(Group(world, judge, better=True) for world in range(len(WORLDS)) for judge in JUDGES)]


def cells() -> Iterator[Cell]:
    """Yield every cell."""
    for group in groups():
        yield from group.cells


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


def run(group: Group, count: int, rng: np.random.Generator, found: Mapping[str, Counted]) -> None:
    """Add ``count`` studies to what was found of each cell of a group."""
    world = WORLDS[group.world]
    extreme = world.shape.extreme
    mean = 0.1 * extreme if group.better else 0.0
    for _ in range(count // AT_ONCE):
        people, document = people_of(world, mean, rng)
        same = ((people == 0) & (rng.random(people.shape) < SAME.get(group.world, 0.0))).astype(np.float64)
        judge, unsure = np.zeros(people.shape), np.ones(people.shape)
        if group.judge != ALONE:
            judge, unsure = judge_of(group.judge, people, document, extreme, rng)
        weights = draw(len(world.sizes), RESAMPLES, rng)
        for cell in group.cells:
            doubt = unsure if cell.sample == "active" else np.ones(people.shape)
            probability = inclusion_probabilities(doubt, cell.labels, same=same)
            asked = draw_questions(probability, document, rng)
            corrected = corrected_sums(judge, np.where(asked, people, np.nan), probability, document, same=same)
            drawn = resample(corrected.sums, weights)
            low, high = (
                corrected.share * deciding_bounds(corrected.sums, drawn, [level], extreme, told=corrected.told)[0]
                for level in (ALPHA, 1 - ALPHA)
            )
            counted = found[cell.key]
            counted.studies += len(people)
            counted.above += int((low > mean).sum())
            counted.below += int((high < mean).sum())
            counted.width += float((high - low).sum() / 2)
            counted.weight += float(corrected.weight.sum())


def upper(happened: int, of: int) -> float:
    """Return the exact upper 95 % limit of a rate, in percent."""
    return 100.0 if happened == of else 100 * float(stats.beta.ppf(0.975, happened + 1, of - happened))


def lower(happened: int, of: int) -> float:
    """Return the exact lower 95 % limit of a rate, in percent."""
    return 100 - upper(of - happened, of)


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
    """Return false gains and coverage for each judge and number of labels: over all worlds, and in the worst one."""
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
    """Return the cells that were shown to miss what is asked for, a line each.

    False gains above it by the lower end of the 95 % Monte-Carlo interval, or coverage below it by the upper end.
    """
    lines = []
    for cell in cells():
        if cell.key not in stored:
            continue
        found = _pooled(stored, [cell])
        asked = f"{cell.judge} judge, {cell.sample} sample" if cell.judge != ALONE else ALONE
        what = f"{WORLDS[cell.world].name}, {asked}, {cell.labels} labels"
        if not cell.better and lower(found.above, found.studies) > NOMINAL:
            lines.append(f"{what}: false gains {_with_limit(found)} %")
        if lower(found.above + found.below, found.studies) > 100 - LEAST_COVERED:
            lines.append(f"{what}{', the tuned side better' * cell.better}: covers {_covered(found):.1f} %")
    return lines


def sentences(stored: Stored) -> list[str]:
    """Return what was simulated, and how much of it held, as a paragraph."""
    null = [cell for cell in cells() if cell.key in stored and not cell.better and cell.judge != ALONE]
    studies = sorted({int(stored[cell.key]["studies"]) for cell in null})
    many = f"{studies[0]:,}" if len(studies) == 1 else f"{studies[0]:,} to {studies[-1]:,}"
    within = sum(upper(found.above, found.studies) <= MOST_FALSE for found in (_pooled(stored, [c]) for c in null))
    everything = _pooled(stored, null)
    shown = misses(stored)
    found = [f"- {line}" for line in shown] or ["- none"]
    return [
        f"{many} studies of each of {len(null)} cells (world, judge, sample, labels); half as many where the tuned",
        f"side is better, for coverage. All together, {_with_limit(everything)} % claim a false gain (2.5 % nominal)",
        f"and {_covered(everything):.1f} % of the intervals hold. In {within} cells the upper Monte-Carlo limit of",
        f"false gains is at most {MOST_FALSE} %. Cells that were shown to miss (false gains above {NOMINAL} %,",
        f"coverage below {LEAST_COVERED} %, by the other end of the Monte-Carlo interval), people alone among them:",
        "",
        *found,
    ]


def write_docs(stored: Stored) -> None:
    """Write the tables into the page that shows them."""
    text = DOCS.read_text(encoding="utf-8")
    for name, lines in parts(stored).items():
        before, start, rest = text.partition(f"<!-- made by benchmarks.corrected_verdict: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        made = "\n".join(lines)
        text = f"{before}{start}\n{made}\n\n{end}{after}"
    DOCS.write_text(text, encoding="utf-8")


def parts(stored: Stored) -> dict[str, list[str]]:
    """Return the name of each part of the page -> its lines."""
    return {"errors": [*error_table(stored), "", *sentences(stored)], "savings": saving_table(stored)}


def _lines(stored: Stored) -> str:
    """Return JSON with a line for each cell."""
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(found)}" for key, found in stored.items()) + "\n}\n"


def main() -> None:
    """Simulate what is missing of every cell, or print the tables of what is stored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=4000, help="of each cell, a multiple of 250")
    parser.add_argument("--docs", action="store_true", help="write the tables of the stored output into docs/judge.md")
    options = parser.parse_args()
    stored = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else {}
    if options.docs:
        write_docs(stored)
        return
    started = time.process_time()
    for studies in range(ROUND, options.studies + 1, ROUND):
        for number, group in enumerate(groups()):
            found = {cell.key: Counted(**stored.get(cell.key, {})) for cell in group.cells}
            done = min(each.studies for each in found.values())
            wanted = studies // 2 // ROUND * ROUND if group.better else studies
            if done < wanted:
                run(group, wanted - done, np.random.default_rng([number, done]), found)
                stored |= {key: vars(each) for key, each in found.items()}
                OUTPUT.write_text(_lines(stored), encoding="utf-8")
                print(f"{studies} {group}: {time.process_time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
