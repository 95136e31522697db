"""Many processes promote at once through an MLflow server on Postgres: no update is lost, every decision is recorded.

python -m benchmarks.promotions [--processes 8] [--promotions 20] > benchmarks/results/promotions.txt
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"

import mlflow

from ragft.store.embedded import embedded_dsn, leave_embedded
from registry.store import Registry
from tests.integration.registry.conftest import ADAPTER, BASE, MODEL_CODE
from tests.mlflow_server import mlflow_server, new_database
from tests.promoting import promote_at_once, what_is_wrong

ROOT = Path(__file__).resolve().parents[1]
NAME = "ragft-telecom-pocket"


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a script of the tests."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "integration" / "scripts" / f"{script}.py"), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def register(folder: Path) -> None:
    """Register a base and an adapter without weights."""
    code, adapter = folder / "model.py", folder / "adapter"
    code.write_text(MODEL_CODE)
    adapter.mkdir()
    (adapter / "manifest.json").write_text("{}")
    with mlflow.start_run():
        registry = Registry(model_code=code, requirements=["mlflow"])
        registry.register_base(BASE, {})
        registry.register_adapter(ADAPTER, {}, adapter)


def main() -> None:
    """Promote and look at what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--promotions", type=int, default=20)
    options = parser.parse_args()
    expected = options.processes * options.promotions
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dsn = embedded_dsn(folder)
        with mlflow_server(new_database(dsn, "mlflow"), folder) as address:
            mlflow.set_tracking_uri(address)
            register(folder)
            began = time.monotonic()
            moves = promote_at_once(start, new_database(dsn, "ragft"), NAME, options.processes, options.promotions)
            seconds = time.monotonic() - began
            wrong = what_is_wrong(moves, NAME, expected)
        leave_embedded(folder)
    print(f"{options.processes} processes x {options.promotions} promotions in {seconds:.0f} s, their starts included")
    print(f"{len(moves.made)} of {expected} went through, {moves.stale} were refused as stale and compared again")
    print("one chain from the first champion to the last, every decision recorded" if not wrong else "\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
