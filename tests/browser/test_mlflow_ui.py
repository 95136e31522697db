"""What people look at: the MLflow UI on the store of a real base and adapter, in a real Chromium."""

import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

from ragft import tracking
from tests.end_to_end.conftest import ROOT, Checkout

NAME = "ragft-qasper-tiny"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 90_000


@pytest.fixture(scope="module")
def store(checkout: Checkout, papers: Path) -> Checkout:
    """A home with the base and an adapter evaluated."""
    tiny: dict[str, Any] = {"dataset": "qasper", "base": checkout.base}
    quick: dict[str, Any] = {"judge": "none", "max_new_tokens": 12, "traces": True}
    # Trained first, since MLflow does not list the run that registers the base among its evaluations.
    checkout.step("finetune", **tiny, path=papers, samples=5, epochs=2, learning_rate=0.01)
    checkout.step("evaluate", **tiny, **quick, context="retrieved")
    checkout.step("evaluate", **quick, model=f"models:/{NAME}@challenger", context="retrieved")
    return checkout


@pytest.fixture(scope="module")
def address(store: Checkout) -> Iterator[str]:
    """`make ui` on that store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["make", "ui", f"UI_PORT={port}", f"MLFLOW_TRACKING_URI={store.tracking_uri}"]
    with subprocess.Popen(words, cwd=ROOT, env=store.environment, start_new_session=True) as server:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 300
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.5)
        yield url
        subprocess.run(["pkill", "-g", str(server.pid)], check=False)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A wide window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1700, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


@pytest.fixture
def pictures(pytestconfig: pytest.Config) -> Path:
    """Where pictures of the pages are kept, to be looked at."""
    folder = pytestconfig.rootpath / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_ids(store: Checkout) -> tuple[str, list[str]]:
    """The experiment and the two evaluation runs, base first."""
    mlflow.set_tracking_uri(store.tracking_uri)
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("ragft")
    assert experiment is not None
    found = client.search_runs(
        [experiment.experiment_id], "tags.`ragft.context` = 'retrieved'", order_by=["start_time"]
    )
    assert len(found) == 2
    return experiment.experiment_id, [run.info.run_id for run in found]


def test_runs_are_listed_under_names_that_line_up(address: str, store: Checkout, page: Page, pictures: Path) -> None:
    experiment, _ = run_ids(store)
    page.goto(f"{address}/#/experiments/{experiment}/runs")
    expect(page.get_by_text("qasper|n0|base").first).to_be_visible()
    expect(page.get_by_text("qasper|n5|lora closed_book v2").first).to_be_visible()
    page.screenshot(path=pictures / "runs.png")


def test_one_click_shows_verdicts_and_scores_as_columns(
    address: str, store: Checkout, page: Page, pictures: Path
) -> None:
    experiment, _ = run_ids(store)
    # MLflow shows the column of a tag once a run has it.
    client = mlflow.MlflowClient()
    compared = client.create_run(experiment, tags={"ragft.verdict": "hold"}, run_name="a comparison").info.run_id
    client.log_metric(compared, "change_accuracy", 0.1)
    client.set_terminated(compared)
    page.goto(f"{address}/#/experiments/{experiment}/runs")
    expect(page.get_by_role("link", name="Verdicts and scores")).to_have_attribute(
        "href", re.compile("viewStateShareKey=ragft")
    )
    page.get_by_role("button", name="Views").click()
    page.get_by_test_id("saved-views-item-ragft").click()
    columns = [page.locator(f'[role=columnheader][col-id="{name}"]') for name in tracking.VIEW_COLUMNS]
    expect(columns[0]).to_contain_text("ragft.verdict")
    expect(page.locator('[role=columnheader][col-id="metrics.`answer_f1/mean`"]')).to_have_count(1)
    places = [int(each.get_attribute("aria-colindex") or 0) for each in columns if each.count()]
    assert places == sorted(places)
    page.screenshot(path=pictures / "view.png")


def test_compare_shows_base_against_adapter(address: str, store: Checkout, page: Page, pictures: Path) -> None:
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    page.on("console", note)
    experiment, runs = run_ids(store)
    listed = ",".join(f'"{run}"' for run in runs)
    page.goto(f'{address}/#/compare-runs?runs=[{listed}]&experiments=["{experiment}"]')
    expect(page.get_by_text(re.compile("answer_f1/mean")).first).to_be_visible()
    expect(page.get_by_text("qasper|n0|base").first).to_be_visible()
    page.screenshot(path=pictures / "compare.png", full_page=True)
    assert not [text for text in problems if "ragft" in text]


def test_versions_show_champion_and_challenger(address: str, page: Page, pictures: Path) -> None:
    page.goto(f"{address}/#/models/{NAME}")
    expect(page.get_by_text("@ champion").first).to_be_visible()
    expect(page.get_by_text("@ challenger").first).to_be_visible()
    page.screenshot(path=pictures / "versions.png")


def model_id(store: Checkout, alias: str) -> str:
    """The LoggedModel of a version."""
    mlflow.set_tracking_uri(store.tracking_uri)
    source = mlflow.MlflowClient().get_model_version_by_alias(NAME, alias).source
    assert source is not None
    return source.removeprefix("models:/")


def close_assistant(page: Page) -> None:
    """Give the page the room that MLflow's assistant takes."""
    page.get_by_role("button", name="Close").last.click()


