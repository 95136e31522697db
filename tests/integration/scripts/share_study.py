"""A process that computes a study with others; what computes a cell is imagined, and takes as long as it is told to."""

import dataclasses
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import mlflow

from entrypoints.steps import study
from entrypoints.steps.matrix import sharing
from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.shared.workspace import Workspace, say
from ragft.analysis.study.findings import CellResult
from ragft.errors import DivergedError, RagftError
from ragft.params.searches import StudyParams
from ragft.store import claims
from ragft.store.server import open_store
from ragft.store.working import Working
from tests.unit.analysis.studies_of_cells import cell as imagined

dsn, home, seconds, lease, seeds, code, diverging = sys.argv[1:]
claims.LEASE = timedelta(seconds=float(lease))
claims.RENEWAL = timedelta(seconds=float(lease) / 10)
claims.TO_COME_BACK = timedelta(seconds=float(lease) / 3)
sharing.SECONDS_BETWEEN_LOOKS = 0.05
usual = sharing.this_worker


def this_worker() -> claims.Worker:
    """Return the worker with the lease that was asked for, and with the code."""
    worker = usual()
    return dataclasses.replace(worker, lease=claims.LEASE, code={**worker.code, "torch": code})


sharing.this_worker = this_worker


class Imagined:
    """Computes cells from their axes alone."""

    def __init__(self, _: Identities, __: Working) -> None:
        """Need nothing."""

    def run(self, cell: Cell) -> CellResult:
        """Return the cell's result after a while."""
        say(f"begins {cell.name}")
        time.sleep(float(seconds))
        axes = {name: str(value) for name, value in cell.axes.items()}
        if axes["seed"] == diverging:
            raise DivergedError(f"the loss became nan with seed {diverging}")
        gain = -0.4 if cell.finetune.format == "closed_book" else 0.0
        return dataclasses.replace(imagined(gain, seed=axes["seed"]), name=cell.name, axes=axes)


os.chdir(home)  # MLflow makes ./mlruns
mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
folder = Path(home)
try:
    with open_store(dsn, folder) as store:
        workspace = Workspace(home=folder, store=store, say=say, shared=True)
        export = str(folder / f"{os.getpid()}.json")
        study.run(StudyParams(agreement="0", seeds=seeds, export=export), workspace, Imagined)
except RagftError as error:
    say(f"error {error.exit_code}: {error}")
    sys.exit(error.exit_code)
