"""The report of a study in a real Chromium: whole words at every width, and readable in the dark."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser

from ragft.analysis.study.findings import summarise
from ragft.report.study_page import page
from tests.browser.chromium import contrast
from tests.unit.analysis.studies_of_cells import cell

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# The colour of an element as #rrggbb, by a property.
COLOUR = """(element, name) => '#' + getComputedStyle(element)[name].match(/\\d+/g).slice(0, 3)
    .map(part => Number(part).toString(16).padStart(2, '0')).join('')"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study with every part, the published scores too."""
    cells = [
        cell(gain, format=form, seed=str(seed), outcome="inconclusive", judge=judge)
        for form, gain in (("closed_book", -0.4), ("retrieved", 0.4))
        for judge in ("base", "org/other-judge")
        for seed in range(2)
    ]
    found = summarise("paper", ("format", "judge", "seed"), cells, {"format": ["closed_book", "retrieved"]})
    path = tmp_path_factory.mktemp("study") / "report.html"
    path.write_text(page(found), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [360, 390, 820, 1024, 1280, 1700])
def test_no_word_of_a_table_is_cut_off(browser: Browser, file: Path, width: int) -> None:
    window = browser.new_page(viewport={"width": width, "height": 800})
    window.goto(file.as_uri())
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert window.locator(".wide").count() == 4
    boxes = "boxes => boxes.map(box => [box.scrollWidth, box.clientWidth])"
    assert [found for found in window.locator(".wide").evaluate_all(boxes) if found[0] > found[1]] == []
    window.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ink_and_paper_differ_enough_on_the_page_and_in_its_figures(
    browser: Browser, file: Path, scheme: Literal["light", "dark"], pytestconfig: pytest.Config
) -> None:
    window = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    window.goto(file.as_uri())
    paper = window.locator("body").evaluate(COLOUR, "backgroundColor")
    assert (paper == "#ffffff") == (scheme == "light")
    for text in ("h1", "p.lead", "th", "td", ".note", "td.better", "td.worse"):
        back = window.locator(".note").evaluate(COLOUR, "backgroundColor") if text == ".note" else paper
        assert contrast(window.locator(text).first.evaluate(COLOUR, "color"), back) >= 4.5, text
    assert window.locator("figure rect").first.evaluate(COLOUR, "fill") == paper
    for mark in window.locator("figure text, figure circle[r='5']").all():
        assert contrast(mark.evaluate(COLOUR, "fill"), paper) >= 4.5
    folder = pytestconfig.rootpath / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    window.screenshot(path=folder / f"study_{scheme}.png", full_page=True)
    window.close()
