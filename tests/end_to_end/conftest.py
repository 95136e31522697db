"""A checkout's life in a folder of its own: the tiny base, one store, one MLflow database for all tests here."""

import atexit
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.tiny_model import make_tiny_model
from tests.warm import Fork, Warm

ROOT = Path(__file__).resolve().parents[2]


@cache
def warm() -> Warm:
    """The process that commands are forked from; it ends with this one."""
    made = Warm()
    atexit.register(made.close)
    return made


@dataclass(frozen=True)
class Checkout:
    """Runs commands as a user would, on a home folder of its own.

    A command is forked from a process that has imported its libraries, unless it is ``cold``: then it is started as a
    user's shell starts it.
    """

    home: Path
    base: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the README tells a user to export, and nothing of this machine's MLflow settings."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RAGFT_"))}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RAGFT_HOME": str(self.home),
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_EXPERIMENT_NAME": "ragft",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }

    @property
    def tracking_uri(self) -> str:
        """The MLflow store of this home."""
        return f"sqlite:///{self.home / 'mlflow.db'}"

    def step(
        self,
        name: str,
        /,
        *,
        check: bool = True,
        cold: bool = False,
        environment: Mapping[str, str] | None = None,
        **params: object,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m entrypoints.<name>``."""
        words = [word for key, value in params.items() for word in (f"--{key}", str(value))]
        return self._run(["python", "-m", f"entrypoints.{name}", *words], check, cold, environment or {})

    def mlflow_run(
        self, entry: str, /, *, check: bool = True, cold: bool = False, **params: object
    ) -> subprocess.CompletedProcess[str]:
        """Run ``mlflow run . -e <entry> --env-manager local``, after what ``make setup`` does."""
        if not (self.home / "mlflow.db").exists():
            self.step("setup")
        words = [word for key, value in params.items() for word in ("-P", f"{key}={value}")]
        return self._run(["mlflow", "run", ".", "-e", entry, "--env-manager", "local", *words], check, cold, {})

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a command whose stderr is read line by line."""
        return subprocess.Popen(
            words,
            cwd=ROOT,
            env={**self.environment, **environment},
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def begin(
        self, words: Sequence[str], environment: Mapping[str, str], *, cold: bool
    ) -> "subprocess.Popen[str] | Fork":
        """Start ``[python, "-m", module, ...]``, whose output and errors are read line by line as they come."""
        given = {**self.environment, **environment}
        if not cold:
            return warm().start(words, given)
        return subprocess.Popen(words, cwd=ROOT, env=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _run(
        self, words: Sequence[str], check: bool, cold: bool, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        given = {**self.environment, **environment}
        if not cold:
            given["PATH"] = f"{warm().programs}{os.pathsep}{given['PATH']}"
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=given,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A home with nothing in it but the tiny base."""
    home = tmp_path_factory.mktemp("home")
    made = Checkout(home, make_tiny_model(home / "tiny"))
    made.step("setup", cold=True)
    return made


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four real Qasper papers."""
    folder = tmp_path_factory.mktemp("qasper")
    shutil.copy(ROOT / "tests/data/qasper/qasper-4papers-v0.3.json", folder)
    return folder
