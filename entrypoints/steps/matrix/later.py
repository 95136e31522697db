"""What people said since a study's cells were compared: a finished cell does not count it, and a comparison does."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entrypoints.quick_imports import quick_imports
from entrypoints.steps.matrix.cells import Cell, Identities
from ragft.analysis.study.findings import CellResult
from ragft.judging.outcomes import JUDGED_BY, RIGHT, gradable
from ragft.params.values import AUTO
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import load_criteria
from ragft.report.advice import command
from ragft.store.calibrations import calibrated_since
from ragft.store.labels import labels_since
from registry.versions import registered_name


@dataclass(frozen=True, slots=True)
class Later:
    """What came since cells were compared, under what decided them and people can grade.

    Attributes:
        labels: Name of a cell -> how many labels; they may be of other answers, since the store knows a label by its
            answer alone. Cells without any are left out.
        calibrated: Names of cells on whose data a judge was calibrated: theirs, or another one.
    """

    labels: Mapping[str, int]
    calibrated: Sequence[str]


def find_later(
    cells: Sequence[Cell], keys: Sequence[str], records: Sequence[CellResult], identities: Identities
) -> Later:
    """Return what people said since each cell, known by its key, was finished."""
    store = identities.workspace.store
    labels, calibrated = {}, []
    for cell, key, record in zip(cells, keys, records, strict=True):
        decided = {change.measure for change in record.changes if change.decides}
        criteria = [each.name for each in gradable(load_criteria(cell.compare.criteria), decided)]
        if count := labels_since(store, key, criteria):
            labels[cell.name] = count
        if RIGHT.name in decided:  # where no rule tells it, the judge's accuracy does
            criteria.append(JUDGED_BY)
        estimator, data = cell.compare.estimator_name, identities.dataset(cell).sha256
        if calibrated_since(store, key, criteria=criteria, estimator=estimator, data=data):
            calibrated.append(cell.name)
    return Later(labels, calibrated)


def tell(later: Later, cells: Sequence[Cell], identities: Identities) -> None:
    """Say what came that no verdict above counts, and the command that counts it for the first such cell."""
    say, asked = identities.workspace.say, len(cells)
    if counts := later.labels:
        say(
            f"- people gave up to {max(counts.values()):,} labels since {len(counts)} of {asked} cells were compared, "
            "of these answers or of others, which their verdicts do not count. For each, compare counts what counts; "
            f"for {_comparison(next(cell for cell in cells if cell.name in counts), identities)}"
        )
    if names := later.calibrated:
        say(
            f"- a judge was calibrated since {len(names)} of {asked} cells were compared, which their verdicts do not "
            "know. If it is theirs, compare knows it; "
            f"for {_comparison(next(cell for cell in cells if cell.name in names), identities)}"
        )


def _comparison(cell: Cell, identities: Identities) -> str:
    """Return a cell's name and the command that compares its adapter again; answers and judgements are kept."""
    with quick_imports():
        from entrypoints.steps.shared.weights import open_registry

    name = registered_name(identities.dataset(cell).name, cell.finetune.base)
    version = open_registry().find_trained(name, identities.training(cell))
    model = version.uri if version else f"models:/{name}/<number>"
    asked = dataclasses.replace(cell.compare, model=model, against=f"models:/{name}/1", traces=AUTO)
    usual = CompareParams().as_dict()
    given = {key: str(value) for key, value in asked.as_dict().items() if value != usual[key]}
    return f"{cell.name}: {command('compare', given)}"
