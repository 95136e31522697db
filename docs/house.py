"""Draw the house: ``python -m docs.house`` makes docs/house.svg of the packages and the layers of .importlinter."""

import ast
import configparser
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "house.svg"
HOUSE = ("entrypoints", "registry", "ragft")
WIDTH, GAP, LINE, LETTER = 1080, 10, 15, 6.2
STYLE = (
    "text{font:12px sans-serif;fill:#1f2430}.name{font-weight:bold;font-size:13px}"
    "rect{fill:#fff;stroke:#8a93a6;rx:5px}.outer{fill:#f3f5f9}"
)


@dataclass(frozen=True)
class Room:
    """A package, or a module that stands in a layer of its own, with the rooms inside it.

    Attributes:
        rows: The rooms inside, from those that may import the others down to those that import none.
    """

    name: str
    words: str
    rows: tuple[tuple["Room", ...], ...] = ()


def house() -> tuple[Room, ...]:
    """Return the rooms of the three packages, from the top down."""
    return tuple(_room(name, _layers()) for name in HOUSE)


def names(rooms: tuple[Room, ...]) -> Iterator[str]:
    """Yield the name of each room and of all inside."""
    for room in rooms:
        yield room.name
        for row in room.rows:
            yield from names(row)


def packages() -> set[str]:
    """Return the packages of the tree by name, those beside the house left out."""
    found = (path.parent for name in HOUSE for path in (ROOT / name).rglob("__init__.py"))
    return {".".join(folder.relative_to(ROOT).parts) for folder in found}


def _layers() -> dict[str, list[list[str]]]:
    """Return package -> the rows that its layers contract puts its rooms in."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    found = {}
    for section in parser.sections():
        for container in parser.get(section, "containers", fallback="").split():
            rows = [row.split("|") for row in parser.get(section, "layers").strip().splitlines()]
            found[container] = [[f"{container}.{name.strip(' ()')}" for name in row] for row in rows]
    return found


def _room(name: str, layers: dict[str, list[list[str]]]) -> Room:
    file = ROOT.joinpath(*name.split("."))
    there = packages()
    inside = sorted(package for package in there if package.rpartition(".")[0] == name)
    # A module of a layer is a room where it stands beside packages of the whole house, not among steps or findings.
    rows = [[room for room in row if room in there or name in HOUSE] for row in layers.get(name, [inside])]
    source = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    words = (ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    return Room(name, words, tuple(tuple(_room(room, layers) for room in row) for row in rows if row))


def draw() -> str:
    """Return the picture as SVG."""
    parts: list[str] = []
    y = GAP
    for room in house():
        y += _draw(room, GAP, y, WIDTH - 2 * GAP, parts) + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}">'
    title = "<title>The house: a room imports from the rows below it</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"


def _draw(room: Room, x: int, y: int, width: int, parts: list[str]) -> int:
    """Add a room's box with all inside, and return its height."""
    place = len(parts)
    lines = textwrap.wrap(room.words.replace("`", ""), max(12, int((width - 2 * GAP) / LETTER)))
    parts.append(f'<text class="name" x="{x + GAP}" y="{y + LINE + 3}">{room.name.rpartition(".")[2]}</text>')
    for number, line in enumerate(lines, 2):
        parts.append(f'<text x="{x + GAP}" y="{y + number * LINE + 3}">{escape(line)}</text>')
    height = (len(lines) + 1) * LINE + GAP
    for row in room.rows:
        share = (width - GAP) // len(row)
        tallest = max(_height(inner, share - GAP) for inner in row)
        for number, inner in enumerate(row):
            _draw(inner, x + GAP + number * share, y + height, share - GAP, parts)
        height += tallest + GAP
    kind = "outer" if room.rows else "inner"
    parts.insert(place, f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"/>')
    return height


def _height(room: Room, width: int) -> int:
    return _draw(room, 0, 0, width, [])


def main() -> None:
    """Write the picture."""
    PICTURE.write_text(draw(), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
