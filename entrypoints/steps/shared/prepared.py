"""What the parts of a step are handed: its parameters, nothing left open, and the data prepared for them."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from ragft.params.data import PreparationParams
from ragft.store.datasets import Preparation

S = TypeVar("S", bound=PreparationParams)


@dataclass(frozen=True)
class Prepared(Generic[S]):
    """Settled and prepared once, and passed down.

    Attributes:
        params: With every value filled in that was left open.
        preparation: Of the data that they name.
    """

    params: S
    preparation: Preparation
