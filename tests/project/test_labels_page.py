"""The tables of docs/labels.md are what is stored."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import labelled_right, labelled_telecom

PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("made", [labelled_telecom, labelled_right], ids=lambda made: made.__name__)
def test_the_table_is_what_was_measured(made: ModuleType) -> None:
    shown = "\n".join(made.table(json.loads(made.OUTPUT.read_text(encoding="utf-8"))))
    assert f"<!-- made by {made.__name__} -->\n\n{shown}\n\n<!-- end -->" in PAGE
