"""What the bounds show of a version."""

from collections.abc import Mapping
from dataclasses import dataclass

from ragft.analysis.verdict.effect import Bounds


@dataclass(frozen=True, slots=True)
class Claims:
    """Names of the primary criteria for which something is shown; the gate reads nothing else of the bounds.

    Attributes:
        worse: The upper bound lies below 0.
        non_inferior: The lower bound lies above minus the margin.
        superior: The lower bound lies above 0, by Holm's procedure over the family.
    """

    worse: tuple[str, ...]
    non_inferior: tuple[str, ...]
    superior: tuple[str, ...]


def claim(family: Mapping[str, Bounds], margins: Mapping[str, float]) -> Claims:
    """Return what is shown of each criterion of the family."""
    return Claims(
        worse=tuple(name for name, bounds in family.items() if bounds.high < 0),
        non_inferior=tuple(name for name, bounds in family.items() if bounds.low > -margins[name]),
        superior=superior(family),
    )


def superior(family: Mapping[str, Bounds]) -> tuple[str, ...]:
    """Return the criteria whose gain is shown, at the one-sided alpha for each claim and for all together.

    Holm (1979), Scandinavian Journal of Statistics 6, 65-70, with bounds in place of p-values. Of m criteria, one must
    have a lower bound above 0 at alpha / m; each criterion that passes makes the test of the rest less strict.
    """
    shown: list[str] = []
    rest = list(family)
    while rest:
        passed = [name for name in rest if family[name].claim_lows[len(rest) - 1] > 0]
        if not passed:
            break
        shown += passed
        rest = [name for name in rest if name not in passed]
    return tuple(name for name in family if name in shown)
