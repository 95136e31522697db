"""Where a change comes from: the same questions, answered with no passages, good ones, distractors, and retrieved ones.

With d the gain of the version over the base in a context, each question gives a telescoping sum,

    d(retrieved) = d(none) + [d(oracle) - d(none)] + [d(oracle_distractors) - d(oracle)]
                 + [d(retrieved) - d(oracle_distractors)]

whose terms are named memory, use of good context, distractor robustness and retrieval.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from ragft.analysis.statistics.clusters import Array, cluster_sums
from ragft.analysis.statistics.cr2 import interval
from ragft.analysis.verdict.effect import Bounds, Levels, Resampling, bounds
from ragft.analysis.verdict.paired_scores import Pairs

# Context -> question id -> what the version's answer has more of than the base's.
Changes: TypeAlias = Mapping[str, Mapping[str, float]]
ORDER = ("none", "oracle", "oracle_distractors", "retrieved")
# Context in which a term ends -> its name, and what is said when it is above or below 0.
NAMES = {
    "none": ("memory", "its answers without passages score higher", "its answers without passages score lower"),
    "oracle": (
        "use of good context",
        "it makes better use of passages that hold the answer",
        "it makes worse use of passages that hold the answer",
    ),
    "oracle_distractors": (
        "distractor robustness",
        "it is less distracted by passages that do not hold the answer",
        "it is more distracted by passages that do not hold the answer",
    ),
    "retrieved": (
        "retrieval",
        "it copes better with what retrieval finds or misses",
        "it copes worse with what retrieval finds or misses",
    ),
}


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the sum, in score points; above 0 is in favour of the version.

    Attributes:
        name: As in the module's docstring; joined by " and " where a context in between is unavailable.
        value: Mean over the questions.
        low: Lower end of its 95 % interval.
        high: Upper end.
        words: A sentence that says it.
    """

    name: str
    value: float
    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True)
class Attribution:
    """The telescoping sum of one criterion.

    Attributes:
        criterion: Its name.
        contexts: The contexts it runs over, in the order of the sum.
        unavailable: Contexts in which nothing was measured.
        n: Questions scored on both sides in every context of the sum.
        clusters: Connected components of their documents.
        terms: They add up to ``total``.
        total: The gain in the last context.
        lengths: Context -> change of the answers' length, where lengths were given.
        refusals: Context -> change of the share of answers that give none, where that was given: a guess can score
            above a refusal, so a memory that seems to grow may only guess more.
        conclusion: In one sentence, which terms explain the total.
    """

    criterion: str
    contexts: tuple[str, ...]
    unavailable: tuple[str, ...]
    n: int
    clusters: int
    terms: tuple[Term, ...]
    total: Term
    lengths: Mapping[str, Term]
    refusals: Mapping[str, Term]
    conclusion: str


def attribute(
    pairs: Mapping[str, Pairs],
    lengths: Changes,
    refusals: Changes,
    *,
    alpha: float = 0.025,
    resampling: Resampling,
) -> Attribution | None:
    """Return the attribution of one criterion; None with fewer than two contexts or two clusters.

    ``pairs`` is context -> scores; contexts that the module's docstring does not name are left out. ``lengths`` is
    context -> question id -> by how many tokens the version's answer is longer; ``refusals`` is likewise 1.0 where the
    version alone refuses, -1.0 where the base alone does. ``alpha`` is the one-sided error rate of each end of the
    intervals.
    """
    contexts = tuple(context for context in ORDER if context in pairs)
    if len(contexts) < 2:
        return None
    kept = _scored_everywhere({context: pairs[context] for context in contexts})
    ids, labels = kept[contexts[0]].ids, kept[contexts[0]].labels
    if len(set(labels)) < 2:
        return None
    gains = {context: kept[context].gains() for context in contexts}
    criterion = kept[contexts[0]].scale

    def deciding(values: Array, steps: int) -> Bounds:
        sums = cluster_sums(values, labels)
        return bounds(sums, resampling.of(sums), steps * criterion.range, Levels(alpha))

    def beside(changes: Changes, tell: Callable[[Array, Sequence[str], float], Term]) -> dict[str, Term]:
        known = {context: changes[context] for context in contexts if set(ids) <= changes.get(context, {}).keys()}
        return {
            context: tell(np.array([found[name] for name in ids]), labels, alpha) for context, found in known.items()
        }

    first, last = contexts[0], contexts[-1]
    terms = [_term((first,), gains[first], deciding(gains[first], 1))]
    for before, after in pairwise(contexts):
        between = ORDER[ORDER.index(before) + 1 : ORDER.index(after) + 1]
        step = gains[after] - gains[before]
        terms.append(_term(between, step, deciding(step, 2)))
    total = _total(last, gains[last], deciding(gains[last], 1))
    return Attribution(
        criterion=criterion.name,
        contexts=contexts,
        unavailable=tuple(context for context in ORDER if context not in contexts),
        n=len(labels),
        clusters=len(set(labels)),
        terms=tuple(terms),
        total=total,
        lengths=beside(lengths, _length),
        refusals=beside(refusals, _refusals),
        conclusion=conclude(criterion.name, len(labels), terms, total),
    )


