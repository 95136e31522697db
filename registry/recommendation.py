"""A decision for whoever has to act on it: what to do, and whether the version is better, safe, and surely so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING, GuardResult, title
from registry.reasons import join, near

HARMS: Mapping[str, str] = {
    FALSE_ANSWERS: "it invents answers",
    FALSE_REFUSALS: "it refuses questions that it could answer",
    FORGETTING: "it forgot what it knew",
}
RIGHT = "right"
UNTRUSTED = "These scores cannot be trusted"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A recommendation and the three questions behind it.

    Attributes:
        title: What to do and why, in a manager's words, without a full stop.
        better: Whether it is better, with each primary's change and interval.
        safe: Whether it does harm, with each guard's rates and interval.
        sure: What all of it rests on.
    """

    title: str
    better: str
    safe: str
    sure: str

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """The three questions with their answers."""
        return ("Better?", self.better), ("Safe?", self.safe), ("Sure enough?", self.sure)


def recommend(comparison: Comparison, outcome: str, faults: Sequence[str], doubts: Sequence[str]) -> Recommendation:
    """Return the summary of a decision.

    Args:
        comparison: What was compared.
        outcome: What was decided.
        faults: Why the scores mean nothing; empty where they mean something.
        doubts: What else keeps the comparison from being relied on.
    """
    return Recommendation(
        _title(comparison, outcome, faults, doubts),
        _better(comparison),
        _safe(comparison),
        _sure(comparison, outcome, [*faults, *doubts]),
    )


def short(name: str) -> str:
    """Return what people call a version: v2 of models:/<name>/2."""
    last = name.rpartition("/")[2]
    return f"v{last}" if last.isdigit() else name


def _title(comparison: Comparison, outcome: str, faults: Sequence[str], doubts: Sequence[str]) -> str:
    claims, version, base = comparison.claims, short(comparison.version), short(comparison.base)
    if outcome == "reject":
        harms = [HARMS.get(name, f"{title(name).lower()} rise") for name in claims.harmful]
        worse = [] if faults else _compared(claims.worse, "fewer", "worse", "its answers are")
        return f"Do not ship {version}: {join([*harms, *worse])}"
    if faults:
        return UNTRUSTED
    if outcome == "promote":
        harm = ", and no harm was found" if comparison.guards else ""
        return f"Ship {version}: {join(_compared(claims.superior, 'more', 'better', 'it is'))}{harm}"
    if outcome == "hold" and not claims.superior:
        return f"Keep {base}: no gain shown"
    if outcome == "hold":
        return f"Keep {base}{_held_back(comparison, version)}"
    fault = "something went wrong in the comparison" if doubts else "these questions are too few to say"
    return f"Keep {base} for now: {fault}"


def _held_back(comparison: Comparison, version: str) -> str:
    claims = comparison.claims
    if comparison.vetoes:
        slices = dict.fromkeys(result.slice.removeprefix("kind ") for result in comparison.vetoes)
        return f": {version} is better on the whole, but worse on the questions {join(_words(list(slices)))}"
    if claims.slipped:
        return f": {version} is better, but {join([title(name).lower() for name in claims.slipped])} got worse"
    if comparison.unknown_harm:
        return f" for now: {version} is better, but whether it invents answers was not measured"
    return f" for now: {version} scores better, but with a judge that is not proven on these data"


def _better(comparison: Comparison) -> str:
    claims = comparison.claims
    start = "No, it is worse" if claims.worse else "Yes" if claims.superior else "No gain is shown"
    return f"{start}: {'; '.join(_primary(result, comparison) for result in comparison.primaries)}."


def _primary(result: Result, comparison: Comparison) -> str:
    name = result.criterion.replace("_", " ")
    if result.effect is None:
        return f"{name} was scored for no question on both sides"
    bounds = result.bounds
    if found := comparison.by_people.get(result.criterion):
        return (
            f"{name} changes by {result.effect.gain:+.2f} ({bounds.low:+.2f} to {bounds.high:+.2f}), by "
            f"{found.scorer} and people's scores of {found.pairs:,} pairs of answers"
        )
    return (
        f"{name} {result.effect.base:.2f} → {result.effect.version:.2f}, a change of {result.effect.gain:+.2f} "
        f"({bounds.low:+.2f} to {bounds.high:+.2f})"
    )


