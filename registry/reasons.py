"""The sentences in which a decision gives its reasons."""

from collections.abc import Mapping, Sequence

from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.analysis.verdict.effect import Effect
from ragft.analysis.verdict.significance import Claims
from ragft.analysis.verdict.what_would_change import TippingPoint

CHANCE = "with 80 % chance"


def doubts(comparison: Comparison, most_missing: float, missing_alpha: float) -> tuple[str, ...]:
    """Return why the comparison cannot be relied on; empty where it can."""
    doubts = [f"The check {check.name!r} failed: {check.detail}." for check in comparison.checks if not check.passed]
    for result in comparison.primaries:
        missing = result.missing
        counts = (
            f"{name(result)}: {missing.dropped} of {missing.asked} questions lack a score "
            f"({missing.base} on the side of {comparison.base}, {missing.version} on that of {comparison.version})"
        )
        if result.effect is None:
            doubts.append(f"{name(result)}: no question was scored on both sides.")
        elif missing.share > most_missing:
            doubts.append(
                f"{counts}, {missing.share:.1%} where {most_missing:.1%} is allowed; with all of them at their worst "
                f"the change would be {missing.worst_gain:+.2f}, at their best {missing.best_gain:+.2f}."
            )
        elif missing.p < missing_alpha:
            doubts.append(f"{counts}, which is not chance (McNemar p = {missing.p:.3f}, below {missing_alpha:g}).")
    return tuple(doubts)


def headline(comparison: Comparison, outcome: str, why: str) -> str:
    """Return the verdict in a sentence, ``why`` it is so included."""
    return f"{comparison.version} against {comparison.base}: {outcome}, because {why}"


def because(comparison: Comparison, outcome: str, doubts: Sequence[str]) -> str:
    """Return why the verdict is what it is, as the end of a sentence."""
    claims = comparison.claims
    if doubts:
        why = f"the comparison cannot be relied on. {doubts[0]}"
    elif outcome == "reject":
        why = f"it is worse in {join(claims.worse)}."
    elif outcome == "promote":
        why = f"it is better in {join(claims.superior)}, and not worse by the margin in any primary criterion."
    elif outcome == "inconclusive":
        unsure = [criterion for criterion in comparison.design.primary if criterion not in claims.non_inferior]
        why = f"{comparison.questions:,} questions do not rule out a loss beyond the margin in {join(unsure)}."
    elif not claims.superior:
        why = "it is not worse by the margin in any primary criterion, and not shown to be better in one."
    elif comparison.vetoes:
        slices = list(dict.fromkeys(result.slice for result in comparison.vetoes))
        why = f"it is better in {join(claims.superior)}, but worse by more than the margin in the slice {join(slices)}."
    else:
        why = f"it is better in {join(claims.superior)}, but the judge is only advisory."
    return why


def evidence(comparison: Comparison, *, advisory_allowed: bool) -> tuple[str, ...]:
    """Return what was found for each primary criterion, and what else bears on the decision."""
    reasons = [
        _result(result, result.effect, comparison.claims)
        for result in comparison.primaries
        if result.effect is not None
    ]
    reasons += [
        f"Slice {cut.slice} ({cut.missing.asked} questions) vetoes a promotion: {name(cut)} is worse by more than "
        f"the margin of {cut.margin:g}; its upper bound, corrected for all slices, is {cut.bounds.veto_high:+.2f}."
        for cut in comparison.vetoes
    ]
    allowed = "; promotion on it was allowed (advisory=true)" if advisory_allowed else ""
    reasons += [f"The judge is only advisory: {why.rstrip('.')}{allowed}." for why in comparison.advisory]
    if comparison.tried > 1:
        reasons.append(
            f"{comparison.tried} versions were compared on these questions, and the best of many looks better than it "
            "is; -P split=confirm asks questions that no choice was made on."
        )
    return tuple(reasons)


def more_questions(comparison: Comparison) -> tuple[str, ...]:
    """Return how many questions, or which margin, would change what is shown."""
    return tuple(
        sentence
        for criterion, change in comparison.changes.items()
        for sentence in _more_questions(criterion, change, comparison)
    )


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
    return f"{result.criterion} in the context {result.context}"


def join(names: Sequence[str]) -> str:
    """Return names as a list in words."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _result(result: Result, effect: Effect, claims: Claims) -> str:
    said = []
    if result.criterion in claims.worse:
        said.append("shown to be worse")
    if result.criterion in claims.superior:
        said.append("shown to be better")
    if result.criterion in claims.non_inferior:
        said.append(f"a loss beyond the margin of {result.margin:g} is ruled out")
    elif result.criterion not in claims.worse:
        said.append(f"a loss beyond the margin of {result.margin:g} is not ruled out")
    text = (
        f"{name(result)}: {effect.base:.2f} to {effect.version:.2f}, a change of {effect.gain:+.2f} (95 % interval "
        f"{result.bounds.low:+.2f} to {result.bounds.high:+.2f}; {effect.n:,} questions in {effect.clusters:,} "
        f"independent groups of documents; {effect.wins} better, {effect.ties} equal, {effect.losses} worse): "
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
            sentences.append(f"{criterion}: only a margin above {change.flip_margin:.2f} would be met.")
        else:
            sentences.append(f"{criterion}: no margin would be met, since too few documents changed to bound a loss.")
        if change.n_non_inferior is not None:
            sentences.append(
                f"{criterion}: {change.n_non_inferior:,} questions would rule out a loss beyond the margin {asked}."
            )
    elif change.flip_margin > 0:
        sentences.append(f"{criterion}: a margin below {change.flip_margin:.2f} would not be met.")
    return sentences
