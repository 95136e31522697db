"""A process that tunes with others; what computes a trial is imagined, and takes as long as it is told to."""

import dataclasses
import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import mlflow

from entrypoints.steps import tune
from entrypoints.steps.matrix import sharing
from entrypoints.steps.search.show import rows
from entrypoints.steps.shared.workspace import Workspace, say
from ragft.errors import RagftError
from ragft.params.searches import TuneParams
from ragft.store import claims
from ragft.store.server import open_store
from ragft.store.tune_trials import TuneTrial
from tests.integration.study.imagined_trials import Imagined

dsn, home, seconds, trials, together = sys.argv[1:]
LEASE = timedelta(seconds=30)
claims.RENEWAL = LEASE / 30
claims.TO_COME_BACK = LEASE / 10
sharing.SECONDS_BETWEEN_LOOKS = 0.05
usual = sharing.this_worker
sharing.this_worker = lambda: dataclasses.replace(usual(), lease=LEASE)


class Slow(Imagined):
    """Takes as long as it is told to, and says what it is at."""

    def run(self, trial: TuneTrial) -> dict[str, object]:
        """Return what came of the trial after a while."""
        say(f"begins {trial.number}")
        time.sleep(float(seconds))
        return super().run(trial)

    def compare(self, best: TuneTrial, trials: int) -> dict[str, object]:
        """Return a verdict."""
        say(f"compares {best.number}")
        return super().compare(best, trials)


os.chdir(home)  # MLflow makes ./mlruns
mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
folder = Path(home)
try:
    with open_store(dsn, folder) as store:
        # Imports take from seconds to a minute: nobody begins before all are there.
        (folder / f"{os.getpid()}.ready").touch()
        while len(list(folder.glob("*.ready"))) < int(together):
            time.sleep(0.02)
        workspace = Workspace(home=folder, store=store, say=say, shared=True)
        found = tune.run(TuneParams(trials=int(trials)), workspace, Slow)
        table = [list(rows(found.tune, found.trials)), found.verdict]
        (folder / f"{os.getpid()}.json").write_text(json.dumps(table))
except RagftError as error:
    say(f"error {error.exit_code}: {error}")
    sys.exit(error.exit_code)
