"""What the statistics need to know of a measure: its name, and which end of its scale is the better one."""

from dataclasses import dataclass
from typing import Literal, Protocol


class Measured(Protocol):
    """Anything with one number per question: a judged criterion is one, and so is a `Scale`."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def direction(self) -> Literal["higher", "lower"]:
        """Which numbers are better."""

    @property
    def worst(self) -> float:
        """The number of the worst answer there can be."""

    @property
    def best(self) -> float:
        """The number of the best answer there can be."""

    @property
    def range(self) -> float:
        """The distance between the two, above 0."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A measure that no judge gives, such as ``Scale("answer_f1")``.

    Attributes:
        worst: The number of the worst answer there can be; above ``best`` where less is better.
        best: The number of the best answer there can be.
    """

    name: str
    worst: float = 0.0
    best: float = 1.0

    @property
    def direction(self) -> Literal["higher", "lower"]:
        """Which numbers are better."""
        return "higher" if self.best > self.worst else "lower"

    @property
    def range(self) -> float:
        """The distance between the worst and the best number, above 0."""
        return abs(self.best - self.worst)
