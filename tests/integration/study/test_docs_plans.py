"""Every study of the documentation can be planned; how fast this machine is does not matter here."""

import re
from pathlib import Path
from typing import Any

import click
import pytest

from entrypoints import study as command
from entrypoints.steps import study
from entrypoints.steps.matrix import measure
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.searches import StudyParams
from tests.end_to_end.test_readme import parse

ROOT = Path(__file__).resolve().parents[3]
PAGES = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("study.md", "results.md")]
LINES = [line for page in PAGES for line in page.splitlines() if line.startswith("mlflow run ")]


def params_of(line: str) -> StudyParams:
    """What the command makes of a line: every parameter as click reads it."""
    step, given = parse(line)
    assert step == "study"
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    values: dict[str, Any] = click.Command("study", params=command.command.params).make_context("study", words).params
    return StudyParams(**{**values, "dry_run": True})


def test_there_are_as_many_as_ever() -> None:
    assert len(LINES) == 7


@pytest.mark.parametrize("line", LINES)
def test_it_can_be_planned(line: str, workspace: Workspace, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(measure, "STAGES", dict.fromkeys(measure.STAGES, lambda *_: 10.0))
    assert study.run(params_of(line), workspace) is None
    assert any(re.search(r"^\d+ of \d+ cells are done; time ", text) for text in said)
    assert any("groups of documents show differences from" in text for text in said)
