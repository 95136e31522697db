"""The table of all rows as CSV: every text survives, and none is run by a spreadsheet program."""

import csv
from pathlib import Path
from typing import Any

import pytest

from ragft.tracking import write_csv


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_text_is_never_a_formula(tmp_path: Path, text: str) -> None:
    write_csv(tmp_path / "rows.csv", [{"output": text, "score": -1.5}])
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.DictReader(file)) == [{"output": f"'{text}", "score": "-1.5"}]


def test_awkward_text_none_and_columns_of_some_rows(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"input": 'a "b",\nc', "score": None}, {"input": "nul \x00 half \ud800", "cut": True}]
    write_csv(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["input", "score", "cut"],
            ['a "b",\nc', "", ""],
            ["nul \ufffd half \\ud800", "", "True"],
        ]
