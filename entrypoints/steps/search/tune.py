"""What a tune asks: which trainings, what chooses among them, and the hash of everything that makes its trials."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.search.asked import asked_on_dev, checked_space, compared_on_test, trained
from entrypoints.steps.shared.primaries import has_short_answers
from entrypoints.steps.shared.sources import with_top_k
from entrypoints.steps.shared.weights import open_registry
from ragft.params.searches import TuneParams
from ragft.params.training import FinetuneParams
from ragft.params.values import DEV_LOSS
from ragft.params.verdict import CompareParams
from ragft.training.search_space import Space
from ragft.types import digest


@dataclass(frozen=True)
class Tune:
    """A tune as it was asked for.

    Attributes:
        objective: The measure on dev that chooses.
        key: Hash of everything that makes its trials; their number is no part of it, so that more can follow.
        study: Hash of what it asks, whatever code computes it.
    """

    params: TuneParams
    space: Space
    objective: str
    key: str
    study: str
    step = "tune"
    way_out = "search another space"

    @property
    def trials(self) -> int:
        """How many trials there will be: no more than the space has points."""
        return int(min(self.params.trials, self.space.size))

    @property
    def maximise(self) -> bool:
        """Whether a larger value is better."""
        return self.objective != DEV_LOSS

    @property
    def compared(self) -> CompareParams:
        """How the best adapter is compared on test."""
        return compared_on_test(self.params)

    def training(self, values: Mapping[str, Any]) -> FinetuneParams:
        """Return the parameters of the training that tries ``values``."""
        return trained(self.params, values)


def tune_of(params: TuneParams, identities: Identities) -> Tune:
    """Return the tune that the parameters ask for.

    Raises:
        ConfigError: If the space cannot be searched, or the objective cannot be measured of these data.
        PrerequisiteError: If the base or the data are not there.
    """
    params = with_top_k(params)
    if params.continue_from:
        # An alias would lead each trial to the adapter of the one before it.
        params = replace(params, continue_from=open_registry().get(params.continue_from).uri)
    space = checked_space(params)
    # One training stands for all: what is tuned has the same values in each, whatever was given beside the space.
    first = trained(params, next(space.corners()))
    cell = Cell(first, asked_on_dev(params).pick(CompareParams, model="challenger"))
    objective = params.objective or _usual_objective(cell, identities)
    asked = [str(space), objective, params.sampler_seed]
    return Tune(
        params,
        space,
        objective,
        key=digest(["tune", identities.cell(cell), *asked]),
        study=digest(["tune", identities.study([cell]), *asked]),
    )


def _usual_objective(cell: Cell, identities: Identities) -> str:
    return "right" if has_short_answers(identities.dataset(cell).questions) else DEV_LOSS
