"""The table of docs/labels.md is what is stored."""

import json
from pathlib import Path

from benchmarks.labelled_telecom import OUTPUT, table

PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")


def test_the_table_is_what_was_measured() -> None:
    shown = "\n".join(table(json.loads(OUTPUT.read_text(encoding="utf-8"))))
    assert f"<!-- made by benchmarks.labelled_telecom -->\n\n{shown}\n\n<!-- end -->" in PAGE
