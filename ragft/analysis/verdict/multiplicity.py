"""What the bounds show of a version: each rule of multiplicity once.

Primaries say whether it is better, guards whether it does harm. Gains are shown by Holm's procedure over the primaries.
What speaks against a version is shown by Holm's procedure over all claims that reject: each primary below 0, each
guard beyond its margin. Non-inferiority and safety need no correction, since a promotion needs all of them (an
intersection-union test; Berger 1982, Technometrics 24, 295-300).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragft.analysis.verdict.effect import Bounds


@dataclass(frozen=True, slots=True)
class Claims:
    """Names of the primaries and guards of which something is shown; the gate reads nothing else of the bounds.

    Attributes:
        worse: Primaries whose upper bound lies below 0, by Holm's procedure over the claims that reject.
        non_inferior: Primaries whose lower bound lies above minus the margin.
        superior: Primaries whose lower bound lies above 0, by Holm's procedure over the primaries.
        harmful: Guards whose upper bound lies below minus the margin, by Holm's procedure over the claims that reject.
        unsafe: Measured guards whose lower bound does not lie above minus the margin: harm is not ruled out.
        slipped: Primaries and measured guards whose upper bound lies below 0: worse, be it by too little to reject.
    """

    worse: tuple[str, ...]
    non_inferior: tuple[str, ...]
    superior: tuple[str, ...]
    harmful: tuple[str, ...] = ()
    unsafe: tuple[str, ...] = ()
    slipped: tuple[str, ...] = ()


def claim(
    primaries: Mapping[str, Bounds], margins: Mapping[str, float], guards: Mapping[str, Bounds] | None = None
) -> Claims:
    """Return what is shown of the primaries and of the measured guards; ``margins`` holds those of both."""
    guards = guards or {}
    against = rejecting(primaries, guards, margins)
    return Claims(
        worse=tuple(name for name in primaries if name in against),
        non_inferior=tuple(name for name, bounds in primaries.items() if bounds.low > -margins[name]),
        superior=superior(primaries),
        harmful=tuple(name for name in guards if name in against),
        unsafe=tuple(name for name, bounds in guards.items() if not bounds.low > -margins[name]),
        slipped=tuple(name for name, bounds in {**primaries, **guards}.items() if bounds.high < 0),
    )


def superior(family: Mapping[str, Bounds]) -> tuple[str, ...]:
    """Return the primaries whose gain is shown, at the one-sided alpha for all claims of a gain together."""
    return holm({name: [low > 0 for low in bounds.claim_lows] for name, bounds in family.items()})


def rejecting(
    primaries: Mapping[str, Bounds], guards: Mapping[str, Bounds], margins: Mapping[str, float]
) -> tuple[str, ...]:
    """Return what rejects, at the one-sided alpha for all such claims together.

    A primary rejects where it is shown to be worse, a guard where it is shown to be worse by more than its margin.
    """
    shown = {name: [high < 0 for high in bounds.claim_highs] for name, bounds in primaries.items()}
    shown |= {name: [high < -margins[name] for high in bounds.claim_highs] for name, bounds in guards.items()}
    return holm(shown)


def holm(shown: Mapping[str, Sequence[bool]]) -> tuple[str, ...]:
    """Return the claims that are shown, at the one-sided alpha for each claim and for all together.

    Holm (1979), Scandinavian Journal of Statistics 6, 65-70, with bounds in place of p-values. ``shown`` is name ->
    whether the claim holds at alpha / 1, alpha / 2, ... up to the number of claims. Of m claims, one must hold at
    alpha / m; each that does makes the test of the rest less strict.
    """
    found: list[str] = []
    rest = list(shown)
    while rest:
        passed = [name for name in rest if shown[name][len(rest) - 1]]
        if not passed:
            break
        found += passed
        rest = [name for name in rest if name not in passed]
    return tuple(name for name in shown if name in found)
