"""What makes the interval of a comparison narrower, and what it costs: the table in docs/verdict.md.

It is computed from the scores that `benchmarks/variance_scores.py` keeps, with the product's own bounds: each row is
the 95 % interval of the mean change in accuracy, clustered by documents, beside that of one pass of the judge over the
same questions.

    OMP_NUM_THREADS=1 python -m benchmarks.variance
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.variance_scores import FORMS, MORE, ORDERS, OUTPUT
from ragft.analysis.statistics.clusters import Array, cluster_sums
from ragft.analysis.verdict.effect import Levels, Resampling, bounds
from ragft.analysis.verdict.power import Spread, n_to_show, sample_of, smallest_difference, spread_of

Groups = npt.NDArray[Any]
RANGE, PRIMARIES, ALPHA, WANTED_GAIN = 4.0, 2, 0.025, 0.15
DRAWS = 10


@dataclass(frozen=True)
class Way:
    """One way of measuring the change, on some of the questions.

    Attributes:
        change: Mean change.
        half: Half the width of its interval.
        apart: How far it scores right answers above wrong ones: the unit in which widths can be compared.
        base: The half-width of one pass on the same questions, in its own unit.
        cost: Processor time of a comparison, relative to one pass.
        smallest: The smallest gain found with a chance of 80 %, in points of one pass; None where it was not computed.
            It is that of one pass on all questions, times how this way compares with one pass on its own.
    """

    name: str
    questions: int
    change: float
    half: float
    apart: float
    base: float
    cost: float
    smallest: float | None
    valid: bool = True

    @property
    def relative(self) -> float:
        """The half-width relative to that of one pass, both in the distance between right and wrong answers."""
        return self.half / self.apart / self.base


@dataclass(frozen=True)
class Measured:
    """The stored scores as arrays."""

    stored: Mapping[str, Any]

    @cached_property
    def groups(self) -> Groups:
        """The group of documents of each question, [questions]."""
        return np.array(self.stored["questions"]["groups"])

    @cached_property
    def forms(self) -> Groups:
        """The form of each question, [questions]."""
        return np.array(self.stored["questions"]["forms"])

    def scores(self, name: str, most: int = 0) -> Array:
        """Return both sides' scores, [2, questions]; NaN where there is none."""
        return np.array(self.stored[name]["scores"], dtype=np.float64)[:, : most or None]

    def right(self, most: int = 0) -> Array:
        """Return which answers a rule finds right, [2, questions]."""
        return np.array(self.stored["answers"]["right"], dtype=np.float64)[:, : most or None]

    @property
    def unit(self) -> float:
        """How much higher one pass scores right answers than wrong ones."""
        return apart(self.scores("one pass"), self.right())

    def seconds(self, *names: str) -> float:
        """Return the processor time of measurements, a question."""
        return sum(float(self.stored[name]["seconds"]) / self.asked(name) for name in names)

    def asked(self, name: str) -> int:
        """Return of how many questions something was measured."""
        found = self.stored[name]
        return len((found["scores"] if "scores" in found else found["right"])[0])

    def cost(self, *names: str) -> float:
        """Return the processor time of the measurements, the answers among them, relative to one pass."""
        return self.seconds(*names) / self.seconds("answers", "one pass")


def names_of(groups: Groups) -> list[str]:
    """Return names in the order of the numbers, which is that of the documents in a comparison."""
    return [f"{group:06}" for group in groups]


def interval(gains: Array, groups: Groups) -> tuple[float, float, float]:
    """Return a mean and both ends of its interval, as a comparison gives them."""
    sums = cluster_sums(gains, names_of(groups))
    found = bounds(sums, Resampling().of(sums), RANGE, Levels(ALPHA))
    return float(sums.mean[0]), found.low, found.high


def spread(gains: Array, groups: Groups) -> Spread:
    """Return how the changes vary."""
    return spread_of(gains, names_of(groups), "this comparison", extreme=RANGE)


def apart(scores: Array, right: Array) -> float:
    """Return how much higher right answers score than wrong ones."""
    return float(np.nanmean(scores[right == 1]) - np.nanmean(scores[right == 0]))


