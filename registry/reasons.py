"""The sentences in which a decision gives its reasons."""

from collections.abc import Mapping, Sequence

from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.analysis.verdict.effect import Effect
from ragft.analysis.verdict.guards import GuardResult, title
from ragft.analysis.verdict.missing import Missing
from ragft.analysis.verdict.people import in_words
from ragft.analysis.verdict.what_would_change import TippingPoint
from ragft.types import AS_ANSWERED

CHANCE = "with 80 % chance"


def doubts(comparison: Comparison, most_missing: float, missing_alpha: float) -> tuple[str, ...]:
    """Return why the comparison cannot be relied on; empty where it can."""
    doubts = [f"The check {check.name!r} failed: {check.detail}." for check in comparison.checks if not check.passed]
    for result in comparison.primaries:
        doubts += _missing(comparison, name(result), result, most_missing, missing_alpha)
    for guard in comparison.guards:
        doubts += _missing(comparison, title(guard.name), guard, most_missing, missing_alpha)
    return tuple(doubts)


def _missing(
    comparison: Comparison, what: str, found: Result | GuardResult, most_missing: float, missing_alpha: float
) -> list[str]:
    """Return why too much is missing of a primary or a guard, or nothing."""
    missing = found.missing
    if missing is None:
        return []
    judged = isinstance(found, Result)
    if found.effect is None:
        return [f"{what}: no question was scored on both sides." if judged else f"{what}: no answer could be told."]
    counts = (
        f"{what}: {missing.dropped} of {missing.asked} questions lack a {'score' if judged else 'result'} "
        f"({missing.base} on the side of {comparison.base}, {missing.version} on that of {comparison.version})"
    )
    if missing.share > most_missing:
        return [
            f"{counts}, {missing.share:.1%} where {most_missing:.1%} is allowed; with all of them at their worst "
            f"the change would be {_ends(missing, judged=judged)[0]}, at their best {_ends(missing, judged=judged)[1]}."
        ]
    if missing.p < missing_alpha:
        return [f"{counts}, which is not chance (McNemar p = {missing.p:.3f}, below {missing_alpha:g})."]
    return []


def _ends(missing: Missing, *, judged: bool) -> tuple[str, str]:
    if judged:
        return f"{missing.worst_gain:+.2f}", f"{missing.best_gain:+.2f}"
    return f"{round(-100 * missing.worst_gain):+d} points", f"{round(-100 * missing.best_gain):+d} points"


def headline(comparison: Comparison, outcome: str, why: str) -> str:
    """Return the verdict in a sentence, ``why`` it is so included."""
    return f"{comparison.version} against {comparison.base}: {outcome}, because {why}"


def because(comparison: Comparison, outcome: str, doubts: Sequence[str]) -> str:
    """Return why the verdict is what it is, as the end of a sentence."""
    claims = comparison.claims
    if doubts:
        why = f"the comparison cannot be relied on. {doubts[0]}"
    elif outcome == "reject":
        why = f"{_against(comparison)}."
    elif outcome == "promote":
        safe = ", and no measured guard is worse by its margin" if comparison.guards else ""
        why = f"it is better in {join(claims.superior)}, and not worse by the margin in any primary criterion{safe}."
    elif outcome == "inconclusive":
        why = f"{_not_ruled_out(comparison)}."
    elif not claims.superior:
        why = "it is not worse by the margin in any primary criterion, and not shown to be better in one."
    else:
        why = f"it is better in {join(claims.superior)}, but {_held_back(comparison)}."
    return why


def _against(comparison: Comparison) -> str:
    """Return what rejects, guards first: no gain makes up for harm."""
    claims = comparison.claims
    said = [f"its {_rise(each)}" for each in _named(comparison, claims.harmful)]
    if claims.worse:
        said.append(f"it is worse in {join(claims.worse)}")
    return join(said)


def _held_back(comparison: Comparison) -> str:
    """Return why a version that is better is not promoted."""
    claims = comparison.claims
    if comparison.vetoes:
        slices = list(dict.fromkeys(result.slice for result in comparison.vetoes))
        return f"worse by more than the margin in the slice {join(slices)}"
    if claims.slipped:
        said = [f"its {_rise(each)}" for each in _named(comparison, claims.slipped)]
        if lost := [criterion for criterion in comparison.design.primary if criterion in claims.slipped]:
            said.append(f"it is slightly worse in {join(lost)}")
        return f"{join(said)}, within the margin"
    if comparison.unknown_harm:
        return f"its {join([title(guard).lower() for guard in comparison.unknown_harm])} were not measured"
    return "the judge is only advisory"


def _named(comparison: Comparison, names: Sequence[str]) -> list[GuardResult]:
    return [guard for guard in comparison.guards if guard.name in names]


