"""Every worked example of CONTRIBUTING.md is carried out on a copy of the tree, and its own test passes there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```(?P<kind>\w+) title="(?P<path>[^"]+)"\n(?P<body>.*?)^```', re.MULTILINE | re.DOTALL)
EXPECTED = ("A data set", "A criterion", "A metric", "A fine-tuning method", "A retriever")
PARTS = re.split(rf"^## ({'|'.join(EXPECTED)})$", TEXT, flags=re.MULTILINE)[1:]
SECTIONS = dict(zip(PARTS[::2], PARTS[1::2], strict=True))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with every example in it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("ragft", "registry", "entrypoints", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    for block in BLOCK.finditer(TEXT):
        carry_out(tree / block["path"], block["kind"], block["body"])
    return tree


def carry_out(file: Path, kind: str, body: str) -> None:
    """Write a new file, or make the changes of a diff, each where its old lines stand once."""
    if kind != "diff":
        assert not file.exists(), file
        file.write_text(body, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    for hunk in body.split("@@\n"):
        old, new = ("".join(f"{line[1:]}\n" for line in hunk.splitlines() if line[:1] in (" ", sign)) for sign in "-+")
        assert old and text.count(old) == 1, f"{file.name} does not hold once:\n{old}"
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def run(tree: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def paths(section: str) -> list[str]:
    return [block["path"] for block in BLOCK.finditer(SECTIONS[section])]


def test_there_are_five_examples_each_with_one_test() -> None:
    assert tuple(SECTIONS) == EXPECTED
    assert len(re.findall("^```", TEXT, flags=re.MULTILINE)) == 2 * len(list(BLOCK.finditer(TEXT)))
    for section in SECTIONS:
        assert [path.startswith("tests/") for path in paths(section)].count(True) == 1, section
        assert len(paths(section)) >= 2


@pytest.mark.parametrize("section", SECTIONS)
def test_an_example_has_fewer_than_30_lines_beside_its_test(section: str) -> None:
    bodies = [block["body"] for block in BLOCK.finditer(SECTIONS[section]) if not block["path"].startswith("tests/")]
    lines = [line for body in bodies for line in body.splitlines() if line.strip() not in ("", "+", "@@")]
    assert 3 <= len(lines) < 30


def test_the_tests_of_the_examples_pass(changed: Path, tmp_path: Path) -> None:
    # Its own folder: pytest would close the common one (0700), which Postgres' account must pass to its data.
    own = f"--basetemp={tmp_path / 'own'}"
    tests = [path for section in SECTIONS for path in paths(section) if path.startswith("tests/")]
    done = run(changed, "pytest", "-q", "-p", "no:cacheprovider", own, *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(tests)} passed" in done.stdout


def test_the_examples_are_formatted_and_pass_the_linter(changed: Path) -> None:
    files = [block["path"] for block in BLOCK.finditer(TEXT) if block["path"].endswith(".py")]
    assert len(files) >= 9
    for words in (("ruff", "format", "--check"), ("ruff", "check")):
        done = run(changed, *words, *files)
        assert done.returncode == 0, done.stdout
