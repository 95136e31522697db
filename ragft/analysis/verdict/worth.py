"""What an adapter is worth by what a verdict counts: its gain, less the harm that its guards count."""

from collections.abc import Mapping
from typing import Any

from ragft.analysis.verdict.comparison import Comparison

# As the objective of a search, and in sentences.
WORTH = "gain_less_harm"


def worth(comparison: Comparison) -> float | None:
    """Return the mean gain of the primaries less what harm costs; None where a primary has no score on both sides.

    A gain counts as a share of its scale, so all of them together are at most 1. Each guard's rise costs its share of
    the guard's margin: a rise by the whole margin costs 1, as much as any gain can bring, since no gain makes up for
    harm. A rate that falls brings nothing. All numbers are those observed: an interval decides a verdict, but between
    adapters asked the same questions the best guess chooses.
    """
    gains = [
        result.effect.gain / (result.margin / comparison.design.margin_share)
        for result in comparison.primaries
        if result.effect
    ]
    if len(gains) < len(comparison.design.primary):
        return None
    harm = sum(max(0.0, -guard.effect.gain) / guard.margin for guard in comparison.guards if guard.effect)
    return sum(gains) / len(gains) - harm


def figures_of(comparison: Comparison) -> dict[str, Mapping[str, Any]]:
    """Return primary or guard -> what was seen of it, as JSON values: both sides, the change with its 95 % interval, n.

    A change above 0 is a gain of a primary (whatever its direction), and a rise of a guard's rate. Where people's
    labels decide, the change is the corrected one, and the judge's means, which do not go with it, are left out.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for result in comparison.primaries:
        if result.effect:
            means = {"base": result.effect.base, "version": result.effect.version}
            found[result.criterion] = {
                **({} if result.criterion in comparison.by_people else means),
                "change": result.effect.gain,
                "low": result.bounds.low,
                "high": result.bounds.high,
                "n": result.effect.n,
            }
    for guard in comparison.guards:
        if guard.effect and guard.bounds:
            found[guard.name] = {
                "base": guard.effect.base,
                "version": guard.effect.version,
                "change": -guard.effect.gain,
                "low": -guard.bounds.high,
                "high": -guard.bounds.low,
                "n": guard.effect.n,
            }
    return found
