"""What would change a verdict: more questions, another margin, or the documents that carry it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ragft.analysis.statistics.clusters import cluster_sums
from ragft.analysis.verdict.effect import Bounds, Levels, Resampling
from ragft.analysis.verdict.multiplicity import Claims, claim
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.power import n_to_show, sample_of

# Documents tried per criterion: those that move its mean most.
TRIED = 8
# Leaving a document out is a what-if, so fewer resamples do.
RESAMPLES = 1999
# A gain that needs this many times the questions is smaller than its own standard error: nobody knows how large it is,
# and so how many questions it needs. (With a chance of 80 % the mean is 2.8 errors from 0, and 2.8 squared is 8.)
MOST = 10


@dataclass(frozen=True, slots=True)
class TippingPoint:
    """What would change what is shown of one criterion.

    Each ``n_`` field is the number of questions that would show a claim with a chance of 80 %, if the observed gain and
    spread are the true ones. It is None where the gain points the other way, so that no number would do, and where the
    gain is lost in its noise, so that no number can be given. For a claim that is not shown yet, it is larger than the
    number of questions that were asked.

    Attributes:
        flip_margin: Non-inferiority is shown with any margin above this and with none below; 0.0 or less where it is
            shown with every margin.
        n_superior: Questions that show a gain.
        n_non_inferior: Questions that show non-inferiority.
        n_worse: Questions that show a loss.
    """

    flip_margin: float
    n_superior: int | None
    n_non_inferior: int | None
    n_worse: int | None


@dataclass(frozen=True, slots=True)
class Carrier:
    """A cluster and what is shown without it.

    Attributes:
        cluster: Its label.
        questions: How many it has in the measure that asks it most.
        gains: Primary or guard -> mean gain without it.
        claims: What is shown without it.
    """

    cluster: str
    questions: int
    gains: Mapping[str, float]
    claims: Claims


def change(pairs: Pairs, bounds: Bounds, *, margin: float, levels: Levels) -> TippingPoint | None:
    """Return what would change the claims about one criterion; None with fewer than two clusters."""
    sizes = np.unique(pairs.labels, return_counts=True)[1]
    spread, swapped = pairs.spread("this comparison"), pairs.swapped().spread("this comparison")
    if len(sizes) < 2 or spread is None or swapped is None:
        return None
    gain, sample = float(np.nanmean(pairs.gains())), sample_of(sizes, spread)
    asked = len(pairs.ids)

    def needed(questions: int | None, *, shown: bool) -> int | None:
        # The formula takes the spread as known; where it calls a number enough that was not enough, it says nothing.
        if questions is None or questions > MOST * asked or (questions <= asked and not shown):
            return None
        return questions

    return TippingPoint(
        flip_margin=-bounds.low,
        n_superior=needed(n_to_show(gain, sample, levels.alpha / levels.family), shown=bounds.claim_lows[-1] > 0),
        n_non_inferior=needed(n_to_show(gain + margin, sample, levels.alpha), shown=bounds.low > -margin),
        n_worse=needed(
            n_to_show(-gain, sample_of(sizes, swapped), levels.alpha / levels.rejecting),
            shown=bounds.claim_highs[-1] < 0,
        ),
    )


def carriers(
    family: Mapping[str, Pairs],
    margins: Mapping[str, float],
    levels: Levels,
    resampling: Resampling,
    guards: Mapping[str, Pairs] | None = None,
) -> tuple[Carrier, ...]:
    """Return the clusters that move a mean most, ordered by label, each with what is shown without it.

    ``family`` holds the primaries, all of the same questions, ``guards`` the measured guards with questions of their
    own. A document of the primaries is left out of both; what only a guard asks about (a fact) is not tried.
    """
    few, guards = replace(resampling, count=min(resampling.count, RESAMPLES)), guards or {}
    known = set(next(iter(family.values())).labels)
    if len(known) < 3:
        return ()
    everything = {**family, **guards}
    whole = {name: pairs.bounds(levels, few) for name, pairs in guards.items()}
    candidates = sorted({label for pairs in everything.values() for label in _influential(pairs)} & known)
    carried = []
    for label in candidates:
        left = {name: pairs.only(np.asarray(pairs.labels) != label) for name, pairs in everything.items()}
        bounds = {
            name: whole[name] if len(pairs.ids) == len(everything[name].ids) else pairs.bounds(levels, few)
            for name, pairs in left.items()
        }
        gains = {name: float(np.nanmean(pairs.gains())) for name, pairs in left.items() if pairs.complete.any()}
        questions = max(len(everything[name].ids) - len(pairs.ids) for name, pairs in left.items())
        primaries, others = ({name: bounds[name] for name in names} for names in (family, guards))
        carried.append(Carrier(label, questions, gains, claim(primaries, margins, others)))
    return tuple(carried)


def _influential(pairs: Pairs) -> list[str]:
    kept = pairs.only(pairs.complete)
    if len(set(kept.labels)) < 2:
        return []
    sums = cluster_sums(kept.gains(), kept.labels)
    without = (sums.totals.sum() - sums.totals[0]) / (sums.n[0] - sums.sizes[0])
    order = np.argsort(-np.abs(sums.mean[0] - without), kind="stable")
    return [str(np.unique(kept.labels)[index]) for index in order[:TRIED]]
