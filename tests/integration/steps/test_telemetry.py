"""A step sends nothing home, whatever the shell of the user has exported."""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import ROOT

SCRIPT = """
from entrypoints.environment import opened_workspace
from ragft.errors import PrerequisiteError
try:
    with opened_workspace():
        pass
except PrerequisiteError as error:
    print(error)
from mlflow.telemetry.client import get_telemetry_client
print("telemetry:", get_telemetry_client())
"""


def test_mlflow_is_imported_after_its_telemetry_is_switched_off(tmp_path: Path) -> None:
    of_tests = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "DO_NOT_TRACK")  # these alone switch it off
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RAGFT_"))}
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "RAGFT_DSN": "postgresql://127.0.0.1:9/nowhere"}
    environment = {key: value for key, value in kept.items() if key not in of_tests} | nowhere
    environment |= {"RAGFT_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "cannot connect to Postgres at 127.0.0.1:9" in done.stdout
    assert done.stdout.endswith("telemetry: None\n")
