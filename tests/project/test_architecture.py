"""The page of the house has a paragraph for every room of the tree and for nothing else, and its picture is fresh."""

import re
import tomllib
from pathlib import Path

from docs.house import PICTURE, draw, house, names, packages

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PARAGRAPHS = dict(re.findall(r"^### `([\w.]+)`\n\n(\S.*)$", PAGE, flags=re.MULTILINE))


def test_every_package_is_a_room_of_the_picture() -> None:
    rooms = list(names(house()))
    assert len(rooms) == len(set(rooms)) >= 25
    assert packages() <= set(rooms)


def test_every_room_has_its_paragraph_and_nothing_else_has_one() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["files"]
    beside = {"docker", *checked} - {"entrypoints", "registry", "ragft"}
    assert set(PARAGRAPHS) == set(names(house())) | beside
    assert len(re.findall(r"^### ", PAGE, flags=re.MULTILINE)) == len(PARAGRAPHS)
    assert all((ROOT / name).is_dir() for name in beside)


def test_files_that_the_page_names_are_there() -> None:
    files = set(re.findall(r"`([\w/]+\.(?:py|md))`", PAGE))
    assert len(files) >= 8
    tree = [
        str(path.relative_to(ROOT))
        for name in ("entrypoints", "registry", "ragft", "docs")
        for path in (ROOT / name).rglob("*.*")
    ]
    assert {file for file in files if not any(path.endswith(f"/{file}") for path in tree)} == set()


def test_the_picture_is_what_the_tree_makes_of_it() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw(), "docs/house.svg is not up to date: run make house"
