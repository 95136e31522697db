"""Every command in the shell blocks of the documents on data and knowledge is run, in order, in a fresh home."""

import re
import shlex
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from tests.end_to_end.conftest import ROOT, Checkout

DOCUMENTS = ("data.md", "knowledge.md")


def commands(document: str) -> list[str]:
    """The lines of the shell blocks of a document."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A home with nothing in it; the base is the pocket."""
    home: Path = tmp_path_factory.mktemp("docs")
    made = Checkout(home, home)
    made.step("setup")
    return made


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_run(document: str, fresh: Checkout) -> None:
    found = commands(document)
    assert len(found) >= 2
    for line in found:
        words = shlex.split(line)
        assert words[:4] == ["mlflow", "run", ".", "-e"], line
        assert words[-2:] == ["--env-manager", "local"], line
        given = [words[i + 1].partition("=") for i, word in enumerate(words) if word == "-P"]
        params: dict[str, Any] = {key: value for key, _, value in given}
        fresh.mlflow_run(words[4], **params)


def test_the_runs_of_the_dose_hold_its_curves(fresh: Checkout) -> None:
    mlflow.set_tracking_uri(fresh.tracking_uri)
    runs = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.`ragft.unknown_share` = '0.5'", output_format="list"
    )
    client = MlflowClient()
    points = [client.get_metric_history(run.info.run_id, "held_out_known_right") for run in runs]
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert [len(found) for found in points] == [3]
