"""Study: a matrix of adapters, each compared with its base; what was computed before comes from the store."""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import mlflow

from entrypoints.quick_imports import quick_imports
from entrypoints.steps.matrix import plan
from entrypoints.steps.matrix.cells import TRAINING, Cell, Identities, cells_of
from entrypoints.steps.matrix.presets import Matrix, matrix_of
from entrypoints.steps.matrix.show import duration, log, tell
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.read_record import read_record
from ragft.analysis.study import findings
from ragft.analysis.study.findings import Study, summarise
from ragft.errors import PrerequisiteError
from ragft.params import StudyParams
from ragft.store.disk import write_whole
from ragft.store.study_cells import finished_cells, load_cell, save_cell


class CellRunner(Protocol):
    """What computes a cell."""

    def run(self, cell: Cell) -> findings.CellResult:
        """Return the cell's result."""


def run(
    params: StudyParams, workspace: Workspace, runner: Callable[[Identities], CellRunner] | None = None
) -> Study | None:
    """Return what the study found; None if it was only planned.

    ``runner`` makes what computes cells, by default the steps of this process.

    Raises:
        ConfigError: If the matrix makes no sense, or its models and data do not go together.
        PrerequisiteError: If a base or data set is not there.
    """
    matrix = matrix_of(params)
    cells = cells_of(params, matrix)
    identities = Identities(workspace)
    with step_run(params, _run_name(params), {"ragft.step": "study", "ragft.preset": params.preset}, workspace.home):
        if params.dry_run:
            _plan(params, cells, identities, workspace)
            return None
        keys = [identities.cell(cell) for cell in cells]
        _compute(cells, keys, workspace, runner or _steps(workspace), identities)
        found = collect(params, matrix, cells, keys, workspace)
        log(found)
        tell(found, workspace)
        if params.export:
            _export(found, Path(params.export))
            workspace.say(f"results written to {params.export}")
    return found


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


def _steps(workspace: Workspace) -> Callable[[Identities], CellRunner]:
    def make(identities: Identities) -> CellRunner:
        # Torch and all that trains and judges are imported here, when something is to be computed.
        with quick_imports():
            from entrypoints.steps.matrix.runner import StepRunner

        return StepRunner(workspace, identities)

    return make


def _compute(
    cells: Sequence[Cell],
    keys: Sequence[str],
    workspace: Workspace,
    make: Callable[[Identities], CellRunner],
    identities: Identities,
) -> None:
    """Compute the missing cells and print a line for each; each is kept before the next begins."""
    runner: CellRunner | None = None
    spent: list[float] = []
    missing = [key for key in keys if load_cell(workspace.store, key) is None]
    workspace.say(f"{len(cells)} cells, of which {len(cells) - len(missing)} are done")
    for number, (cell, key) in enumerate(zip(cells, keys, strict=True), 1):
        if key not in missing:
            continue
        runner = runner or make(identities)
        started = time.monotonic()
        result = runner.run(cell)
        save_cell(workspace.store, key, dataclasses.asdict(result))
        spent.append(time.monotonic() - started)
        left = sum(spent) / len(spent) * (len(missing) - len(spent))
        workspace.say(f"[{number}/{len(cells)}] {_line(result)}, {duration(spent[-1])}, {duration(left)} left")
    mlflow.log_metrics({"cells": len(cells), "cells_computed": len(spent)})


def _line(cell: findings.CellResult) -> str:
    changes = [
        f"{change.measure} {change.gain.mean:+.2f} [{_end(change.gain.low)}, {_end(change.gain.high)}]"
        for change in cell.changes
        if change.decides
    ]
    return f"{cell.name}: {cell.outcome}, {', '.join(changes)}"


def _end(value: float | None) -> str:
    return "?" if value is None else f"{value:+.2f}"


def collect(
    params: StudyParams, matrix: Matrix, cells: Sequence[Cell], keys: Sequence[str], workspace: Workspace
) -> Study:
    """Return what the finished cells show together."""
    records = [read_record(findings.CellResult, load_cell(workspace.store, key)) for key in keys]
    varied = cells[0].varied
    factors = {name: [str(value) for value in getattr(matrix, name)] for name in TRAINING if name != "seed"}
    asked = {name: levels for name, levels in factors.items() if len(levels) > 1} if matrix.factors else {}
    return summarise(params.preset, varied, records, asked)


def _export(found: Study, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What is published names no machine.
    cells = [
        dataclasses.replace(cell, work=tuple(dataclasses.replace(work, machine="") for work in cell.work))
        for cell in found.cells
    ]
    found = dataclasses.replace(found, cells=tuple(cells))
    write_whole(path, json.dumps(dataclasses.asdict(found), indent=1, sort_keys=True) + "\n")