def of_gains(measured: Measured, name: str, gains: Array, unit: float, cost: float) -> Way:
    """Return the row of a way that gives each of the first questions a change."""
    many, groups = len(gains), measured.groups[: len(gains)]
    one, whole = (measured.scores("one pass", most) for most in (many, 0))
    change, low, high = interval(gains, groups)
    _, *ends = interval(one[1] - one[0], groups)
    base = apart(one, measured.right(many))
    found = [smallest(gains, groups) / unit, smallest(one[1] - one[0], groups) / base]
    return Way(
        name, many, change, (high - low) / 2, unit, (ends[1] - ends[0]) / 2 / base, cost,
        found[0] / found[1] * smallest(whole[1] - whole[0], measured.groups),
    )  # fmt: skip


def smallest(gains: Array, groups: Groups, times: float = 1) -> float:
    """Return the smallest gain that so many times the questions find with a chance of 80 %, as a comparison says it."""
    sample = sample_of(np.unique(groups, return_counts=True)[1], spread(gains, groups))
    return smallest_difference(sample.of(times * len(gains)), ALPHA / PRIMARIES) or np.nan


def averaged(measured: Measured, name: str, parts: Sequence[str], cost: float) -> Way:
    """Return the row of the mean of several scores of the same answers, on the questions that have all of them."""
    many = min(measured.asked(part) for part in parts)
    scores = np.mean([measured.scores(part, many) for part in parts], axis=0)
    return of_gains(measured, name, scores[1] - scores[0], apart(scores, measured.right(many)), cost)


def with_orders(measured: Measured) -> Array:
    """Return the changes averaged over answers to passages in several orders, [questions]."""
    many = min(measured.asked(name) for name in ORDERS)
    scores = np.mean([measured.scores(name, many) for name in ("one pass", *ORDERS)], axis=0)
    return np.asarray(scores[1] - scores[0])


def within_forms(measured: Measured, gains: Array) -> Array:
    """Return the changes without what the forms of questions differ by; the mean stays.

    For forms whose shares are known, as where they were fixed when the questions were drawn.
    """
    names, place = np.unique(measured.forms[: len(gains)], return_inverse=True)
    means = np.bincount(place, gains) / np.bincount(place)
    lost = np.sqrt((len(gains) - 1) / (len(gains) - len(names)))  # each form's own mean takes a degree of freedom
    return np.asarray(gains.mean() + (gains - means[place]) * lost)


def best_shares(measured: Measured, gains: Array) -> float:
    """Return by how much the error falls where forms are asked by their spread (Neyman 1934), not by their share."""
    _, place = np.unique(measured.forms, return_inverse=True)
    shares = np.bincount(place) / len(place)
    sds = np.array([gains[place == form].std(ddof=1) for form in range(len(shares))])
    return float((shares @ sds) / np.sqrt(shares @ sds**2))


def slope(gains: Array, base: Array) -> float:
    """Return how much the change falls with the base's score."""
    return float(np.cov(gains, base)[0, 1] / base.var(ddof=1))


def with_covariate(measured: Measured, name: str, gains: Array, cost: float) -> Way:
    """Return the row of the change, less what the base's score explains; its mean is known from more questions.

    The base's score is noisy, and the same noise is in the change. That is no harm here: for any fixed slope, the mean
    change less the slope times (base's mean here less its mean on more questions) estimates the same change.
    """
    base, more = measured.scores("one pass", len(gains))[0], measured.scores(MORE)[0]
    extra = np.array(measured.stored["more questions"]["groups"])
    known = slope(gains, base) * len(more) / (len(base) + len(more))
    plain = of_gains(measured, name, gains - known * (base - base.mean()), measured.unit, cost)
    mean, low, high = interval(more, extra)
    error = abs(known) * (high - low) / 2
    part = float(np.hypot(plain.half, error))
    smaller = None if plain.smallest is None else plain.smallest * part / plain.half
    return replace(plain, change=plain.change - known * (base.mean() - mean), half=part, smallest=smaller)


def more_questions(measured: Measured, times: int) -> Way:
    """Return the row of several times as many questions: as many times the groups, drawn with replacement."""
    one = measured.scores("one pass")
    gains, names, rng = one[1] - one[0], np.unique(measured.groups), np.random.default_rng(times)
    members = [np.flatnonzero(measured.groups == name) for name in names]
    halves = []
    for _ in range(DRAWS):
        drawn = [members[place] for place in rng.integers(len(names), size=times * len(names))]
        copies = np.repeat(np.arange(len(drawn)), [len(own) for own in drawn])
        _, low, high = interval(gains[np.concatenate(drawn)], copies)
        halves.append((high - low) / 2)
    plain = of_gains(measured, f"{times} times the questions", gains, measured.unit, float(times))
    found = smallest(gains, measured.groups, times)
    return replace(plain, questions=times * len(gains), half=float(np.mean(halves)), smallest=found)