def _scored_everywhere(pairs: Mapping[str, Pairs]) -> dict[str, Pairs]:
    """Return the questions that both sides have a score for in every context."""
    complete = {context: each.only(each.complete) for context, each in pairs.items()}
    common = set.intersection(*(set(each.ids) for each in complete.values()))
    return {context: each.only([name in common for name in each.ids]) for context, each in complete.items()}


def conclude(criterion: str, n: int, terms: Sequence[Term], total: Term) -> str:
    """Return one sentence: the total, and which terms explain it: those whose interval lies on the same side of 0."""
    start = (
        f"{criterion} changes by {signed(total.value)} ({signed(total.low)} to {signed(total.high)}) over the {n:,} "
        "questions that every context could ask"
    )
    shown = [term for term in terms if term.low > 0 or term.high < 0]
    if not shown:
        return f"{start}; no single term can be told from 0."
    along = sorted((term for term in shown if term.value * total.value > 0), key=lambda term: -abs(term.value))
    against = sorted((term for term in shown if term.value * total.value <= 0), key=lambda term: -abs(term.value))
    parts = []
    if along:
        parts.append("because of " + " and ".join(f"{term.name} ({signed(term.value)})" for term in along))
    if against:
        parts.append("in spite of " + " and ".join(f"{term.name} ({signed(term.value)})" for term in against))
    return f"{start}, {', '.join(parts)}."


def _term(steps: tuple[str, ...], values: Array, ends: Bounds) -> Term:
    name = " and ".join(NAMES[step][0] for step in steps)
    value = float(np.sort(values).mean())
    shown = f"{name} {signed(value)} ({signed(ends.low)} to {signed(ends.high)})"
    if ends.low <= 0 <= ends.high:
        meaning = "no change can be told from chance"
    else:
        meaning = "; or ".join(NAMES[step][1 if ends.low > 0 else 2] for step in steps)
    return Term(name, value, ends.low, ends.high, f"{shown}: {meaning}")


def _total(context: str, values: Array, ends: Bounds) -> Term:
    value = float(np.sort(values).mean())
    words = f"in all, in the context {context}: {signed(value)} ({signed(ends.low)} to {signed(ends.high)})"
    return Term("total", value, ends.low, ends.high, words)


def _length(change: Array, labels: Sequence[str], alpha: float) -> Term:
    value, low, high = _mean(change, labels, alpha)
    direction = "longer" if low > 0 else "shorter" if high < 0 else "about as long"
    words = f"answers are {direction}: {signed(value, 1)} ({signed(low, 1)} to {signed(high, 1)}) tokens"
    return Term("length", value, low, high, words)


def _refusals(change: Array, labels: Sequence[str], alpha: float) -> Term:
    value, low, high = _mean(change, labels, alpha)
    direction = "more" if low > 0 else "fewer" if high < 0 else "about as many"
    words = f"{direction} answers refuse: {value:+.0%} ({low:+.0%} to {high:+.0%}) of the questions"
    return Term("refusals", value, low, high, words)


def _mean(change: Array, labels: Sequence[str], alpha: float) -> tuple[float, float, float]:
    sums = cluster_sums(change, labels)
    return float(sums.mean[0]), *interval(sums, alpha)


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign; zero has a plus."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text.replace("-", "+")
