"""A function of the product fits on a screen, and a caller can keep its parameters in mind."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES, MOST_PARAMETERS = 60, 8
PRODUCT = ("entrypoints", "ragft", "registry")


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for package in PRODUCT:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    yield f"{path.relative_to(ROOT)} {node.name}", node


def test_there_is_something_to_look_at() -> None:
    assert len(list(functions())) > 1000


def test_no_function_is_longer_than_a_screen() -> None:
    lines = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: count for name, count in lines.items() if count >= MOST_LINES} == {}


def test_no_function_has_more_parameters_than_can_be_kept_in_mind() -> None:
    counted = {
        name: len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) for name, node in functions()
    }
    assert {name: count for name, count in counted.items() if count > MOST_PARAMETERS} == {}
