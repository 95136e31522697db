"""What is fixed before anything is computed: what decides, margins, error rates, resamples."""

from dataclasses import dataclass

from ragft.types import DECIDING


@dataclass(frozen=True, slots=True)
class Design:
    """What is fixed before anything is computed.

    Attributes:
        primary: What decides whether it is better: judged criteria, or anything measured per question.
        context: The context that decides.
        margin_share: The non-inferiority margin as a share of a criterion's range, above 0.
        alpha: One-sided error rate of each claim, below 0.5.
        resamples: Of the bootstrap.
        seed: Of its random numbers.
    """

    primary: tuple[str, ...] = ("accuracy", "completeness")
    context: str = DECIDING
    margin_share: float = 0.05
    alpha: float = 0.025
    resamples: int = 9999
    seed: int = 0
