"""What people said since a study's cells were compared: a finished cell does not count it, and a comparison does."""

import dataclasses
from collections.abc import Mapping, Sequence

from entrypoints.quick_imports import quick_imports
from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.study.findings import CellResult
from ragft.params.values import AUTO
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import load_criteria
from ragft.report.advice import command
from ragft.store.labels import labels_since
from registry.versions import registered_name


def later_labels(
    cells: Sequence[Cell], keys: Sequence[str], records: Sequence[CellResult], workspace: Workspace
) -> dict[str, int]:
    """Return name of a cell -> how many labels came since, under the judged criteria that decided it.

    They may be of other answers, since the store knows a label by its answer alone. Cells without any are left out.
    """
    found = {}
    for cell, key, record in zip(cells, keys, records, strict=True):
        decided = {change.measure for change in record.changes if change.decides}
        criteria = [each.name for each in load_criteria(cell.compare.criteria) if each.name in decided]
        if count := labels_since(workspace.store, key, criteria):
            found[cell.name] = count
    return found


def tell(later: Mapping[str, int], cells: Sequence[Cell], identities: Identities, workspace: Workspace) -> None:
    """Say that labels came that no verdict above counts, and the command that counts them for the first such cell."""
    if not later:
        return
    first = next(cell for cell in cells if cell.name in later)
    workspace.say(
        f"- people gave up to {max(later.values()):,} labels since {len(later)} of {len(cells)} cells were compared, "
        "of these answers or of others, which their verdicts do not count. For each, compare counts what counts; for "
        f"{first.name}: {_comparison(first, identities)}"
    )


def _comparison(cell: Cell, identities: Identities) -> str:
    """Return the command that compares a cell's adapter again, whose answers and judgements are kept."""
    with quick_imports():
        from entrypoints.steps.shared.weights import open_registry

    name = registered_name(identities.dataset(cell).name, cell.finetune.base)
    version = open_registry().find_trained(name, identities.training(cell))
    model = version.uri if version else f"models:/{name}/<number>"
    asked = dataclasses.replace(cell.compare, model=model, against=f"models:/{name}/1", traces=AUTO)
    usual = CompareParams().as_dict()
    return command("compare", {key: str(value) for key, value in asked.as_dict().items() if value != usual[key]})
