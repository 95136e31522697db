"""The MLflow run a step works in."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from entrypoints.steps.shared import patience, unfinished
from ragft import tracking
from ragft.params.base import Params

EXPERIMENT = "ragft"
_parent: ContextVar[str | None] = ContextVar("parent", default=None)


@contextmanager
def under(run_id: str) -> Iterator[None]:
    """Let the next runs stand below a run that another process has opened."""
    token = _parent.set(run_id)
    try:
        yield
    finally:
        _parent.reset(token)


@contextmanager
def step_run(params: Params, name: str, tags: Mapping[str, Any], home: Path) -> Iterator[mlflow.ActiveRun]:
    """Open the run of a step: the one ``mlflow run`` made, else a new one, nested inside another step's.

    An exception marks the run FAILED, as MLflow does; a signal to end marks it KILLED.
    """
    nested = mlflow.active_run() is not None
    parent = None if nested else _parent.get()
    if not nested and not parent and not any(os.environ.get(key) for key in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")):
        _choose_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT, home)
    experiment = MlflowClient().get_run(parent).info.experiment_id if parent else None
    run = mlflow.start_run(
        nested=nested,
        parent_run_id=parent,
        experiment_id=experiment,
        tags={unfinished.TOKEN: unfinished.announce(home)},
    )
    unfinished.begin(home, run.info.run_id)
    status = unfinished.FAILED
    try:
        tracking.name_run(name, tags)
        tracking.log_params(params)
        yield run
        status = unfinished.FINISHED
    except KeyboardInterrupt:
        status = unfinished.KILLED
        raise
    except patience.Outage as error:
        if patience.is_out_of_reach(error):
            patience.lose_patience()
        raise
    finally:
        mlflow.end_run(status)
        unfinished.end(home, run.info.run_id)


def _choose_experiment(name: str, home: Path) -> None:
    """Make the experiment where it is missing; on a local store its artifacts lie in the home folder."""
    if mlflow.get_experiment_by_name(name) is None:
        local = mlflow.get_tracking_uri().startswith("sqlite:")
        try:
            mlflow.create_experiment(name, artifact_location=(home / "artifacts").as_uri() if local else None)
        except MlflowException:
            # Another process may have been faster.
            if mlflow.get_experiment_by_name(name) is None:
                raise
    mlflow.set_experiment(name)
