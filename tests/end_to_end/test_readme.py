"""Every command of the README is run: here, by the named other test, or it is marked there as not run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from tests.end_to_end.conftest import ROOT, Checkout

README = (ROOT / "README.md").read_text(encoding="utf-8")
ELSEWHERE = {
    "make ui": ("tests/browser/test_mlflow_ui.py", '"make", "ui"'),
    "mlflow models serve": ("tests/end_to_end/test_lifecycle.py", '"models",'),
    "curl": ("tests/end_to_end/test_lifecycle.py", "/invocations"),
}


def commands() -> list[str]:
    """The lines of the README's shell blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A home with nothing in it; the base is the pocket."""
    home = tmp_path_factory.mktemp("readme")
    made = Checkout(home, home)
    made.step("setup")
    return made


def test_the_readme_opens_with_the_two_commands() -> None:
    assert re.search(r"^    make demo .*\n    make test ", README, flags=re.MULTILINE)
    assert len(commands()) >= 10


def test_what_is_run_elsewhere_is_there() -> None:
    for command, (place, words) in ELSEWHERE.items():
        assert any(line.startswith(command) for line in commands()), command
        assert words in (ROOT / place).read_text(encoding="utf-8")


def test_the_commands_run_in_their_order(fresh: Checkout) -> None:
    run = [line for line in commands() if line.startswith("mlflow run")]
    assert len(run) >= 8
    for line in run:
        step, params = parse(line)
        fresh.mlflow_run(step, **params)
    mlflow.set_tracking_uri(fresh.tracking_uri)
    model = MlflowClient().get_registered_model("ragft-qasper-pocket")
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert {name: str(number) for name, number in model.aliases.items()} == {"champion": "1"}


def test_by_the_exports_artifacts_lie_in_the_home(tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name.startswith(("ragft/", "registry/", "entrypoints/", "tests/data/qasper/")) or name == "MLproject":
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "conda.yaml", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    exports = re.findall(r"^```sh\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)[0]
    assert exports.startswith("export MLFLOW_TRACKING_URI")
    script = f"set -e\n{exports}\n{next(line for line in commands() if line.startswith('mlflow run'))}\n"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RAGFT_", "PYTHONPATH"))}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len([path for path in (tmp_path / ".ragft" / "artifacts").rglob("*") if path.is_file()]) > 0
    assert not (tmp_path / "mlruns").exists()


def parse(line: str) -> tuple[str, dict[str, Any]]:
    """The step and the parameters of a `mlflow run` line that uses the local environment."""
    words = shlex.split(line)
    assert words[:4] == ["mlflow", "run", ".", "-e"], line
    assert words[-2:] == ["--env-manager", "local"], line
    given = [words[i + 1].partition("=") for i, word in enumerate(words) if word == "-P"]
    return words[4], {key: value for key, _, value in given}


def test_the_demo_ends_with_a_table_and_the_verdicts(fresh: Checkout) -> None:
    done = fresh.step("demo", cold=True, samples=6, epochs=1, questions=4)
    assert re.search(r"^metric +n +unscored +base +closed_book +retrieved$", done.stdout, flags=re.MULTILINE)
    assert len(re.findall(r"^verdict: models:/ragft-telecom-pocket/[23] against", done.stdout, flags=re.MULTILINE)) == 2
    assert len(re.findall(r"^report:  file://\S+-v[23]-against-v1\.html$", done.stdout, flags=re.MULTILINE)) == 2
    assert "truth_right" in done.stdout
    assert "make ui" in done.stdout


@pytest.mark.parametrize("words", ["conda, for which `conda.yaml` is written; **not run here**"])
def test_what_was_never_run_is_marked(words: str) -> None:
    assert words in README


def test_the_files_that_commands_name_exist() -> None:
    named = [Path(path) for line in commands() for path in re.findall(r"tests/data/[\w./-]+", line)]
    assert len(named) >= 4
    assert all((ROOT / path).exists() for path in named)
