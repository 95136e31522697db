"""Study: a matrix of adapters, each compared with its base; what was computed before comes from the store."""

import dataclasses
import json
import platform
from collections.abc import Sequence
from pathlib import Path

import mlflow

from entrypoints.quick_imports import quick_imports
from entrypoints.steps.matrix import later, plan, sharing
from entrypoints.steps.matrix.cells import Cell, Identities, cells_of, factors_of
from entrypoints.steps.matrix.presets import Matrix, matrix_of
from entrypoints.steps.matrix.sharing import CellRunner, Executor, MakeRunner
from entrypoints.steps.matrix.show import log, tell
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.read_record import read_record
from ragft.analysis.study.findings import CellResult, Study, summarise
from ragft.errors import PrerequisiteError
from ragft.params.searches import StudyParams
from ragft.store.claims import Claim, claims_on
from ragft.store.disk import write_whole
from ragft.store.study_cells import finished_cells, load_cell
from ragft.store.working import LostClaimError, Working


def run(
    params: StudyParams, workspace: Workspace, runner: MakeRunner | None = None, executor: Executor | None = None
) -> Study | None:
    """Return what the study found; None if it was only planned.

    ``runner`` makes what computes cells, by default the steps of this process; with an ``executor`` others do.

    Raises:
        ConfigError: If the matrix makes no sense, or its models and data do not go together.
        PrerequisiteError: If a base or data set is not there, or other code computes the same study elsewhere.
        CellsFailedError: If cells could not be computed; the others are kept.
    """
    matrix = matrix_of(params)
    cells = cells_of(params, matrix)
    identities = Identities(workspace)
    with step_run(params, _run_name(params), {"ragft.step": "study", "ragft.preset": params.preset}, workspace.home):
        if params.dry_run:
            _plan(params, cells, identities, workspace)
            return None
        keys = [identities.cell(cell) for cell in cells]
        computed = sharing.compute(cells, keys, workspace, identities, runner or _steps(workspace), executor)
        mlflow.log_metrics({"cells": len(cells), "cells_computed": computed})
        _tell_shares(claims_on(workspace.store, keys), workspace)
        found = collect(params, matrix, cells, keys, workspace)
        since = later.find_later(cells, keys, found.cells, identities)
        log(found, since.labels)
        tell(found, workspace)
        later.tell(since, cells, identities)
        if params.export:
            _export(found, Path(params.export))
            workspace.say(f"results written to {params.export}")
    return found


def run_cell(params: StudyParams, key: str, workspace: Workspace) -> None:
    """Compute one cell of a study that another process has begun; nothing where it is done already.

    Raises:
        PrerequisiteError: If the study has no such cell here, since its code, base or data differ.
    """
    cell, identities, study = _find(params, key, workspace)
    sharing.compute([cell], [key], workspace, identities, _steps(workspace), part_of=study)


def run_base(params: StudyParams, key: str, workspace: Workspace) -> None:
    """Evaluate the base that a cell of a study will be compared with, unless somebody did or is at it.

    Raises:
        PrerequisiteError: If the study has no such cell here, since its code, base or data differ.
    """
    cell, identities, _ = _find(params, key, workspace)
    with quick_imports():
        from entrypoints.steps.matrix.base_once import evaluate_ahead

    with Working(workspace.store, sharing.this_worker()) as working:
        try:
            evaluate_ahead(cell, identities, workspace, working)
        except (LostClaimError, *sharing.OF_A_CELL) as error:
            # The cells that are compared with this base meet it themselves, and say so.
            workspace.alert(f"the base of {cell.name} was not evaluated beforehand: {error}")
            working.drop()


def _find(params: StudyParams, key: str, workspace: Workspace) -> tuple[Cell, Identities, str]:
    """Return a cell of a study that another process has begun, and the study's key."""
    cells, identities = cells_of(params, matrix_of(params)), Identities(workspace)
    keys = [identities.cell(cell) for cell in cells]
    study = identities.study(cells)
    sharing.refuse_other_code(study, workspace)
    if key not in keys:
        raise PrerequisiteError(
            f"{platform.node()} makes other cells of this study than the process that began it: give both the same "
            "ragft, libraries, base and data"
        )
    return cells[keys.index(key)], identities, study


def _run_name(params: StudyParams) -> str:
    """Return what the run is called: after the data where they have a name of their own."""
    return f"{params.name}|study {params.preset}" if params.name else f"study {params.preset}"


def _plan(params: StudyParams, cells: Sequence[Cell], identities: Identities, workspace: Workspace) -> None:
    """Say what would be computed; a study is listed even if its models or data are not here."""
    try:
        keys = [identities.cell(cell) for cell in cells]
    except PrerequisiteError as error:
        for cell in cells:
            workspace.say(cell.name)
        workspace.say(f"{len(cells)} cells; nothing more can be said: {error}")
        return
    finished = finished_cells(workspace.store, keys)
    needs = plan.plan(cells, [key in finished for key in keys], identities)
    rates = plan.recorded_rates(identities)
    if any(None in rates.seconds(need).values() for need in needs):
        # Torch is imported for a measurement alone.
        with quick_imports():
            from entrypoints.steps.matrix.measure import measure

        rates = measure(needs, rates, identities)
    said = list(plan.lines(needs, rates, params, identities))
    mlflow.log_text("\n".join(said) + "\n", "plan.txt")
    for line in said:
        workspace.say(line)


def _steps(workspace: Workspace) -> MakeRunner:
    def make(identities: Identities, working: Working) -> CellRunner:
        # Torch and all that trains and judges are imported here, when something is to be computed.
        with quick_imports():
            from entrypoints.steps.matrix.runner import StepRunner

        return StepRunner(workspace, identities, working)

    return make


def _tell_shares(standing: Sequence[Claim], workspace: Workspace) -> None:
    """Log who computed what, and say it where there were several."""
    done = sharing.shares(standing)
    if not done:
        return
    tracking.log_table(done, "workers")
    if len(done) > 1:
        parts = (f"{each['worker']} {each['cells']}" for each in done)
        workspace.say(f"cells computed by {len(done)} processes: {', '.join(parts)}")


def collect(
    params: StudyParams, matrix: Matrix, cells: Sequence[Cell], keys: Sequence[str], workspace: Workspace
) -> Study:
    """Return what the finished cells show together."""
    records = [read_record(CellResult, load_cell(workspace.store, key)) for key in keys]
    varied = cells[0].varied
    return summarise(params.preset, varied, records, factors_of(matrix))


def _export(found: Study, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What is published names no machine.
    cells = [
        dataclasses.replace(cell, work=tuple(dataclasses.replace(work, machine="") for work in cell.work))
        for cell in found.cells
    ]
    found = dataclasses.replace(found, cells=tuple(cells))
    write_whole(path, json.dumps(dataclasses.asdict(found), indent=1, sort_keys=True) + "\n")
