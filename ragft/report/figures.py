"""What the forest plot shows, on the page and in the picture that is logged."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from ragft.analysis.verdict.attribution import Attribution
from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.analysis.verdict.guards import GuardResult
from ragft.report.words import CONTEXTS, clean, clip, label

MOST_SLICES = 40


@dataclass(frozen=True, slots=True)
class Track:
    """A line of a forest plot: a change with its interval, in score points; above 0 the version is better.

    Attributes:
        margin: The non-inferiority margin, drawn on the side that is worse; None for a line that has none.
        value: None where nothing was scored.
        vetoes: True where it holds a promotion back.
        harm: True for a rate of harm in percentage points; above 0 the version is worse.
    """

    label: str
    n: int
    value: float | None
    low: float
    high: float
    margin: float | None = None
    vetoes: bool = False
    harm: bool = False

    @property
    def says(self) -> str:
        """Either "better" or "worse" where the interval excludes 0, else "unclear"."""
        if self.value is None or self.low <= 0 <= self.high:
            return "unclear"
        return "better" if (self.low > 0) != self.harm else "worse"

    @property
    def limit(self) -> float | None:
        """Where the margin is drawn; None where there is none."""
        return None if self.margin is None else self.margin if self.harm else -self.margin


@dataclass(frozen=True, slots=True)
class Group:
    """Lines under a heading."""

    title: str
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """Groups of lines on one scale.

    Attributes:
        reach: The scale goes from minus this to this; longer intervals are cut, with an arrow.
        ticks: Values at which the scale is labelled, 0 among them.
        left_out: Results of slices for which there is no room.
        too_small: Slices that are not shown because they are too small to say anything.
    """

    groups: tuple[Group, ...]
    reach: float
    ticks: tuple[float, ...]
    left_out: int = 0
    too_small: int = 0


def forest(comparison: Comparison) -> Forest:
    """Return the criteria, the other contexts and the slices, on a scale that suits the first."""
    design = comparison.design
    whole = [each for each in comparison.results if not each.slice]
    deciding = [each for each in whole if each.context == design.context]
    others = [each for each in whole if each.context != design.context]
    slices = [each for each in comparison.results if each.slice and each.telling]
    small = [each for each in comparison.results if not each.telling]
    groups = [Group("All questions", tuple(track_of(each, label(each.criterion)) for each in deciding))]
    for context in dict.fromkeys(each.context for each in others):
        tracks = tuple(track_of(each, label(each.criterion)) for each in others if each.context == context)
        groups.append(Group(f"With {CONTEXTS.get(context, context)}", tracks))
    for criterion in dict.fromkeys(each.criterion for each in slices):
        own = [each for each in slices if each.criterion == criterion][:MOST_SLICES]
        tracks = tuple(track_of(each, _sort(each.slice)) for each in own)
        groups.append(Group(f"{label(criterion).capitalize()}, by sort of question", tracks))
    shown = sum(len(group.tracks) for group in groups)
    least = max((each.margin for each in deciding), default=0.1)
    reach = reach_of([track for group in groups for track in group.tracks], least)
    left_out = len(comparison.results) - len(small) - shown
    return Forest(tuple(groups), reach, ticks(reach), left_out, len({each.slice for each in small}))


def attribution_forest(attribution: Attribution) -> Forest:
    """Return the terms that add up to a change, and their sum."""
    terms = [Track(each.name, attribution.n, each.value, each.low, each.high) for each in attribution.terms]
    total = attribution.total
    sum_ = Track("in all", attribution.n, total.value, total.low, total.high)
    reach = reach_of([*terms, sum_], 0.1)
    return Forest((Group("", (*terms, sum_)),), reach, ticks(reach))


def _sort(name: str) -> str:
    """Return the name of a slice as words."""
    return clip(clean(name.removeprefix("kind ").replace("_", " ")), 60)


def ticks(reach: float) -> tuple[float, ...]:
    """Return round values in [-reach, reach], at most seven, symmetric about 0."""
    step = 10.0 ** floor(log10(reach))
    step = next(step * share for share in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if reach / (step * share) <= 3.5)
    count = int(reach / step + 1e-9)
    return tuple(step * index for index in range(-count, count + 1))


def track_of(result: Result, name: str) -> Track:
    """Return the line of a result, with the bounds that decide."""
    effect, missing = result.effect, result.missing
    n = missing.asked - missing.dropped
    if effect is None:
        return Track(name, n, None, 0.0, 0.0, result.margin)
    return Track(name, n, effect.gain, result.bounds.low, result.bounds.high, result.margin, result.vetoes)


def rise_of(guard: GuardResult, name: str) -> Track:
    """Return the line of a guard that was measured: by how many percentage points its rate rose."""
    if guard.effect is None or guard.bounds is None:
        raise ValueError(f"{guard.name} was not measured")
    low, high = -100 * guard.bounds.high, -100 * guard.bounds.low
    return Track(name, guard.effect.n, -100 * guard.effect.gain, low, high, 100 * guard.margin, harm=True)


def reach_of(tracks: Sequence[Track], margin: float) -> float:
    """Return a reach that shows every value, and all intervals but the widest quarter."""
    known = [track for track in tracks if track.value is not None]
    widths = sorted(max(abs(track.low), abs(track.high)) for track in known)
    usual = widths[(3 * len(widths)) // 4 if len(widths) > 4 else -1] if widths else 0.0
    values = max((abs(track.value or 0.0) for track in known), default=0.0)
    return 1.08 * max(usual, values, 1.5 * margin)
