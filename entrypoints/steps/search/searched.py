"""What a search is, whoever says what is tried: trainings, what chooses among them on dev, one comparison on test."""

from collections.abc import Mapping
from typing import Any, Protocol

from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams


class Search(Protocol):
    """What several trials have in common: those of a tune (`Tune`), or of a search for a remedy (`RemedySearch`)."""

    @property
    def step(self) -> str:
        """Name of the step that searches, which stands in the tags of its trials' runs."""

    @property
    def key(self) -> str:
        """Hash of everything that makes its trials; their number is no part of it, so that more can follow."""

    @property
    def study(self) -> str:
        """Hash of what it asks, whatever code computes it."""

    @property
    def objective(self) -> str:
        """What is chosen by, on dev."""

    @property
    def maximise(self) -> bool:
        """Whether a larger value is better."""

    @property
    def trials(self) -> int:
        """How many trials there will be."""

    @property
    def way_out(self) -> str:
        """What a person can do where no trial came to a value."""

    @property
    def compared(self) -> CompareParams:
        """How the best adapter is compared on test; which one that is, is said later."""

    def training(self, values: Mapping[str, Any]) -> FinetuneParams:
        """Return the parameters of the training that tries ``values``."""
