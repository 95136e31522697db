"""A checkout's life in a folder of its own: the tiny base, one store, one MLflow database for all tests here."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tiny_model import make_tiny_model

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Checkout:
    """Runs commands as a user would, on a home folder of its own."""

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
        self, name: str, /, *, check: bool = True, environment: Mapping[str, str] | None = None, **params: object
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m entrypoints.<name>``."""
        words = [word for key, value in params.items() for word in (f"--{key}", str(value))]
        return self._run([sys.executable, "-m", f"entrypoints.{name}", *words], check, environment or {})

    def mlflow_run(self, entry: str, /, *, check: bool = True, **params: object) -> subprocess.CompletedProcess[str]:
        """Run ``mlflow run . -e <entry> --env-manager local``, after what ``make setup`` does."""
        if not (self.home / "mlflow.db").exists():
            self.step("setup")
        words = [word for key, value in params.items() for word in ("-P", f"{key}={value}")]
        return self._run(["mlflow", "run", ".", "-e", entry, "--env-manager", "local", *words], check, {})

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

    def _run(
        self, words: Sequence[str], check: bool, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={**self.environment, **environment},
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
    made.step("setup")
    return made


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four real Qasper papers."""
    folder = tmp_path_factory.mktemp("qasper")
    shutil.copy(ROOT / "tests/data/qasper/qasper-4papers-v0.3.json", folder)
    return folder
