"""The pages of results are what their stored studies make of them, and say what they do not show."""

import re
from pathlib import Path

import pytest

from entrypoints.results import PAGES
from ragft.errors import DataError
from ragft.report.results import BLOCK, regenerate

PAGE = PAGES[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_and_figures_are_what_the_studies_make_of_them(page: Path) -> None:
    made = regenerate(page)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not up to date: run make results"
    assert set(page.with_suffix("").glob("*.svg")) == set(made) - {page}


def test_every_number_of_a_result_stands_in_a_block() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) >= 4
    outside = re.sub(r"arXiv [\d.]+", "", BLOCK.sub("", text))
    assert not re.search(r"\d\.\d", outside), "a result outside the blocks can drift"


def test_the_page_says_what_may_not_be_concluded() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "7B" in text
    assert "pocket world" in text


def test_a_block_of_nothing_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text("<!-- made of nobody: table -->\n<!-- end -->\n", encoding="utf-8")
    with pytest.raises(DataError, match="there is no 'table' of 'nobody'"):
        regenerate(page)