def _safe(comparison: Comparison) -> str:
    measured = [guard for guard in comparison.guards if guard.measured]
    unknown = [title(guard.name).lower() for guard in comparison.guards if not guard.measured]
    if not comparison.guards:
        return "Not asked: no guard was named."
    claims = comparison.claims
    if claims.harmful:
        start, shown = "No", [guard for guard in measured if guard.name in claims.harmful]
    elif claims.unsafe:
        start, shown = "Not certain", [guard for guard in measured if guard.name in claims.unsafe]
    else:
        start, shown = ("Yes" if not comparison.unknown_harm else "Not known"), measured
    said = [_guard(guard, comparison) for guard in shown]
    if unknown:
        said.append(f"{join(unknown)} {'was' if unknown == [FORGETTING] else 'were'} not measured")
    return f"{start}: {'; '.join(said)}."


def _guard(guard: GuardResult, comparison: Comparison) -> str:
    """Return a guard's shares with what they are shares of: "81 %" alone is taken for a share of all answers."""
    name, base, version = title(guard.name).lower(), short(comparison.base), short(comparison.version)
    if guard.effect is None or guard.bounds is None:
        return f"{name} could be told for no question on both sides"
    effect, known = guard.effect, not comparison.of_files
    before, after = (f"{100 * share:.0f} %" for share in (effect.base, effect.version))
    rise = _points(-100 * effect.gain)
    bounds = (-100 * guard.bounds.high, -100 * guard.bounds.low)
    low, high = (_points(each, near(each, 100 * guard.margin)) for each in bounds)
    change = f"{rise} percentage points ({low} to {high}; at most {100 * guard.margin:+g} is allowed)"
    if guard.name == FALSE_ANSWERS:
        asked = (
            f"{effect.n:,} questions {'asked with passages that cannot answer them' if known else 'without an answer'}"
        )
        return f"of {asked}, {base} answered {before} anyway and {version} {after}: {change}"
    if guard.name == FALSE_REFUSALS:
        asked = f"{effect.n:,} questions {'whose passages hold the answer' if known else 'with an answer'}"
        return f"of {asked}, {base} refused {before} and {version} {after}: {change}"
    asked = f"{effect.n:,} questions{' that it was not trained on' if guard.name == FORGETTING else ''}"
    return f"{name} in {before} → {after} of {asked}: {change}"


def _points(value: float, digits: int = 0) -> str:
    """Return points with their sign; 0 has none."""
    return f"{value:+.{digits}f}" if round(value, digits) else "0"


def _sure(comparison: Comparison, outcome: str, problems: Sequence[str]) -> str:
    asked = f"{comparison.questions:,} questions in {comparison.groups}"
    if problems:
        return f"No: {problems[0][:1].lower()}{problems[0][1:]}"
    if outcome == "inconclusive":
        return f"No: {asked} leave open what is said above."
    if comparison.advisory:
        return f"As far as the judge goes: {asked}; {comparison.advisory[0].rstrip('.')}."
    # Who rejects one of several does not fall for the luckiest of them.
    if comparison.tried < 2 or outcome == "reject":
        return f"Yes: {asked}."
    tried = f"{comparison.tried} {'files' if comparison.of_files else 'versions'}"
    return f"Yes, with a warning: {asked}, but {tried} were compared on them, and the luckiest looks better than it is."


def _compared(names: Sequence[str], count: str, how: str, subject: str) -> list[str]:
    """Return what is shown of primaries: fewer (or more) answers right, and worse (or better) in the others."""
    others = [name for name in names if name != RIGHT]
    said = [f"{count} of its answers are right"] if RIGHT in names else []
    return [*said, f"{subject} {how} in {join(_words(others))}"] if others else said


def _words(names: Sequence[str]) -> list[str]:
    return [name.replace("_", " ") for name in names]