def _rise(guard: GuardResult) -> str:
    """Return that and by how much a guard's rate rose."""
    by = "" if guard.effect is None else f" by {-100 * guard.effect.gain:.0f} points"
    return f"{title(guard.name).lower()} {'rises' if _single(guard.name) else 'rise'}{by}"


def _single(guard: str) -> bool:
    """Return whether a guard's name is one thing: forgetting, not false answers."""
    return not guard.endswith("s")


def _not_ruled_out(comparison: Comparison) -> str:
    claims, said = comparison.claims, []
    if unsure := [criterion for criterion in comparison.design.primary if criterion not in claims.non_inferior]:
        said.append(f"{comparison.questions:,} questions do not rule out a loss beyond the margin in {join(unsure)}")
    if claims.unsafe:
        unsafe = join([title(guard).lower() for guard in claims.unsafe])
        said.append(f"a rise of {unsafe} beyond the margin is not ruled out")
    return join(said)


def evidence(comparison: Comparison, *, advisory_allowed: bool) -> tuple[str, ...]:
    """Return what was found for each primary criterion, and what else bears on the decision."""
    reasons = [
        _result(result, result.effect, comparison) for result in comparison.primaries if result.effect is not None
    ]
    reasons += [f"By whom, {each.criterion}: {in_words(each)}." for each in comparison.corrected]
    reasons += [_guard(guard, comparison) for guard in comparison.guards]
    reasons += [
        f"Slice {cut.slice} ({cut.missing.asked} questions) vetoes a promotion: {name(cut)} is worse by more than "
        f"the margin of {cut.margin:g}; its upper bound, corrected for all slices, is {cut.bounds.veto_high:+.2f}."
        for cut in comparison.vetoes
    ]
    allowed = "; promotion on it was allowed (advisory=true)" if advisory_allowed else ""
    reasons += [f"The judge is only advisory: {why.rstrip('.')}{allowed}." for why in comparison.advisory]
    if comparison.tried > 1:
        what, fresh = "versions", "-P split=confirm asks questions"
        if comparison.of_files:
            what, fresh = "files", "fresh questions are some"
        reasons.append(
            f"{comparison.tried} {what} were compared on these questions, and the best of many looks better than it "
            f"is; {fresh} that no choice was made on."
        )
    reasons += [f"Not known, {check.name}: {check.detail.rstrip('.')}." for check in comparison.checks if check.unknown]
    return tuple(reasons)


def more_questions(comparison: Comparison) -> tuple[str, ...]:
    """Return how many questions, or which margin, would change what is shown."""
    primaries = [
        sentence
        for criterion, change in comparison.changes.items()
        for sentence in _more_questions(criterion, change, comparison)
    ]
    return (*primaries, *(sentence for guard in comparison.guards for sentence in _safer(guard, comparison)))


def carried_by(flips: Mapping[str, Sequence[str]], tried: int) -> tuple[str, ...]:
    """Return which documents the verdict depends on; ``flips``: other outcome -> documents without which it holds."""
    if flips:
        return tuple(
            f"Without any one of these documents the verdict would be {outcome}: {'; '.join(documents)}."
            for outcome, documents in flips.items()
        )
    if tried:
        return (f"No single document carries the verdict: it stays without each of the {tried} that move it most.",)
    return ()


def name(result: Result) -> str:
    """Return what a result is called."""
    return result.criterion if result.context == AS_ANSWERED else f"{result.criterion} in the context {result.context}"


