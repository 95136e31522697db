"""From a comparison to a decision: pure functions that know nothing of MLflow.

Four outcomes, tried in this order: *inconclusive* where the comparison cannot be relied on (nothing follows from scores
that mean nothing, but harm that a rule counts needs no judge), *reject* where a primary is shown to be worse or a guard
to be worse by more than its margin, *promote* where a primary is shown to be better, all are non-inferior, all guards
safe and nothing holds it back, *hold* where all are non-inferior and safe; otherwise *inconclusive* again, for lack of
evidence.
"""

from dataclasses import dataclass, replace
from typing import Literal

from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.multiplicity import Claims
from ragft.errors import ConfigError
from registry import reasons
from registry.recommendation import Recommendation, recommend

Outcome = Literal["promote", "hold", "reject", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a comparison must meet beyond its bounds.

    Attributes:
        most_missing: The share of questions of a primary that may lack a score on either side, in [0, 1].
        missing_alpha: A McNemar p-value below this says that one side loses more scores than the other.
        advisory: True lets a judge that is only advisory promote; this is recorded in the decision.
    """

    most_missing: float = 0.01
    missing_alpha: float = 0.05
    advisory: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a version, and why.

    Attributes:
        outcome: "promote", "hold", "reject" or "inconclusive".
        headline: The verdict in a sentence.
        summary: The verdict for whoever has to act on it.
        because: The end of that sentence, from what comes after its "because".
        reasons: What it rests on, one sentence per reason, with numbers; at least one.
        would_change: What would change it, one sentence per item.
        comparison: sha256 of the comparison.
        policy: The policy under which it was decided.
        advisory: True where the judge was only advisory.
        forced: The reason a person gave for overruling the gate; "" where nobody did.
    """

    outcome: Outcome
    headline: str
    summary: Recommendation
    because: str
    reasons: tuple[str, ...]
    would_change: tuple[str, ...]
    comparison: str
    policy: Policy
    advisory: bool
    forced: str = ""


def decide(comparison: Comparison, policy: Policy | None = None) -> Decision:
    """Return the decision on a comparison."""
    policy = policy or Policy()
    faults = comparison.faults
    doubts = reasons.doubts(comparison, policy.most_missing, policy.missing_alpha)
    outcome: Outcome = "inconclusive"
    if not doubts and (not faults or shown_without_the_judge(comparison)):
        outcome = judge(comparison, comparison.claims, policy)
    because = reasons.because(comparison, outcome, () if outcome == "reject" else (*faults, *doubts))
    return Decision(
        outcome=outcome,
        headline=reasons.headline(comparison, outcome, because),
        because=because,
        summary=recommend(comparison, outcome, faults, doubts),
        reasons=(*faults, *doubts, *reasons.evidence(comparison, advisory_allowed=policy.advisory)),
        would_change=() if faults or doubts else _would_change(comparison, outcome, policy),
        comparison=comparison.sha256,
        policy=policy,
        advisory=bool(comparison.advisory),
    )


def shown_without_the_judge(comparison: Comparison) -> bool:
    """Return whether harm is shown that a rule counts, so that a judge nobody can trust takes nothing from it."""
    health = comparison.health
    return health is not None and health.faults == ("judge",) and bool(comparison.claims.harmful)


def judge(comparison: Comparison, claims: Claims, policy: Policy) -> Outcome:
    """Return the outcome that ``claims`` lead to if the comparison is otherwise reliable."""
    if claims.worse or claims.harmful:
        return "reject"
    if set(claims.non_inferior) != set(comparison.design.primary) or claims.unsafe:
        return "inconclusive"
    return "promote" if claims.superior and not held_back(comparison, claims, policy) else "hold"


def held_back(comparison: Comparison, claims: Claims, policy: Policy) -> bool:
    """Return whether a version that is better and safe may still not be promoted."""
    return bool(
        comparison.vetoes or (comparison.advisory and not policy.advisory) or claims.slipped or comparison.unknown_harm
    )


def force(decision: Decision, reason: str) -> Decision:
    """Return the decision overruled by a person: promote, marked for ever; a promotion is not overruled, and stays.

    Raises:
        ConfigError: If no reason is given.
    """
    if not reason.strip():
        raise ConfigError("force=true needs a reason, which stays with the version: add -P reason='why'")
    if decision.outcome == "promote":
        return decision
    return replace(
        decision,
        outcome="promote",
        summary=replace(decision.summary, title=f"Shipped by a person, against the verdict {decision.outcome}"),
        headline=f"Promoted by a person against the verdict {decision.outcome}: {reason.strip()}",
        because=reason.strip(),
        reasons=(f"The gate said: {decision.headline}", *decision.reasons),
        forced=reason.strip(),
    )


def _would_change(comparison: Comparison, outcome: Outcome, policy: Policy) -> tuple[str, ...]:
    flips: dict[str, list[str]] = {}
    for carrier in comparison.carriers:
        other = judge(comparison, carrier.claims, policy)
        if other != outcome:
            flips.setdefault(other, []).append(f"{carrier.cluster} ({carrier.questions} questions)")
    more = () if comparison.claims.harmful else reasons.more_questions(comparison)
    return (*more, *reasons.carried_by(flips, len(comparison.carriers)))
