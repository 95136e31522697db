"""The page on which people grade, by keyboard alone in a real Chromium: what it saves is a filled-in sheet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Page

from ragft.judging.g_eval import Item
from ragft.judging.sheet import columns_of, read_sheets, row_id, row_of
from ragft.prompts.criterion import load_criteria
from ragft.report.label_page import LabelRow, render
from tests.browser.chromium import contrast
from tests.browser.test_study_report import COLOUR

SECRET = bytes(32)
CRITERIA = load_criteria("accuracy,faithfulness")
HOSTILE = '"</script><img src=x onerror=alert(1)>",=1+1\r\n\ud800@@data@@'
ITEMS = [
    Item(question, answer, (f"{question} reference", "or this"), ("A passage.", HOSTILE))
    for question, answer in [("Who?", "Ann."), ("Who?", "Bo."), ("=SUM(A1)", HOSTILE), ("=SUM(A1)", "")]
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [LabelRow(row_of(SECRET, item, CRITERIA), item) for item in ITEMS]
    path = tmp_path_factory.mktemp("labels") / "labels.html"
    path.write_text(render("2 questions of telecom", columns_of(CRITERIA), rows, CRITERIA), encoding="utf-8")
    return path


@pytest.fixture
def window(browser: Browser, file: Path) -> Iterator[Page]:
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 900, "height": 1000}, accept_downloads=True)
    made = context.new_page()
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    made.goto(file.as_uri())
    yield made
    context.close()
    assert errors == []


def press(window: Page, *keys: str) -> None:
    for key in keys:
        window.keyboard.press(key)


def saved(window: Page, folder: Path) -> Path:
    """Save with the keyboard, and return the file."""
    with window.expect_download() as waited:
        window.keyboard.press("s")
    found: Download = waited.value
    path = folder / found.suggested_filename
    found.save_as(path)
    return path


def test_grades_by_keyboard_are_those_of_a_sheet(window: Page, tmp_path: Path) -> None:
    window.keyboard.type("Ann Lee")
    press(window, "Enter")
    assert window.locator("#question").inner_text() == "Who?"
    press(window, "5", "4")  # both criteria of the first answer, then the second comes by itself
    assert window.locator("#answer").inner_text() == "Bo."
    press(window, "1", "n", "ArrowLeft", "2", "3")  # graded, and graded again
    assert window.locator("#question").inner_text() == "=SUM(A1)"
    assert "</script><img" in window.locator("#answer").inner_text()
    press(window, "p")
    assert window.locator("#passages li").nth(1).is_visible()
    press(window, "3", "3")
    assert window.locator("#answer").inner_text() == "(no answer)"
    press(window, "ArrowRight")
    assert window.locator("#all").inner_text() == "1 answers are not graded yet."
    path = saved(window, tmp_path)
    assert path.name == "labels-Ann_Lee.csv"
    ratings = read_sheets([path], CRITERIA)
    assert ratings.annotators == ("Ann Lee",)
    ids = [row_id(SECRET, item) for item in ITEMS]
    assert ratings.numbers["accuracy"] == {ids[0]: (5.0,), ids[1]: (2.0,), ids[2]: (3.0,)}
    assert ratings.numbers["faithfulness"] == {ids[0]: (4.0,), ids[1]: (3.0,), ids[2]: (3.0,)}


def test_a_closed_window_loses_nothing(window: Page, file: Path) -> None:
    window.keyboard.type("Bo")
    press(window, "Enter", "5", "4", "2")
    window.close(run_before_unload=False)
    again = window.context.new_page()
    again.goto(file.as_uri())
    again.keyboard.type("Cy")
    press(again, "Enter")
    assert again.locator("#count").inner_text() == "0 of 4 answers graded", "another person starts anew"
    again.goto(file.as_uri())
    again.keyboard.type("Bo")
    press(again, "Enter")
    assert again.locator("#answer").inner_text() == "Bo."
    assert again.locator("fieldset.now legend").inner_text() == "faithfulness"
    assert again.locator("#count").inner_text() == "1 of 4 answers graded"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_and_fits_a_small_screen(
    browser: Browser, file: Path, scheme: str, pytestconfig: pytest.Config
) -> None:
    window = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})  # type: ignore[arg-type]
    window.goto(file.as_uri())
    window.keyboard.type("Ann")
    press(window, "Enter", "4")
    assert window.evaluate("document.documentElement.scrollWidth") <= 390
    paper = window.locator("body").evaluate(COLOUR, "backgroundColor")
    for text in ("#question", "#answer", "#count", "legend", "fieldset p"):
        assert contrast(window.locator(text).first.evaluate(COLOUR, "color"), paper) >= 4.5, text
    chosen = window.locator("button.chosen")
    assert contrast(chosen.evaluate(COLOUR, "color"), chosen.evaluate(COLOUR, "backgroundColor")) >= 4.5
    folder = pytestconfig.rootpath / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    window.screenshot(path=folder / f"labels_{scheme}.png", full_page=True)
    window.close()