def rows(measured: Measured) -> list[Way]:
    """Return the rows of the table."""
    one = measured.scores("one pass")
    gains, unit, right = one[1] - one[0], measured.unit, measured.right()
    answers = ("answers", *(f"answers, {name}" for name in ORDERS))
    orders, ordered = with_orders(measured), measured.cost(*answers, "one pass", *ORDERS)
    many = measured.asked(MORE)
    more = 1 + measured.cost(f"answers, {MORE}", MORE)
    ways = ("one pass", *FORMS, "reasoned", "sampled")
    formed = of_gains(measured, "questions stratified by form, in fixed shares", within_forms(measured, gains), unit, 1)
    known = with_covariate(
        measured, "base's score as a covariate, its mean known from as many more", gains[:many], more
    )
    unknown = gains - slope(gains, one[0]) * (one[0] - one[0].mean())
    return [
        averaged(measured, "one pass of the judge, one form", ["one pass"], 1),
        averaged(measured, "one pass, three forms averaged", ["one pass", *FORMS], measured.cost("answers", *ways[:3])),
        averaged(measured, "reasoned once, expected score", ["reasoned"], measured.cost("answers", "reasoned")),
        averaged(measured, "sampled, 10 repeats", ["sampled"], measured.cost("answers", "sampled")),
        averaged(measured, "all of these averaged", ways, measured.cost("answers", *ways)),
        of_gains(measured, "no judge: right or not, by a rule", right[1] - right[0], 1.0, measured.cost("answers")),
        of_gains(measured, "passages in two orders, answers averaged", orders, unit, ordered),
        formed,
        replace(
            formed,
            name="the same, forms asked by how much they vary",
            half=formed.half * best_shares(measured, gains),
            smallest=None,
        ),
        known,
        replace(of_gains(measured, "base's score as a covariate, same questions", unknown, unit, 1), valid=False),
        with_covariate(measured, "two orders, stratified, and the base's mean known", within_forms(measured, orders),
                       ordered + more - 1),
        more_questions(measured, 2),
        more_questions(measured, 4),
    ]  # fmt: skip


COLUMNS = (
    "how", "questions", "change", "half-width, relative", "processor time", "as good as so many questions",
    "smallest gain found",
)  # fmt: skip


def table_of(measured: Measured) -> list[str]:
    """Return the rows as a table in Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for way in rows(measured):
        same = f"{round(len(measured.groups) / way.relative**2, -1):,.0f}" if way.valid else "not valid"
        gain = "" if way.smallest is None or not way.valid else f"{way.smallest:.2f}"
        cells = [way.name, f"{way.questions:,}", f"{way.change:+.3f}", f"{way.relative:.2f}", f"{way.cost:.1f}x"]
        lines.append(f"| {' | '.join([*cells, same, gain])} |")
    return lines


def sentence(measured: Measured) -> str:
    """Return what the questions of the test split can show of this pair."""
    one = measured.scores("one pass")
    gains = one[1] - one[0]
    change, low, high = interval(gains, measured.groups)
    sizes = np.unique(measured.groups, return_counts=True)[1]
    sample = sample_of(sizes, spread(gains, measured.groups))
    found, needed = smallest(gains, measured.groups), n_to_show(WANTED_GAIN, sample, ALPHA / PRIMARIES)
    return (
        f"Accuracy changes by {change:+.3f} ({low:+.3f} to {high:+.3f}) on {len(gains):,} questions in {len(sizes)} "
        f"groups. The smallest gain found with a chance of 80 % is {found:.2f}; to find {WANTED_GAIN} "
        f"takes {needed:,} questions."
    )


def main() -> None:
    """Print the table and the sentence."""
    measured = Measured(json.loads(OUTPUT.read_text(encoding="utf-8")))
    print("\n".join([*table_of(measured), "", sentence(measured)]))


if __name__ == "__main__":
    main()
