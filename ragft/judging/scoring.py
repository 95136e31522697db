"""From judgements to scores: one row per item, and summaries that count what could not be read."""

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ragft.judging.backend import Estimator, Reply
from ragft.judging.variance import VarianceComponents, spread
from ragft.prompts.criterion import Criterion
from ragft.prompts.reply import read_reason, read_verdict
from ragft.types import Judgement, Score

LEAST_MASS = 0.5
# Probabilities of single precision do not add up to 1 exactly; an expectation beyond that is refused by the store.
ROUNDING = 1e-4
# A repeat that is asked again is kept beside its first reply, as repeat + 1,000 x attempt.
MOST_REPEATS = 1_000
EMPTY = "empty answer: the worst score, without a call"
TOO_LONG = "unscored: too long for the judge's context window"
NOT_APPLICABLE = "not applicable: there are no passages to be faithful to"


@dataclass(frozen=True, slots=True)
class Row:
    """What one criterion's judgements say of one item.

    Attributes:
        score: The mean of the readable repeats.
        values: The readable repeats.
        masses: Probability on legal scores, where it was observed.
        outcomes: What became of the repeats: scored, unreadable, not_offered, refused, cut, low_mass, timed_out,
            too_long; or a single "empty" or "not_applicable", where the judge was not asked.
        served_by: What the judge's server called itself, in each judgement where it said so.
    """

    score: Score
    values: tuple[float, ...] = ()
    masses: tuple[float, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    served_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """A criterion over some items.

    Attributes:
        n: Items to which the criterion applies; ``n_scored + n_unscored``.
        n_empty: How many of the scored ones were empty.
        mean: Mean over the scored items, or None without any.
        mean_mass: Mean probability on legal scores, where it was observed.
        outcomes: What became of the repeats, added up.
    """

    criterion: str
    n: int
    n_scored: int
    n_unscored: int
    n_empty: int
    n_not_applicable: int
    mean: float | None
    mean_mass: float | None
    spread: VarianceComponents
    outcomes: Mapping[str, int]


def judgement_of(key: str, repeat: int, reply: Reply, criterion: Criterion) -> Judgement:
    """Return what is kept of a reply; with less than half of the probability on legal scores there is no score."""
    if reply.probabilities is None:
        read = read_verdict(reply.text, criterion, cut=reply.cut).value
        return Judgement(key, repeat, reply.text, read, reply.mass, reply.served_by)
    value = sum(p * criterion.scores[label] for label, p in zip(criterion.scores, reply.probabilities, strict=True))
    least, most = criterion.ends
    readable = reply.mass is not None and reply.mass >= LEAST_MASS
    if readable and least - ROUNDING <= value <= most + ROUNDING:
        value = min(max(value, least), most)
    text = reply.text or json.dumps(
        dict(zip(criterion.scores, (round(p, 6) for p in reply.probabilities), strict=True))
    )
    return Judgement(key, repeat, text, value if readable else None, reply.mass, reply.served_by)


def unasked(criterion: Criterion, *, empty: bool) -> Row:
    """Return the row of an item that the judge is not asked about: its answer is empty, or nothing applies to it."""
    if empty:
        return Row(Score(criterion.name, criterion.worst, EMPTY), outcomes={"empty": 1})
    return Row(Score(criterion.name, None, NOT_APPLICABLE), outcomes={"not_applicable": 1})


def too_long(criterion: Criterion, repeats: int) -> Row:
    """Return the row of an item that is too long for the judge; a part of it would be another answer."""
    return Row(Score(criterion.name, None, TOO_LONG, n_unscored=repeats), outcomes={"too_long": repeats})


def row_of(criterion: Criterion, found: Sequence[Judgement], repeats: int, estimator: Estimator) -> Row:
    """Return the row of an item from its judgements; some may be missing because they timed out."""
    last = [_last_attempt(found, repeat) for repeat in range(repeats)]
    entries = [entry for entry in last if entry is not None]
    readable = [entry for entry in entries if entry.value is not None]
    values = tuple(entry.value for entry in readable if entry.value is not None)
    outcomes = Counter(_outcome(entry, criterion, estimator) for entry in entries)
    outcomes.update({"timed_out": repeats - len(entries)} if len(entries) < repeats else {})
    score = Score(
        criterion.name,
        statistics.fmean(values) if values else None,
        read_reason(readable[0].reply, criterion) if readable and estimator != "expected_no_rationale" else "",
        n_scored=len(values),
        n_unscored=repeats - len(values),
        spread=_spread(criterion, readable, values, estimator),
    )
    masses = tuple(entry.mass for entry in entries if entry.mass is not None)
    return Row(score, values, masses, dict(outcomes), tuple(entry.served_by for entry in entries if entry.served_by))


def _spread(
    criterion: Criterion, readable: Sequence[Judgement], values: Sequence[float], estimator: Estimator
) -> float:
    """Return how far the judge is from one score: the spread of its repeats, or of its probabilities where it has some.

    The estimator ``expected`` keeps its reason and not its probabilities, so nothing is known of it.
    """
    if estimator != "expected_no_rationale" or not readable:
        return statistics.stdev(values) if len(values) > 1 else 0.0
    try:
        given = json.loads(readable[0].reply)
        scores = [(float(share), criterion.scores[label]) for label, share in given.items()]
        mean = sum(share * score for share, score in scores)
        found = math.sqrt(sum(share * (score - mean) ** 2 for share, score in scores))
    except (ArithmeticError, ValueError, TypeError, AttributeError, KeyError):
        return 0.0  # a served judge wrote something of its own before its score
    return found if found <= criterion.range else 0.0


def _last_attempt(found: Sequence[Judgement], repeat: int) -> Judgement | None:
    """Return the readable judgement of a repeat, else the last of its attempts, else None."""
    attempts = [entry for entry in found if entry.repeat % MOST_REPEATS == repeat]
    return next((entry for entry in attempts if entry.value is not None), attempts[-1] if attempts else None)


def _outcome(entry: Judgement, criterion: Criterion, estimator: Estimator) -> str:
    if entry.value is not None:
        return "scored"
    if estimator != "sampled":
        return "low_mass"
    outcome = read_verdict(entry.reply, criterion).outcome
    return "cut" if outcome == "scored" else outcome


def summarise(criterion: str, rows: Sequence[Row]) -> Summary:
    """Return the summary of a criterion's rows."""
    outcomes = Counter[str]()
    for row in rows:
        outcomes.update(row.outcomes)
    applied = [row for row in rows if "not_applicable" not in row.outcomes]
    values = [row.score.value for row in applied if row.score.value is not None]
    masses = [mass for row in rows for mass in row.masses]
    return Summary(
        criterion=criterion,
        n=len(applied),
        n_scored=len(values),
        n_unscored=len(applied) - len(values),
        n_empty=outcomes["empty"],
        n_not_applicable=outcomes["not_applicable"],
        mean=statistics.fmean(values) if values else None,
        mean_mass=statistics.fmean(masses) if masses else None,
        spread=spread([row.values for row in applied]),
        outcomes=dict(outcomes),
    )