def join(names: Sequence[str]) -> str:
    """Return names as a list in words."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def near(value: float, limit: float, usual: int = 0) -> int:
    """Return with how many decimals a value is told: more than usual where it would read as the limit beside it."""
    return next((each for each in range(usual, usual + 3) if abs(value - limit) >= 0.5 / 10**each), usual + 3)


def _result(result: Result, effect: Effect, comparison: Comparison) -> str:
    claims, said = comparison.claims, []
    if result.criterion in claims.worse:
        said.append("shown to be worse")
    if result.criterion in claims.superior:
        said.append("shown to be better")
    if result.criterion in claims.non_inferior:
        said.append(f"a loss beyond the margin of {result.margin:g} is ruled out")
        if result.criterion in claims.slipped and result.criterion not in claims.worse:
            said.append("a smaller one is there, too little to reject, but it forbids a promotion")
    elif result.criterion not in claims.worse:
        said.append(f"a loss beyond the margin of {result.margin:g} is not ruled out")
    groups = "independent groups" if comparison.of_files else "independent groups of documents"
    scored, alone = f"{effect.base:.2f} to {effect.version:.2f}, a change of", ""
    if found := comparison.by_people.get(result.criterion):
        # Of most answers people said nothing, so which of them are better only the other knows.
        scored, alone = f"by people and {found.scorer} together, a change of", f" by {found.scorer} alone"
    low = f"{result.bounds.low:+.{near(result.bounds.low, -result.margin, 2)}f}"
    text = (
        f"{name(result)}: {scored} {effect.gain:+.2f} (95 % interval "
        f"{low} to {result.bounds.high:+.2f}; {effect.n:,} questions in {effect.clusters:,} "
        f"{groups}; {effect.wins} better, {effect.ties} equal, {effect.losses} worse{alone}): "
        f"{join(said)}."
    )
    if result.missing.dropped:
        answers = "unscored answer" if result.missing.dropped == 1 else f"{result.missing.dropped} unscored answers"
        text += f" The interval holds whatever the {answers} deserved."
    return text


def _more_questions(criterion: str, change: TippingPoint, comparison: Comparison) -> list[str]:
    claims, asked = comparison.claims, f"{CHANCE} (asked: {comparison.questions:,})"
    sentences = []
    if criterion not in claims.superior and change.n_superior is not None:
        sentences.append(f"{criterion}: {change.n_superior:,} questions would show a gain like this one {asked}.")
    if criterion not in claims.worse and change.n_worse is not None:
        sentences.append(f"{criterion}: {change.n_worse:,} questions would show a loss like this one {asked}.")
    if criterion not in claims.non_inferior:
        margin = next(result.margin for result in comparison.primaries if result.criterion == criterion)
        if change.flip_margin < margin / comparison.design.margin_share:  # the criterion's range
            needed = f"{change.flip_margin:.{near(change.flip_margin, margin, 2)}f}"
            sentences.append(f"{criterion}: only a margin above {needed} would be met.")
        else:
            sentences.append(f"{criterion}: no margin would be met, since too few documents changed to bound a loss.")
        if change.n_non_inferior is not None:
            sentences.append(
                f"{criterion}: {change.n_non_inferior:,} questions would rule out a loss beyond the margin {asked}."
            )
    elif change.flip_margin > 0:
        sentences.append(f"{criterion}: a margin below {change.flip_margin:.2f} would not be met.")
    return sentences


def _guard(guard: GuardResult, comparison: Comparison) -> str:
    """Return what was found of a guard: its rates in percent, above 0 more harm."""
    what, claims = title(guard.name), comparison.claims
    if guard.bounds is None:
        verb, them = ("was", "it") if _single(guard.name) else ("were", "them")
        needed = (
            f" A promotion needs {them}: the other measures hardly see what is made up where nothing is to be found."
            if guard.name in comparison.unknown_harm
            else ""
        )
        return f"{what} {verb} not measured: {guard.unmeasured.rstrip('.')}.{needed}"
    low, high = (_points(-100 * bound, guard) for bound in (guard.bounds.high, guard.bounds.low))
    margin = f"{100 * guard.margin:g} points"
    if guard.name in claims.harmful:
        shown = f"a rise beyond the margin of {margin} is shown, which rejects"
    elif guard.name in claims.unsafe:
        shown = f"a rise beyond the margin of {margin} is not ruled out"
    elif guard.name in claims.slipped:
        shown = f"a rise is shown, though none beyond the margin of {margin}; it forbids a promotion"
    else:
        shown = f"a rise beyond the margin of {margin} is ruled out"
    if guard.effect is None:
        return f"{what}: no answer could be told on both sides; {shown}."
    effect = guard.effect
    said = (
        f"{what}: {100 * effect.base:.0f} % to {100 * effect.version:.0f} %, {_moved(effect.gain)} (95 % interval "
        f"{low} to {high}; {effect.n:,} questions in {effect.clusters:,} independent groups): {shown}."
    )
    if guard.missing is not None and guard.missing.dropped:
        said += f" The interval holds whatever the {guard.missing.dropped} that could not be told were."
    return said


def _points(points: float, guard: GuardResult) -> str:
    """Return a bound of a guard in points with its sign: whole ones, and finer where it would read as the margin."""
    digits = near(points, 100 * guard.margin)
    return f"{round(points, digits) + 0:+.{digits}f}"


def _moved(gain: float) -> str:
    points = f"{abs(100 * gain):.0f} points"
    if points == "0 points":
        return "a change of 0 points"
    return f"worse by {points}" if gain < 0 else f"better by {points}"


def _safer(guard: GuardResult, comparison: Comparison) -> list[str]:
    """Return what would show that a guard is safe, where that is not shown."""
    if guard.bounds is None or guard.name not in comparison.claims.unsafe:
        return []
    what, sentences = title(guard.name), []
    if -guard.bounds.low < 1:
        needed_margin = _points(-100 * guard.bounds.low, guard).removeprefix("+")
        sentences.append(f"{what}: only a margin above {needed_margin} points would be met.")
    needed = guard.power.n_for_margin if guard.power else None
    if needed is not None and guard.missing is not None and needed > guard.missing.asked:
        sentences.append(
            f"{what}: {needed:,} questions would rule out a rise beyond the margin {CHANCE}, if there is none (asked: "
            f"{guard.missing.asked:,})."
        )
    return sentences
