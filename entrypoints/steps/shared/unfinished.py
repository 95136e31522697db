"""Which MLflow runs this process works on, so that none stays RUNNING for ever when the process is gone.

Each process has a file in ``<home>/running``, locked as long as it lives, with a line for each run that it begins and
one for each that it ends; before a run is begun, a line with the token that the run carries as a tag, since a process
can be killed before it learns the run's id. A file that nobody locks belongs to a process that was killed: the next
command of this home marks its runs KILLED. It does the same for the run of an ``mlflow run`` that survived its step,
since MLflow then writes FAILED over the step's KILLED.
"""

import atexit
import fcntl
import hashlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus
from mlflow.exceptions import MlflowException

from entrypoints.steps.shared.patience import is_out_of_reach
from ragft.stopping import is_stopping, on_slow_end

RUNNING, FINISHED, FAILED, KILLED = map(
    RunStatus.to_string, (RunStatus.RUNNING, RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)
)
_BEGUN, _ENDED, _STOPPED, _ANNOUNCED = "+", "-", "!", "?"
TOKEN = "ragft.begun_as"


class _OwnRuns:
    """The file of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = os.getpid()
        self.left: set[str] = set()
        self.of_mlflow_run = ""
        folder.mkdir(mode=0o700, exist_ok=True)
        # Locked before it has its name, so that nobody takes it for that of a dead process.
        path = folder / f"{self.process}.part"
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        self._path = path.replace(path.with_suffix(""))
        atexit.register(self.close)
        on_slow_end(self.mark_killed)

    def write(self, sign: str, run_id: str) -> None:
        """Note that a run was begun or ended."""
        (self.left.discard if sign == _ENDED else self.left.add)(run_id)
        self._note(sign, run_id)

    def announce(self) -> str:
        """Note that a run is about to be begun, and return its token."""
        token = secrets.token_hex(8)
        self._note(_ANNOUNCED, token)
        return token

    def _note(self, sign: str, name: str) -> None:
        os.write(self._handle, f"{sign} {_store()} {name}\n".encode())

    def mark_killed(self) -> None:
        """Mark the runs that were not ended."""
        for run_id in _mark(dict.fromkeys(sorted(self.left), False)):
            self.left.discard(run_id)
        if self.of_mlflow_run:
            self.write(_STOPPED, self.of_mlflow_run)

    def close(self) -> None:
        """Remove the file; one with runs that could not be ended stays for the next command."""
        if os.getpid() != self.process:
            return
        if is_stopping():
            self.mark_killed()
        if not self.left:
            self._path.unlink(missing_ok=True)


_own: dict[Path, _OwnRuns] = {}


def announce(home: Path) -> str:
    """Note that this process is about to begin a run, and return the token that the run must carry as tag `TOKEN`."""
    return _of_this_process(home).announce()


def begin(home: Path, run_id: str, *, of_mlflow_run: bool = False) -> None:
    """Note that this process works on a run: its own, or that of the ``mlflow run`` which waits for its end."""
    own = _of_this_process(home)
    own.write(_BEGUN, run_id)
    if of_mlflow_run:
        own.of_mlflow_run = run_id


def _of_this_process(home: Path) -> _OwnRuns:
    own = _own.get(home)
    if own is None or own.process != os.getpid():
        own = _own[home] = _OwnRuns(home / "running")
    return own


def end(home: Path, run_id: str) -> None:
    """Note that a run has its final status."""
    _own[home].write(_ENDED, run_id)


def mark_left_running(home: Path) -> list[str]:
    """Mark the runs that killed processes of this home left RUNNING as KILLED, and return their ids."""
    marked = []
    for path in sorted((home / "running").glob("*")):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left, elsewhere = _read(path)
            settled = _mark(left)
            marked += [run_id for run_id, was_marked in settled.items() if was_marked]
            if not elsewhere and len(settled) == len(left):
                path.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
    return marked


def _read(path: Path) -> tuple[dict[str, bool], bool]:
    """Return the runs that were left in the present MLflow store, and whether there may be others that it cannot see.

    With each run stands whether its step was stopped and may have been called FAILED since.
    """
    left: dict[str, tuple[str, bool]] = {}
    announced = ("", "")
    for line in path.read_text(encoding="utf-8").splitlines():
        sign, store, run_id = line.split(" ")
        announced = (store, run_id) if sign == _ANNOUNCED else ("", "")
        if sign == _ENDED:
            left.pop(run_id, None)
        elif sign != _ANNOUNCED:
            left[run_id] = store, sign == _STOPPED
    store, token = announced
    carrying = _carrying(token) if store == _store() else None if store else []
    left |= dict.fromkeys(carrying or (), (store, False))
    here = {run_id: stopped for run_id, (store, stopped) in left.items() if store == _store()}
    return here, len(here) < len(left) or carrying is None


def _mark(runs: Mapping[str, bool]) -> dict[str, bool]:
    """Mark those of the runs that are RUNNING, or FAILED since they were stopped (their value).

    Returns:
        Whether each run was marked; runs of which nothing could be learnt are left out.
    """
    client, settled = MlflowClient(), dict[str, bool]()
    for run_id, stopped in runs.items():
        try:
            mark = client.get_run(run_id).info.status in ((RUNNING, FAILED) if stopped else (RUNNING,))
            if mark:
                client.set_terminated(run_id, KILLED)
            settled[run_id] = mark
        except MlflowException as error:
            if not is_out_of_reach(error):
                settled[run_id] = False  # deleted meanwhile
    return settled


def _carrying(token: str) -> list[str] | None:
    """Return the ids of the runs that were begun with a token; None where the store is out of reach."""
    try:
        found: list[Run] = mlflow.search_runs(
            search_all_experiments=True, filter_string=f"tags.`{TOKEN}` = '{token}'", output_format="list"
        )
    except MlflowException as error:
        if is_out_of_reach(error):
            return None
        raise
    return [run.info.run_id for run in found]


def _store() -> str:
    """Return a short name of the MLflow store; its address can hold a password."""
    return hashlib.sha256(mlflow.get_tracking_uri().encode()).hexdigest()[:16]
