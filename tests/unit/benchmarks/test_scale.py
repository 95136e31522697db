"""What was run on real engines and servers, as the docs show it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["given_postgres", "vllm_engine"])
def test_the_page_shows_what_is_stored(name: str) -> None:
    shown = PAGE.partition(f"<!-- made by benchmarks.{name} -->")[2].partition("<!-- end -->")[0]
    stored = (ROOT / "benchmarks" / "results" / f"{name}.txt").read_text(encoding="utf-8")
    assert [line.strip() for line in shown.splitlines() if line] == stored.splitlines()
