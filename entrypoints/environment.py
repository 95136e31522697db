"""What comes from the environment: addresses and secrets, read here and nowhere else."""

import ctypes
import fcntl
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from entrypoints.home import fetched_from, home
from entrypoints.last_words import last_words
from entrypoints.quick_imports import quick_imports
from ragft.store.disk import RoomAt
from ragft.store.kill_points import enable_kill_points
from ragft.store.private import make_home
from ragft.store.server import open_store

if TYPE_CHECKING:
    from entrypoints.steps.shared.workspace import Workspace

_TELL_ME_OF_MY_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG
EXPERIMENT = "ragft"


def prepare_environment() -> Path:
    """Make the home folder and return it; quieten the libraries and settle the MLflow store's address.

    Called before anything heavy is imported: MLflow and transformers read these on import.

    Raises:
        ConfigError: If RAGFT_HOME cannot be the home folder.
        PrerequisiteError: If the home folder cannot be made.
    """
    folder = home()
    if fetched_from() and not os.environ.get("RAGFT_HOME"):
        print(f"everything is kept in {folder}: this code was fetched for one command")
        os.environ["RAGFT_HOME"] = str(folder)  # processes that this one starts have another parent
    make_home(folder)
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.simplefilter("ignore", FutureWarning)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for talkative in ("alembic", "bitsandbytes"):
        logging.getLogger(talkative).setLevel(logging.ERROR)
    # It logs tracebacks for errors that are retried here, or reported in a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    enable_kill_points(os.environ.get("RAGFT_TEST_KILL_POINT", ""))
    _make_sqlite_store(os.environ["MLFLOW_TRACKING_URI"], folder)
    return folder


def _make_sqlite_store(uri: str, folder: Path) -> None:
    """Make a new sqlite store and its experiment, the artifacts under the home folder.

    It takes a lock, since several processes that make a store at once crash. It is done here, since ``mlflow run``
    would put the artifacts of an experiment that it makes into the folder in which it was started.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (folder / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        with quick_imports():
            from mlflow import MlflowClient
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        # Made beside its place and then moved there as a whole: a half-made store would be refused for ever.
        half_made = path.with_name(f"{path.name}.part")
        half_made.unlink(missing_ok=True)
        SqlAlchemyStore(f"sqlite:///{half_made}", str(folder / "artifacts"))  # type: ignore[no-untyped-call]
        client = MlflowClient(f"sqlite:///{half_made}")
        client.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
        half_made.replace(path)


@contextmanager
def opened_workspace() -> Iterator["Workspace"]:
    """Open the store and yield the workspace that steps run in; close the store afterwards.

    Raises:
        PrerequisiteError: If the store cannot be opened, or MLflow's store does not come back in time.
    """
    folder = prepare_environment()
    with quick_imports():
        from entrypoints.steps.shared import patience
        from entrypoints.steps.shared.workspace import Workspace, say

    end_with_mlflow_run()
    patience.be_patient()
    try:
        _see_to_runs(folder, say)
        with last_words(), RoomAt(folder), open_store(os.environ.get("RAGFT_DSN"), folder) as store:
            yield Workspace(
                home=folder,
                store=store,
                say=say,
                shared=bool(os.environ.get("RAGFT_DSN")),
                api_keys={role: api_key(role) for role in ("model", "judge")},
            )
    except patience.Outage as error:
        if not patience.is_out_of_reach(error):
            raise
        raise patience.explained(error) from error


def _see_to_runs(folder: Path, say: Callable[[str], None]) -> None:
    """Mark the runs of commands that were killed, and note the run that ``mlflow run`` has made for this command."""
    from entrypoints.steps.shared import unfinished

    if left := unfinished.mark_left_running(folder):
        what = "1 MLflow run that a killed command left RUNNING is"
        if len(left) > 1:
            what = f"{len(left)} MLflow runs that killed commands left RUNNING are"
        say(f"{what} marked KILLED: {', '.join(left)}")
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        unfinished.begin(folder, run_id, of_mlflow_run=True)


def end_with_mlflow_run() -> None:
    """Make this process end if the ``mlflow run`` that started it is killed, since nobody would wait for it."""
    with suppress(psutil.Error):
        words = {Path(word).name for word in psutil.Process(os.getppid()).cmdline()}
        if sys.platform == "linux" and {"mlflow", "run"} <= words:
            ctypes.CDLL(None).prctl(_TELL_ME_OF_MY_PARENTS_DEATH, signal.SIGTERM)


def api_key(role: str) -> str:
    """Return the key for a server: ``RAGFT_<ROLE>_API_KEY``, else ``RAGFT_API_KEY``, else ``OPENAI_API_KEY``.

    The first form is for a model and a judge on two servers, neither of which may see the other's key. White space and
    line ends around a key, as left by a file or by copying, are ignored.
    """
    names = (f"RAGFT_{role.upper()}_API_KEY", "RAGFT_API_KEY", "OPENAI_API_KEY")
    return next((key for name in names if (key := os.environ.get(name, "").strip())), "")