def test_a_models_own_page_shows_its_metrics_their_data_and_its_version(
    address: str, store: Checkout, page: Page, pictures: Path
) -> None:
    experiment, _ = run_ids(store)
    for alias, number, run in (("champion", 1, "qasper|n0|base"), ("challenger", 2, "qasper|n5|lora closed_book v2")):
        page.goto(f"{address}/#/experiments/{experiment}/models/{model_id(store, alias)}")
        expect(page.get_by_text("answer_f1/mean").first).to_be_visible()
        expect(page.get_by_text(re.compile(r"qasper test retrieved \(#[0-9a-f]{12}\)")).first).to_be_visible()
        expect(page.get_by_role("link", name=run).first).to_be_visible()
        expect(page.get_by_text(re.compile(rf"{NAME} v{number}")).first).to_be_visible()
    page.screenshot(path=pictures / "model.png")


def test_a_runs_answers_are_a_table_and_each_opens_its_spans(
    address: str, store: Checkout, page: Page, pictures: Path
) -> None:
    experiment, runs = run_ids(store)
    page.goto(f"{address}/#/experiments/{experiment}/runs/{runs[1]}/traces")
    close_assistant(page)
    for head in ("Request", "Response", "Expected output"):
        expect(page.get_by_text(head, exact=True).first).to_be_visible()
    questions = mlflow.artifacts.load_dict(f"runs:/{runs[1]}/rows.json")
    place = questions["columns"].index("input")
    texts = [row[place] for row in questions["data"]]
    expect(page.get_by_text(texts[0]).first).to_be_visible()
    page.screenshot(path=pictures / "answers.png")
    page.get_by_text(texts[0]).first.click()
    for span in ("retrieve", "generate"):
        expect(page.get_by_text(span, exact=True).first).to_be_visible()
    page.get_by_text("retrieve", exact=True).first.click()
    page.screenshot(path=pictures / "trace.png")


def test_base_and_adapter_stand_side_by_side_question_by_question(
    address: str, store: Checkout, page: Page, pictures: Path
) -> None:
    experiment, runs = run_ids(store)
    page.goto(
        f"{address}/#/experiments/{experiment}/evaluation-runs?selectedRunUuid={runs[1]}&compareToRunUuid={runs[0]}"
    )
    expect(page.get_by_text("Comparing").first).to_be_visible()
    for name in ("qasper|n0|base", "qasper|n5|lora closed_book v2"):
        expect(page.get_by_text(name).last).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ of \d+")).first).to_be_visible()
    page.screenshot(path=pictures / "side_by_side.png")
