"""docs/judge.md names commands, parameters, files and figures that are there."""

import dataclasses
import re
import shlex
from pathlib import Path

from ragft.params.steps import STEPS
from ragft.prompts.criterion import load_criterion, parse_criterion
from tests.unit.prompts.test_reply import HOSTILE, READABLE

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The words of each `mlflow run` line."""
    return [shlex.split(line) for line in TEXT.splitlines() if line.startswith("mlflow run")]


def test_commands_have_steps_and_parameters_that_exist() -> None:
    assert len(commands()) >= 6
    for words in commands():
        given = [words[i + 1].partition("=")[0] for i, word in enumerate(words) if word == "-P"]
        known = {spec.name for spec in dataclasses.fields(STEPS[words[4]])}
        assert given and set(given) <= known, words


def test_the_published_correlations_are_those_of_the_tested_command() -> None:
    [words] = [words for words in commands() if any("score_column" in word for word in words)]
    tested = (ROOT / "tests/end_to_end/test_judge.py").read_text(encoding="utf-8")
    values = [word.partition("=")[2] for word in words if "=" in word]
    assert len(values) == 4
    assert all(f'"{value}"' in tested for value in values)


def test_the_criterion_in_the_text_can_be_read() -> None:
    [block] = re.findall(r"^    ---\n(?:    .*\n|\n)+", TEXT, flags=re.MULTILINE)
    criterion = parse_criterion(re.sub(r"^    ", "", block, flags=re.MULTILINE), source="docs")
    assert (criterion.name, len(criterion.steps), list(criterion.scores)) == ("tone", 2, ["1", "2", "3"])
    built_in = TEXT.partition("Built in:")[2].partition("A criterion is")[0]
    names = re.findall(r"`(\w+)`", built_in)
    assert {load_criterion(name).name for name in names} == set(names)
    assert len(names) == 7


def test_the_table_names_files_and_counts_that_are_there() -> None:
    files = re.findall(r"\| `(tests/[\w/.]+)` \|", TEXT)
    assert len(files) >= 8
    assert all((ROOT / file).is_file() for file in files)
    assert f"{len(READABLE)} readable and {len(HOSTILE)} hostile replies" in TEXT
