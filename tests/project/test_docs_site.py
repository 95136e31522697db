"""The site of the docs builds without a network, whole, and a page that points to nothing stops it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs.build import ROOT, gather, problems, render

CONFIG = """
[project]
site_name = "Small"
docs_dir = "source"
site_dir = "site"
use_directory_urls = false
theme.font = false
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A site of two pages."""
    (tmp_path / "source").mkdir()
    (tmp_path / "zensical.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "source" / "index.md").write_text("# Start\n\n[More](more.md#part)\n", encoding="utf-8")
    (tmp_path / "source" / "more.md").write_text("# More\n\n## Part\n", encoding="utf-8")
    return tmp_path


def append(small: Path, text: str) -> None:
    with (small / "source" / "index.md").open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


def test_the_site_is_whole_and_has_every_page_and_module(tmp_path: Path) -> None:
    gather(tmp_path)
    render(tmp_path)
    pages = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*.html")}
    documents = {str(path.relative_to(ROOT).with_suffix(".html")) for path in (ROOT / "docs").glob("*.md")}
    modules = {path.relative_to(ROOT).with_suffix("") for path in (ROOT / "ragft").rglob("*.py")}
    api = {f"api/{path.parent / 'index' if path.name == '__init__' else path}.html" for path in modules}
    assert len(documents) >= 9
    assert len(api) >= 100
    assert documents | api | {"index.html"} <= pages


def test_every_document_stands_in_the_navigation() -> None:
    nav = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    documents = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert documents <= set(leaves(nav))


def leaves(nav: list[dict[str, Any]]) -> list[str]:
    """The pages of a navigation."""
    below = [value for entry in nav for value in entry.values()]
    return [page for value in below for page in (leaves(value) if isinstance(value, list) else [value])]


def test_a_small_site_is_whole(small: Path) -> None:
    render(small)
    assert (small / "site" / "more.html").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[x](nothing.md)", "was not built"),
        ("[x](more.md#nowhere)", "was not built"),
        ("![x](nothing.png)", "index.html needs nothing.png, which is not there"),
        ('<script src="https://example.org/x.js"></script>', "index.html loads https://example.org/x.js"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "index.html loads //example.org/x.css"),
        ("![x](https://example.org/x.png)", "index.html loads https://example.org/x.png"),
    ],
)
def test_a_page_that_is_not_whole_stops_it(small: Path, text: str, message: str) -> None:
    append(small, text)
    with pytest.raises(SystemExit, match=message.replace(".", r"\.")):
        render(small)


def test_a_style_sheet_that_loads_from_elsewhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@import "https://example.org/b.css"; p { background: url(//example.org/c.png) }')
    assert list(problems(tmp_path)) == ["a.css loads https://example.org/b.css", "a.css loads //example.org/c.png"]
