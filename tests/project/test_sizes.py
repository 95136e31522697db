"""A function of the steps and their commands fits on a screen."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 60


def test_no_function_of_the_steps_is_longer_than_a_screen() -> None:
    lines = {
        f"{path.name} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in (ROOT / "entrypoints").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert len(lines) > 200
    assert {name: count for name, count in lines.items() if count >= MOST_LINES} == {}
