"""Runs the cells of a study as tasks of a Ray cluster: each claims its cell, and what is known lives in Postgres.

A task is handed the study's parameters and a key, never data. It takes its addresses from the environment of its own
machine, so that no password travels; that they lead to the same store is checked.
"""

import hashlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from entrypoints.environment import opened_workspace
from entrypoints.quick_imports import quick_imports
from entrypoints.steps.matrix.sharing import CellsFailedError, Executing
from entrypoints.steps.shared.runs import under
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import PrerequisiteError, RagftError
from ragft.params.searches import StudyParams
from ragft.store.claims import claims_on
from ragft.store.connection import Store

# A task whose worker or node died is begun again; one that ended with an error is not.
RETRIES = 3
SECONDS_TO_CONNECT = 10


class RayExecutor:
    """Hands cells to a cluster: the one of RAY_ADDRESS, or one that is started on this machine for the study."""

    def __init__(self, params: StudyParams, workspace: Workspace) -> None:
        self._params = params
        self._workspace = workspace

    @contextmanager
    def executing(self, keys: Sequence[str], bases: Sequence[str]) -> Iterator[Executing]:
        """Yield the tasks that compute ``keys``, under the active run; what is left is cancelled at the end.

        Those that evaluate ``bases`` come first, so that no cell waits for one with a GPU of its own.

        Raises:
            PrerequisiteError: If Ray is not installed or reached, has too little, or could not share what is computed.
        """
        ray, active = _ray(), mlflow.active_run()
        assert active is not None, "a study has a run"
        parent = active.info.run_id
        self._refuse_what_is_not_shared()
        _connect(ray, self._workspace)
        try:
            asked = {"CPU": 1.0, "GPU": self._params.gpus_per_cell}
            _require(ray, {name: amount for name, amount in asked.items() if amount})
            task = ray.remote(compute).options(
                num_cpus=1, num_gpus=self._params.gpus_per_cell, max_retries=RETRIES, name="ragft cell"
            )
            mark = store_mark(self._workspace.store)
            kinds = [("base", key) for key in bases] + [("cell", key) for key in keys]
            tasks = {task.remote(kind, self._params.as_dict(), key, parent, mark): key for kind, key in kinds}
            yield _Tasks(ray, tasks, self._workspace)
        finally:
            ray.shutdown()
            # A machine that died left its runs open, and may never come back to end them.
            with suppress(MlflowException):
                _end_below(parent)

    def _refuse_what_is_not_shared(self) -> None:
        if not os.environ.get("RAY_ADDRESS"):
            return
        if not self._workspace.shared:
            raise PrerequisiteError(
                "RAY_ADDRESS names a cluster, whose machines cannot reach the embedded Postgres of this one: set "
                "RAGFT_DSN here and where Ray was started, or unset RAY_ADDRESS"
            )
        store = mlflow.get_tracking_uri().partition(":")[0]
        if store not in ("http", "https"):
            raise PrerequisiteError(
                f"RAY_ADDRESS names a cluster, whose machines cannot write to this MLflow store ({store}): set "
                "MLFLOW_TRACKING_URI to an MLflow server, here and where Ray was started, or unset RAY_ADDRESS"
            )


class _Tasks:
    """The tasks that were handed out."""

    def __init__(self, ray: Any, tasks: dict[Any, str], workspace: Workspace) -> None:  # noqa: ANN401 - Ray is optional
        self._ray = ray
        self._tasks = tasks
        self._keys = list(dict.fromkeys(tasks.values()))
        self._workspace = workspace

    def check(self) -> None:
        """Raise what a task raised, unless it says something about its cell alone."""
        done, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        for each in done:
            try:
                self._ray.get(each)
            except self._ray.exceptions.RayTaskError as error:
                if not isinstance(error.cause, RagftError):
                    raise
                if not isinstance(error.cause, CellsFailedError):
                    raise error.cause from None
            except self._ray.exceptions.RayError as error:
                raise PrerequisiteError(
                    f"Ray gave up on a cell after {RETRIES} tries more: {str(error).splitlines()[0]}; the others are "
                    "kept: see to its machines and run the same command again"
                ) from error
            del self._tasks[each]
        free = [each for each in claims_on(self._workspace.store, self._keys) if not each.settled and not each.alive]
        if free and not self._tasks:
            raise PrerequisiteError(
                f"{len(free)} cells are free and Ray has no task left for them: run the same command again"
            )


