"""docs/remedy.md shows the stored search for a remedy, and the table of remedies that the code has."""

import json
import re

from benchmarks.remedy import OUTPUT, PAGE, with_record
from ragft.analysis.verdict.causes import CAUSES
from ragft.analysis.verdict.remedies import REMEDIES, SHORTER, SLOWER, TAUGHT, TAUGHT_MORE
from ragft.params.searches import RemedyParams

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_is_stored() -> None:
    record = json.loads(OUTPUT.read_text(encoding="utf-8"))
    assert len(record["trials"]) == RemedyParams().budget
    assert with_record(TEXT, record) == TEXT, "run python -m benchmarks.remedy --page"


def test_the_page_has_a_row_for_every_cause_with_as_many_remedies_as_the_code() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", TEXT.partition("## How it chooses")[0], flags=re.MULTILINE
    )
    tried = [words.split("; ") for cause, words in rows if cause not in ("cause", "---")]
    assert len(tried) == len(CAUSES)
    assert sorted(map(len, tried)) == sorted(map(len, REMEDIES.values()))


def test_the_numbers_of_the_remedies_are_those_of_the_code() -> None:
    assert (TAUGHT, TAUGHT_MORE, SHORTER, SLOWER) == (0.25, 0.5, 2, 4)
    for words in (
        f"{100 * TAUGHT:g} % of the samples",
        f"{100 * TAUGHT_MORE:g} % of the samples",
        "half of the epochs at a quarter",
    ):
        assert words in TEXT
