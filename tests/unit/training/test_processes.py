"""Several processes: the first step's gradients are those of one process with the same examples."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.tiny_model import make_tiny_model

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("first_step.py")


def gradients(folder: Path, base: Path, processes: int) -> dict[str, torch.Tensor]:
    out = folder / f"{processes}.pt"
    # With a port of its own, so that tests may run side by side.
    launch = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    )
    done = subprocess.run(
        [sys.executable, *launch, str(SCRIPT), str(base), str(folder / f"run{processes}"), str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, torch.Tensor] = torch.load(out, weights_only=True)
    return found


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base")
    one, two = (gradients(tmp_path, base, processes) for processes in (1, 2))
    assert set(one) == set(two)
    assert len(one) > 4
    scale = max(float(each.abs().max()) for each in one.values())
    assert scale > 0
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, rtol=1e-5, atol=1e-5 * scale, msg=name)