def compute(kind: Literal["cell", "base"], params: dict[str, Any], key: str, parent: str, mark: str) -> None:
    """Compute one cell of a study, or evaluate its base, in a process of Ray; its run stands under ``parent``.

    Raises:
        PrerequisiteError: If this machine's addresses lead to another store, or its code makes other cells.
    """
    # It would be preferred to the parent, and `mlflow run` sets it where Ray was started from a step.
    os.environ.pop("MLFLOW_RUN_ID", None)
    with opened_workspace() as workspace:
        with quick_imports():
            from entrypoints.steps import study
        try:
            MlflowClient().get_run(parent)
        except MlflowException as error:
            raise PrerequisiteError(
                "a worker of Ray cannot find the study's run in its MLflow store: set MLFLOW_TRACKING_URI to the same "
                "server where Ray is started as where the study is"
            ) from error
        if store_mark(workspace.store) != mark:
            raise PrerequisiteError(
                f"a worker of Ray keeps its results at {workspace.store.place}, the study elsewhere: set RAGFT_DSN and "
                "RAGFT_HOME to the same where Ray is started as where the study is"
            )
        with under(parent):
            run = study.run_base if kind == "base" else study.run_cell
            run(StudyParams(**params), key, workspace)


def store_mark(store: Store) -> str:
    """Return what tells two stores apart, and nothing of their secret."""
    return hashlib.sha256(b"mark\n" + store.secret + store.schema.encode()).hexdigest()[:16]


def _end_below(parent: str) -> None:
    """Mark the runs below a run that still count as running as killed."""
    client = MlflowClient()
    experiment = client.get_run(parent).info.experiment_id
    for run in client.search_runs([experiment], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'", max_results=50_000):
        if run.info.status == "RUNNING":
            _end_below(run.info.run_id)
            client.set_terminated(run.info.run_id, "KILLED")


def _ray() -> Any:  # noqa: ANN401 - Ray is optional
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        with quick_imports():
            import ray
    except ModuleNotFoundError:
        raise PrerequisiteError("executor is ray, and Ray is not installed: run pip install 'ragft[ray]'") from None
    return ray


def _connect(ray: Any, workspace: Workspace) -> None:  # noqa: ANN401 - Ray is optional
    address = os.environ.get("RAY_ADDRESS")
    # Without an address Ray would join the last cluster that was started on this machine, and wait if it is gone.
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    ours = signal.getsignal(signal.SIGTERM)  # Ray puts its own in place
    try:
        if address:
            _knock(address)
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, **quiet)
    except (ConnectionError, ValueError, OSError, RuntimeError, ray.exceptions.RayError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise PrerequisiteError(
            f"no Ray cluster answers at RAY_ADDRESS ({address}): {said}; start it with `ray start --head`, or unset "
            "RAY_ADDRESS to use this machine alone"
            if address
            else f"Ray cannot be started on this machine: {said}"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, ours)
    there = ray.cluster_resources()
    nodes = sum(node["Alive"] for node in ray.nodes())
    gpus = f", {there['GPU']:g} GPUs" if there.get("GPU") else ""
    workspace.say(f"Ray: {nodes} node{'s' if nodes > 1 else ''}, {there.get('CPU', 0):g} CPUs{gpus}")


def _knock(address: str) -> None:
    """See that something listens at ``host:port``; Ray itself would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_CONNECT).close()


def _require(ray: Any, asked: dict[str, float]) -> None:  # noqa: ANN401 - Ray is optional
    """Refuse what no node has, for which Ray would wait for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for name, amount in asked.items():
        most = max((node.get(name, 0.0) for node in nodes), default=0.0)
        if most < amount:
            what = name if amount == 1 else f"{name}s"
            raise PrerequisiteError(
                f"a cell asks for {amount:g} {what} of one machine (gpus_per_cell), and no machine of the Ray cluster "
                f"has more than {most:g}: ask for less, or add a machine"
            )
