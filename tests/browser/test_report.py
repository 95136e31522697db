"""The report in a real Chromium: sort, filter, expand, no errors, and no payload of an answer runs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from ragft.report.page import render
from ragft.types import CONTEXTS
from tests.browser.chromium import contrast
from tests.report_example import example, hostile

BLNS = Path(__file__).parents[1] / "data" / "hostile" / "blns.json"
PAYLOADS = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "<svg onload=window.hacked=1>",
    "<!--<script>window.hacked = 1//-->",
    "<iframe srcdoc='<script>parent.hacked = 1</script>'></iframe>",
    "</title></style><script>window.hacked = 1</script>",
    "<details open ontoggle=window.hacked=1>",
    "<meta http-equiv=refresh content='0;url=javascript:window.hacked=1'>",
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on 150 questions in every context."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(example(n=150, contexts=CONTEXTS, unscored=("q0004",))), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window that must end without a message on its console, an error, or a request beyond the file."""
    made = browser.new_page(viewport={"width": 1280, "height": 800})
    problems: list[str] = []
    made.on("console", lambda message: problems.append(f"console: {message.text}"))
    made.on("pageerror", lambda error: problems.append(f"error: {error}"))
    made.on("request", lambda request: None if request.url.startswith("file:") else problems.append(request.url))
    yield made
    made.close()
    assert problems == []


@pytest.fixture
def pictures(pytestconfig: pytest.Config) -> Path:
    """Where pictures of the page are kept, to be looked at."""
    folder = pytestconfig.rootpath / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def changes(page: Page) -> list[float]:
    """The column Change as it is shown, unscored ones left out."""
    texts = page.locator(".list tbody tr:not(.detail) td:last-child").all_inner_texts()
    return [float(text.replace("−", "-")) for text in texts if text != "–"]


