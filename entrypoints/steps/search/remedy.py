"""What a search for a remedy tries: the trainings that follow from the causes of a rejection, a hash, and no chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from entrypoints.steps.knowledge.probed import known_categories
from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.search.rejection import Judged
from ragft.analysis.verdict.causes import Cause, causes_of
from ragft.analysis.verdict.remedies import Experiment, experiments
from ragft.analysis.verdict.worth import WORTH
from ragft.params.searches import RemedyParams
from ragft.params.training import FinetuneParams
from ragft.params.values import DEV
from ragft.params.verdict import CompareParams
from ragft.store.tune_trials import TuneTrial
from ragft.types import DECIDING, WITHHELD, digest


@dataclass(frozen=True)
class RemedySearch:
    """A search for what mends a rejected version.

    Attributes:
        budget: How many trainings are tried at most.
        on_dev: How an adapter is looked at on dev: as the rejected version was compared, where a verdict looks.
        causes: Of the rejection, the worst first.
        experiments: All that may be tried, in their order; empty where no remedy is known.
    """

    budget: int
    judged: Judged
    on_dev: CompareParams
    causes: tuple[Cause, ...]
    experiments: tuple[Experiment, ...]
    key: str
    study: str
    step = "remedy"
    objective = WORTH
    maximise = True
    way_out = "change the data or the training by hand"

    @property
    def trials(self) -> int:
        """How many trials there will be."""
        return min(self.budget, len(self.experiments))

    @property
    def compared(self) -> CompareParams:
        """How the best is compared on test: as the rejected version was."""
        return self.judged.compared

    def training(self, values: Mapping[str, Any]) -> FinetuneParams:
        """Return the rejected version's own training with these changes; its loss is measured where dev chooses."""
        asked = self.on_dev.questions or self.judged.trained.dev_questions
        return replace(self.judged.trained, dev_questions=asked, **values)

    def next(self, trials: Sequence[TuneTrial]) -> Mapping[str, Any]:
        """Return the changes of the trial after these."""
        return self.experiments[len(trials)].changes


def remedy_search(judged: Judged, params: RemedyParams, identities: Identities) -> RemedySearch:
    """Return what follows from a rejection.

    Raises:
        PrerequisiteError: If the base or the data are not there.
    """
    lineage = judged.version.lineage
    causes = causes_of(judged.comparison, lineage.format)
    probed = bool(known_categories(lineage.base_fingerprint, lineage.data_sha256, identities.workspace))
    found = tuple(experiments([each.name for each in causes], judged.trained, probed=probed))
    contexts = [each for each in judged.compared.contexts() if each in (DECIDING, WITHHELD)]
    on_dev = replace(judged.compared, split=DEV, questions=params.dev_questions, context=",".join(contexts))
    cell = Cell(judged.trained, on_dev)
    asked = [judged.version.identity, judged.against.identity, [dict(each.changes) for each in found]]
    return RemedySearch(
        params.budget,
        judged,
        on_dev,
        causes,
        found,
        key=digest(["remedy", identities.cell(cell), *asked]),
        study=digest(["remedy", identities.study([cell]), *asked]),
    )
