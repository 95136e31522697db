"""What two files of answers are asked, and what is said of them before anything is scored."""

import json
from pathlib import Path
from typing import Any

import pytest

from entrypoints.steps import compare_files
from entrypoints.steps.reporting.file_report import FilesToCompare
from ragft.analysis.verdict.comparison import Check
from ragft.data.answer_pairs import pair_answers, read_two
from ragft.params.verdict import CompareParams

OPEN = [{"input": f"What else, {i}?", "output": "Nothing."} for i in range(3)]


def rows(**more: object) -> list[dict[str, Any]]:
    return [{"input": f"Who is {i}?", "output": f"Ann {i}", "expected_output": f"Ann {i}", **more} for i in range(20)]


def asked(
    folder: Path, tuned: list[dict[str, Any]], base: list[dict[str, Any]], **params: str
) -> tuple[FilesToCompare, dict[str, Check]]:
    """Return the task and its checks by name."""
    paths = [folder / "tuned.jsonl", folder / "base.jsonl"]
    for path, file in zip(paths, (tuned, base), strict=True):
        path.write_text("\n".join(map(json.dumps, file)), encoding="utf-8")
    given = CompareParams(answers=str(paths[0]), against=str(paths[1]), **{"judge": "none", **params})  # type: ignore[arg-type]
    version, against = read_two(*paths)
    pairs = pair_answers(version, against)
    task = compare_files._task(given, version, against, pairs)
    return task, {check.name: check for check in compare_files._checks(task, pairs)}


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({}, 3),
        ({"primary": "answer_f1"}, 3),
        ({"judge": "base", "primary": "answer_f1"}, 3),
        ({"judge": "base", "criteria": "completeness", "primary": "right"}, 3),
        ({"judge": "base", "criteria": "accuracy", "primary": "right"}, 0),
        ({"judge": "base", "criteria": "accuracy", "primary": "accuracy"}, 0),
    ],
)
def test_what_has_no_reference_is_asked_where_a_judge_can_say_what_is_right(
    tmp_path: Path, params: dict[str, str], left: int
) -> None:
    task, checks = asked(tmp_path, rows() + OPEN, rows() + OPEN, **params)
    assert len(compare_files.questions_of(task)) == 23 - left
    assert ("does not ask them" in checks["references"].detail) is bool(left)
    assert task.design.primary == (params.get("primary", "right"),)


def test_a_copied_file_is_said_to_be_one(tmp_path: Path) -> None:
    base = rows()
    spaced = [{**row, "output": f" {row['output']}\n"} for row in base]
    _, checks = asked(tmp_path, spaced, base)
    assert checks["different answers"].detail == (
        "none: all 20 are the same words in both files, so there is nothing to compare"
    )
    for other in ("Bob", None):
        _, checks = asked(tmp_path, [{**base[0], "output": other}, *base[1:]], [{**base[0], "output": ""}, *base[1:]])
        assert "different answers" not in checks


@pytest.mark.parametrize("without", [0, 2])
def test_documents_that_differ_are_named(tmp_path: Path, without: int) -> None:
    base = rows(documents=["a", "b"])[without:] + rows()[:without]
    tuned = [*rows(documents=["b", "a"])[without:-1], *rows(document="c")[-1:], *rows()[:without]]
    task, checks = asked(tmp_path, tuned, base)
    groups = checks["independent groups"]
    assert groups.detail.endswith(
        "; the files name different documents for 1: 'Who is 19?'; they count with all of them"
    )
    assert groups.unknown is bool(without)
    assert {question.documents for question in task.questions if question.text == "Who is 19?"} == {("a", "b", "c")}
    assert "different documents" not in asked(tmp_path, base[::-1], base)[1]["independent groups"].detail


def test_what_has_no_answer_is_named_as_the_files_name_it(tmp_path: Path) -> None:
    _, checks = asked(tmp_path, rows()[:-1], rows())
    assert checks["answers"].detail == "tuned has none for 1 of 20: 'Who is 19?'; they are unscored"
    both = [{**row, "id": i} for i, row in enumerate(rows())]
    _, checks = asked(tmp_path, both[1:], both)
    assert checks["answers"].detail == "tuned has none for 1 of 20: '0'; they are unscored"