def test_questions_are_sorted_by_change_and_the_other_way_round(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    found = changes(page)
    assert len(found) == 100
    assert found == sorted(found)
    page.get_by_role("button", name="Change").click()
    found = changes(page)
    assert found == sorted(found, reverse=True)
    assert page.locator("th[aria-sort=descending]").count() == 1
    page.get_by_label("Order").select_option("asked")
    assert page.locator(".list .open").first.inner_text() == "Question 0000?"


def test_the_filter_shows_what_got_worse_and_its_counts_are_right(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    counts = {
        kind: int(page.locator(f"input[value={kind}] + output, label:has(input[value={kind}]) output").inner_text())
        for kind in ("all", "worse", "better", "equal", "unscored")
    }
    assert counts["all"] == 150
    assert counts["unscored"] == 1
    assert counts["worse"] + counts["better"] + counts["equal"] == 149
    page.get_by_label("got better").check()
    assert len(changes(page)) == counts["better"] > 0
    assert min(changes(page)) >= 0
    page.get_by_label("got worse").check()
    assert max(changes(page)) <= 0
    page.get_by_label("unscored").check()
    expect(page.locator(".list .open")).to_have_count(1)
    expect(page.locator(".list tbody tr").first).to_contain_text("–")


def test_words_are_found_in_questions_and_answers(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    page.get_by_label("Find").fill("question 0042")
    expect(page.locator(".list .open")).to_have_count(1)
    page.get_by_label("Find").fill("answer of 1 to 17.")
    expect(page.locator(".list .open")).to_have_text("Question 0017?")
    page.get_by_label("Find").fill("nothing is like this")
    expect(page.locator(".count")).to_have_text("No question is like that.")


def test_a_question_opens_by_keyboard_to_both_answers_and_its_passages(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    page.get_by_label("Find").fill("question 0007")
    button = page.locator(".list .open")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    detail = page.locator(".detail")
    expect(detail).to_contain_text("The answer of 0 to 7.")
    expect(detail).to_contain_text("Reason of 1 for 7")
    expect(detail.locator(".right mark").first).to_have_text("1")
    detail.locator("summary").click()
    expect(detail.locator("li").first).to_have_text("A passage about number 7.0.")
    expect(detail.locator("li").first).to_be_visible()
    page.keyboard.press("Tab")
    button.click()
    expect(page.locator(".detail")).to_have_count(0)


def test_more_questions_come_on_demand_and_all_of_them_on_paper(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    expect(page.locator(".list .open")).to_have_count(100)
    page.get_by_role("button", name="Show 50 more of 50").click()
    expect(page.locator(".list .open")).to_have_count(150)
    page.goto(file.as_uri())
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".list .open")).to_have_count(150)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_runs_wherever_it_stands(page: Page, tmp_path: Path, payload: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(hostile(example(n=12), payload)), encoding="utf-8")
    page.goto(path.as_uri())
    buttons = page.locator(".list .open")
    expect(buttons).to_have_count(12)
    for index in range(1, 12):
        buttons.nth(index).click()
    expect(page.locator(".detail")).to_have_count(12)
    expect(page.locator(".detail .left").first).to_have_text(payload)
    page.wait_for_timeout(100)
    assert page.evaluate("window.hacked") is None
    assert page.locator("iframe, img, header script, main script").count() == 0


def test_the_policy_stops_what_escaping_would_let_through(browser: Browser, file: Path, tmp_path: Path) -> None:
    attacked = file.read_text(encoding="utf-8").replace("<footer>", "<img src=x onerror='window.hacked=1'><footer>", 1)
    path = tmp_path / "attacked.html"
    path.write_text(attacked, encoding="utf-8")
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in text for text in said)
    page.close()


def test_five_hundred_naughty_strings_are_shown_as_they_are(page: Page, tmp_path: Path) -> None:
    strings = [text for text in json.loads(BLNS.read_text(encoding="utf-8")) if text.strip()]
    assert len(strings) > 480
    path = tmp_path / "report.html"
    report = example(n=len(strings))
    asked = [replace(each, question=text) for each, text in zip(report.questions, strings, strict=True)]
    path.write_text(render(replace(report, questions=tuple(asked))), encoding="utf-8")
    page.goto(path.as_uri())
    page.get_by_label("Order").select_option("asked")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    shown = page.locator(".list .open span").all_text_contents()
    assert len(shown) == len(strings)
    assert sum(one == other for one, other in zip(shown, strings, strict=True)) > 480
    assert "<script>alert(123)</script>" in shown


@pytest.mark.parametrize("width", [360, 390, 820, 1280])
def test_nothing_is_wider_than_the_window(page: Page, file: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("header .big").first.bounding_box() is not None


def test_the_verdict_its_numbers_and_the_advice_are_on_the_first_screen(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    for selector in ("h1", ".card >> nth=1", ".advice h2", ".advice pre"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800, selector


def test_ink_and_paper_differ_enough_in_light_and_dark(browser: Browser, file: Path) -> None:
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page = browser.new_page(color_scheme=scheme)
        page.goto(file.as_uri())
        colours = page.evaluate(
            "Object.fromEntries(['paper','tint','ink','quiet','version','worse'].map("
            "name => [name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"
        )
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")
        for name in ("ink", "quiet", "version", "worse"):
            for paper in ("paper", "tint"):
                assert contrast(colours[name], colours[paper]) >= 4.5, (scheme, name, paper)
        page.close()


def test_pictures_of_it_on_a_phone_on_a_desk_and_on_paper(browser: Browser, file: Path, pictures: Path) -> None:
    windows: tuple[tuple[str, int, int, Literal["light", "dark"]], ...] = (
        ("report_desk", 1280, 800, "light"),
        ("report_desk_dark", 1280, 800, "dark"),
        ("report_phone", 390, 844, "light"),
        ("report_phone_dark", 390, 844, "dark"),
    )
    for name, width, height, scheme in windows:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.goto(file.as_uri())
        page.screenshot(path=pictures / f"{name}.png")
        page.screenshot(path=pictures / f"{name}_whole.png", full_page=True)
        page.close()
    page = browser.new_page()
    page.goto(file.as_uri())
    page.pdf(path=pictures / "report.pdf")
    page.close()
    assert (pictures / "report.pdf").stat().st_size > 10_000
