"""A real Postgres for the whole session, a schema of its own for each test, and processes to kill."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import psycopg
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import event
from sqlalchemy.engine import Engine

from entrypoints.steps.shared import patience
from entrypoints.steps.shared.workspace import Workspace
from ragft.store.connection import Store
from ragft.store.embedded import embedded_dsn, leave_embedded
from ragft.store.server import open_store

ROOT = Path(__file__).resolve().parents[2]

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of an embedded server that lives as long as the session, or of RAGFT_TEST_DSN.

    A server that is given is left as it is: what a test makes there it drops again.
    """
    if given := os.environ.get("RAGFT_TEST_DSN"):
        yield given
        return
    home = tmp_path_factory.mktemp("postgres_home")
    dsn = embedded_dsn(home)
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Clients are killed here, never this server, so nothing depends on what reached the disk.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield dsn
    leave_embedded(home)


@pytest.fixture
def new_schema(postgres: str) -> Iterator[Callable[[], str]]:
    """A function that makes an empty schema and gives the connection string of a store in it."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test_{next(_numbers)}")
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(made[-1])))
        return make_conninfo(postgres, options=f"-csearch_path={made[-1]}")

    yield make
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        for name in made:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


@pytest.fixture
def dsn(new_schema: Callable[[], str]) -> str:
    """The connection string of an empty store: what ``RAGFT_DSN`` holds."""
    return new_schema()


@pytest.fixture
def store(dsn: str, tmp_path: Path) -> Iterator[Store]:
    """An empty store, open."""
    with open_store(dsn, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them, to be copied: to make one takes seconds."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", str(path.parent))  # type: ignore[no-untyped-call]
    return path


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for MLflow's store as a step does; afterwards as MLflow does, so that no later test fails on a lock."""
    for name in patience._TRIES:
        monkeypatch.setenv(name, "")  # so that it is gone again afterwards
        monkeypatch.delenv(name)
    patience.be_patient()
    yield
    for name, listener in patience._LISTENERS:
        event.remove(Engine, name, listener)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.fixture
def workspace(
    store: Store, tmp_path: Path, empty_database: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workspace]:
    """A home with an empty store and an MLflow database of its own; what is said stands in ``said``."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = mlflow.create_experiment("ragft", artifact_location=(tmp_path / "artifacts").as_uri())
    # MLflow remembers the experiment of the process in both places.
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", experiment)
    yield Workspace(home=tmp_path, store=store, say=said.append)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def module_said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def module_workspace(
    postgres: str, tmp_path_factory: pytest.TempPathFactory, empty_database: Path, module_said: list[str]
) -> Iterator[Workspace]:
    """What ``workspace`` is to a test, for all tests of a file; ``RAGFT_DSN`` names its store."""
    home, schema = tmp_path_factory.mktemp("module"), f"module_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    dsn = make_conninfo(postgres, options=f"-csearch_path={schema}")
    shutil.copy(empty_database, home / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    mlflow.create_experiment("ragft", artifact_location=(home / "artifacts").as_uri())
    mlflow.set_experiment("ragft")
    with pytest.MonkeyPatch.context() as patch, open_store(dsn, home) as store:
        patch.setenv("RAGFT_DSN", dsn)
        yield Workspace(home, store, module_said.append)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


StartScript = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_script() -> Iterator[StartScript]:
    """A function that starts a script of ``tests/integration/scripts`` with arguments; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: object) -> subprocess.Popen[str]:
        script = ROOT / "tests" / "integration" / "scripts" / f"{name}.py"
        process = subprocess.Popen(
            [sys.executable, str(script), *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
