"""Guards: rates of harm that a version may not raise, whatever it gains.

A guard has questions of its own: false answers are counted where nothing is to be found, forgetting on facts that the
training never touched. Its numbers go through the same machinery as the primaries': clusters, room for an unseen
document, and what could not be told counted against the version, and for it at the upper bound.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from ragft.analysis.verdict.effect import Bounds, Effect, Levels, Resampling
from ragft.analysis.verdict.guard_power import guard_power
from ragft.analysis.verdict.missing import Missing
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.power import WANTED, Power
from ragft.analysis.verdict.scale import Scale
from ragft.errors import ConfigError, DataError
from ragft.params.values import GUARD_MARGIN, GUARDS

FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING = GUARDS
# A promotion needs these measured. A version that refuses more loses in the primaries; one that makes up answers where
# nothing is to be found does not, since the primaries hardly ask there.
NEEDED = (FALSE_ANSWERS,)


@dataclass(frozen=True, slots=True)
class GuardRates:
    """What a guard saw of both sides.

    Attributes:
        name: Such as `FALSE_ANSWERS`.
        base: Question id -> 1.0 where the base's answer does harm, 0.0 where it does not, None where that could not be
            told.
        version: The same of the version, on the same questions.
        clusters: Question id -> label of its cluster, as `ragft.analysis.statistics.clusters.cluster` gives it.
        margin: How many percentage points the rate may rise; above 0, below 100.
        unmeasured: Why it could not be measured, as the end of a sentence; "" where it was.
    """

    name: str
    base: Mapping[str, float | None] = field(default_factory=dict)
    version: Mapping[str, float | None] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    margin: float = GUARD_MARGIN
    unmeasured: str = ""


@dataclass(frozen=True, slots=True)
class GuardResult:
    """What was found of a guard; all rates are shares of its questions in [0, 1], and a gain is less harm.

    Attributes:
        margin: By how much the rate may rise, as a share.
        missing: What could not be told; None where the guard was not measured.
        effect: What was observed; None too where no question could be told on both sides.
        bounds: The gate decides on these; they hold whatever could not be told. None where it was not measured.
        power: What its questions can show; its ``smallest_difference`` is the smallest worsening that rejects with a
            chance of 80 %, at alpha over the number of claims that reject.
        unmeasured: Why it was not measured, as the end of a sentence; "" where it was.
    """

    name: str
    margin: float
    missing: Missing | None
    effect: Effect | None
    bounds: Bounds | None
    power: Power | None
    unmeasured: str

    @property
    def measured(self) -> bool:
        """True where the guard can say something."""
        return self.bounds is not None


def check_guards(guards: Sequence[GuardRates], taken: Collection[str]) -> None:
    """Refuse guards that cannot be compared; ``taken`` are the names of the primaries.

    Raises:
        ConfigError: If a margin is not above 0 and below 100, or a name stands twice.
        DataError: If a rate is not 0, 1 or None, a question has no row on one side or no cluster, or a guard has
            neither questions nor a reason why not.
    """
    names = [guard.name for guard in guards]
    if twice := sorted({name for name in names if names.count(name) > 1 or name in taken}):
        raise ConfigError(
            f"{', '.join(twice)} is named twice among the guards ({', '.join(names)}) and the primaries "
            f"({', '.join(taken)}): name each measure once, as a guard or as a primary"
        )
    for guard in guards:
        if not (isfinite(guard.margin) and 0 < guard.margin < 100):
            raise ConfigError(
                f"the margin of the guard {guard.name} is {guard.margin:g}, expected percentage points above 0 and "
                f"below 100: by how much the rate may rise, such as {GUARD_MARGIN:g}"
            )
    problems = [problem for guard in guards for problem in _problems(guard)]
    if problems:
        raise DataError("guards cannot be compared: evaluate both sides again, on the same questions", problems)


def pair_guard(guard: GuardRates) -> Pairs:
    """Return both sides of a measured guard, in the order of the ids."""
    ids = tuple(sorted(guard.base))
    columns = [np.array([side[name] for name in ids], dtype=np.float64) for side in (guard.base, guard.version)]
    labels = tuple(guard.clusters[name] for name in ids)
    return Pairs(ids, columns[0], columns[1], labels, Scale(guard.name, worst=1.0, best=0.0))


def guard_result(guard: GuardRates, pairs: Pairs | None, levels: Levels, resampling: Resampling) -> GuardResult:
    """Return what was found of a guard; ``pairs`` is None where it was not measured."""
    margin = guard.margin / 100
    if pairs is None:
        return GuardResult(guard.name, margin, None, None, None, None, guard.unmeasured)
    return GuardResult(
        name=guard.name,
        margin=margin,
        missing=pairs.missing(),
        effect=pairs.effect(levels.alpha, resampling),
        bounds=pairs.bounds(Levels(levels.alpha, rejecting=levels.rejecting), resampling),
        power=guard_power(pairs, margin, levels),
        unmeasured="",
    )


def in_words(name: str, power: Power) -> str:
    """Return what the questions of a guard can show, in a sentence."""
    rise = (
        "no rise, however large,"
        if power.smallest_difference is None
        else f"a rise of {100 * power.smallest_difference:.0f} points or more"
    )
    rough = f" A rough guide only, since {power.doubt}." if power.doubt else ""
    enough = "" if power.n_for_margin is None else f" ({power.n_for_margin:,} questions: {WANTED:.0%})"
    return (
        f"{title(name)}: {power.n:,} questions in {power.clusters:,} independent groups reject {rise} with "
        f"{WANTED:.0%} chance and, where there is no difference, rule out a rise beyond the margin of "
        f"{100 * power.margin:g} points with {power.chance_at_margin:.0%} chance{enough}.{rough}"
    )


def title(name: str) -> str:
    """Return a guard's name as words that open a sentence."""
    return name.replace("_", " ").capitalize()


def _problems(guard: GuardRates) -> list[str]:
    asked = guard.base.keys() | guard.version.keys()
    if guard.unmeasured and asked:
        return [f"{guard.name}: it has {len(asked)} questions and says that it was not measured ({guard.unmeasured})"]
    if not guard.unmeasured and not asked:
        return [f"{guard.name}: it has no question; say in `unmeasured` why it could not be measured"]
    problems = [
        f"{guard.name}: question {name} has no row for the {side}"
        for side, rates in (("base", guard.base), ("version", guard.version))
        for name in sorted(asked - rates.keys())
    ]
    problems += [f"{guard.name}: question {name} has no cluster" for name in sorted(asked - guard.clusters.keys())]
    return problems + [
        f"{guard.name}: question {name} of the {side} is {rate!r}, expected 1 (harm), 0 (none) or None (not told)"
        for side, rates in (("base", guard.base), ("version", guard.version))
        for name, rate in sorted(rates.items())
        if rate not in (0, 1, None)
    ]
