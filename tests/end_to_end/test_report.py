"""The commands of docs/verdict.md, on real papers: every context compared, the report found again."""

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.end_to_end.conftest import ROOT, Checkout
from tests.end_to_end.test_readme import parse
from tests.tiny_model import make_tiny_model

PAGE = (ROOT / "docs" / "verdict.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A home of its own, so that its ledger knows only what is compared here."""
    home = tmp_path_factory.mktemp("reported")
    made = Checkout(home, make_tiny_model(home / "tiny"))
    made.step("setup")
    return made


@pytest.fixture(scope="module")
def compared(fresh: Checkout, papers: Path) -> Iterator[tuple[Run, str]]:
    """The run of the page's comparison, and what was printed."""
    (line,) = re.findall(r"^```sh\n(.*)\n```", PAGE, flags=re.MULTILINE)
    step, params = parse(line)
    tiny: dict[str, Any] = {"dataset": "qasper", "base": fresh.base}
    quick: dict[str, Any] = {"max_new_tokens": 12, "estimator": "expected_no_rationale"}
    fresh.step("finetune", **tiny, path=papers, samples=4, epochs=1, learning_rate=0.01)
    done = fresh.mlflow_run(step, cold=True, **params, **tiny, **quick)
    mlflow.set_tracking_uri(fresh.tracking_uri)
    found = mlflow.search_runs(
        search_all_experiments=True,
        filter_string="tags.`ragft.step` = 'compare'",
        output_format="list",
    )
    yield found[0], done.stdout + done.stderr
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def test_the_run_holds_report_comparison_and_figures(compared: tuple[Run, str]) -> None:
    client, run_id = MlflowClient(), compared[0].info.run_id
    assert {"report.html", "comparison.json", "decision.json"} <= {f.path for f in client.list_artifacts(run_id)}
    drawn = {file.path for file in client.list_artifacts(run_id, "figures")}
    assert {f"figures/base_and_fine_tuned_{c}.png" for c in ("none", "retrieved", "oracle")} <= drawn


def test_the_report_and_its_address_are_told(compared: tuple[Run, str]) -> None:
    (address,) = re.findall(r"^report: file://(\S+)$", compared[1], flags=re.MULTILINE)
    html = Path(address).read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert len(html.encode()) < 2_000_000
    assert "With only passages that hold the answer" in html


def test_make_report_fetches_the_newest(compared: tuple[Run, str], fresh: Checkout) -> None:
    make = shutil.which("make")
    assert make is not None
    # A make inside `make test` is told so, and says where it enters and leaves.
    above = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")
    environment = {key: value for key, value in {**os.environ, **fresh.environment}.items() if key not in above}
    done = subprocess.run(
        [make, "-o", ".venv/ready", "report"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "make report" in PAGE
    assert done.stdout.strip().endswith((fresh.home / "report.html").as_uri())
    found = (fresh.home / "report.html").read_text(encoding="utf-8")
    assert compared[0].info.run_id in found


def test_the_ledger_remembers_when_the_run_is_deleted(compared: tuple[Run, str], fresh: Checkout) -> None:
    run, _ = compared
    MlflowClient().delete_run(run.info.run_id)
    quick: dict[str, Any] = {"max_new_tokens": 12, "estimator": "expected_no_rationale"}
    tiny: dict[str, Any] = {"dataset": "qasper", "base": fresh.base}
    fresh.step("finetune", **tiny, samples=3, epochs=1, learning_rate=0.01)
    done = fresh.step("compare", **tiny, **quick)
    assert "2 versions were compared on these questions" in done.stdout


def test_people_are_asked_on_a_page_and_what_they_say_is_kept(compared: tuple[Run, str], fresh: Checkout) -> None:
    assert compared
    page = (ROOT / "docs" / "labels.md").read_text(encoding="utf-8")
    asked, read = (parse(line) for line in re.findall(r"^mlflow run .*$", page, flags=re.MULTILINE))
    same: dict[str, Any] = {"base": fresh.base, "max_new_tokens": 12, "estimator": "expected_no_rationale"}
    said = fresh.mlflow_run(asked[0], **asked[1], **same, context="retrieved").stdout
    (sheet,) = (fresh.home / "sheets").glob("labels-*.csv")
    assert "points, if people differ from the judge as much as it is unsure" in said
    assert sheet.with_suffix(".html").as_posix() in said
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    graded = sheet.with_name("ann.csv")
    with graded.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([[*row[:5], *"3" * (len(head) - 6), "ann"] for row in rows])
    told = fresh.step(read[0], **{**read[1], "ratings": graded}, **same, context="retrieved").stdout
    for criterion in ("accuracy", "completeness"):
        assert re.search(rf"kept \d+ labels of \d+ answers under {criterion}", told)
        assert f"  {criterion}: people alone +0.00" in told
    assert "was expected when the sheet was written" in told
