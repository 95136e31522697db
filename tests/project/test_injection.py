"""What stands in a ``-P key=value`` reaches the step as text, or is refused; no shell runs it."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.projects.utils import load_project

from ragft.cli import step_command
from ragft.params.base import Params
from ragft.params.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("touch evil", "touch ${IFS}evil", "sh -c 'touch evil'", "/usr/bin/touch evil")
AROUND = ("; {}", "$({})", "`{}`", "| {}", "&& {} #", "\n{}\n", "' ; {} ; '", '" ; {} ; "', "\\'; {}", "x > evil; {}")
PAYLOADS = [shape.format(command) for shape in AROUND for command in COMMANDS]
LEADING = ("--force", "-x", "--reason=other", "--", "--name evil", "--no-such", "@evil", "*", "~", "{dataset}", "$HOME")


@pytest.fixture(scope="module")
def entry() -> Any:  # noqa: ANN401 - MLflow's own type
    return load_project(str(ROOT)).get_entry_point("rollback")  # type: ignore[no-untyped-call]


def words_of(command: str, folder: Path) -> list[str]:
    """The words that bash, which MLflow hands the command to, makes of it: python itself is replaced by a printer."""
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    python.chmod(0o755)
    before = sorted(folder.rglob("*"))
    environment = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "HOME": "/nonexistent"}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    assert sorted(folder.rglob("*")) == before
    return [word.decode() for word in done.stdout.split(b"\0")[:-1]]


def test_there_are_at_least_forty() -> None:
    assert len(set(PAYLOADS)) >= 40


@pytest.mark.parametrize("payload", [*PAYLOADS, *LEADING])
def test_a_value_arrives_as_it_was_written(entry: Any, tmp_path: Path, payload: str) -> None:  # noqa: ANN401
    words = words_of(entry.compute_command({"reason": payload}, None), tmp_path)
    assert words == shlex.split(entry.compute_command({"reason": payload}, None))[1:]
    seen: list[Params] = []
    result = CliRunner().invoke(step_command("rollback", STEPS["rollback"], seen.append), words[2:])
    assert result.exit_code == 0, result.output
    assert [params.as_dict()["reason"] for params in seen] == [payload]


@pytest.mark.parametrize("payload", [*PAYLOADS, *LEADING])
def test_a_key_is_refused(entry: Any, tmp_path: Path, payload: str) -> None:  # noqa: ANN401
    words = words_of(entry.compute_command({payload: "x"}, None), tmp_path)
    assert words[-2] == f"--{payload}"
    seen: list[Params] = []
    result = CliRunner().invoke(step_command("rollback", STEPS["rollback"], seen.append), words[2:])
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    assert seen == []


def test_a_key_with_hyphens_is_the_parameter_and_the_last_word(tmp_path: Path) -> None:
    study = load_project(str(ROOT)).get_entry_point("study")  # type: ignore[no-untyped-call]
    words = words_of(study.compute_command({"dry-run": "True", "chunk-chars": "$(touch evil)"}, None), tmp_path)
    seen: list[Params] = []
    CliRunner().invoke(step_command("study", STEPS["study"], seen.append), words[2:], catch_exceptions=False)
    assert [(params.as_dict()["dry_run"], params.as_dict()["chunk_chars"]) for params in seen] == [
        (True, "$(touch evil)")
    ]
