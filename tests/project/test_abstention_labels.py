"""How often the rule for abstentions is right, on answers labelled by hand; the docs show what is found here."""

import json
from pathlib import Path
from typing import Any

import pytest

from ragft.judging.abstention import abstains

ROOT = Path(__file__).resolve().parents[2]
LABELS = ROOT / "tests" / "data" / "abstention"
PAGE = ROOT / "docs" / "metrics.md"
# File, model -> what the docs call it.
SETS = {
    ("answers", "pocket"): "pocket",
    ("answers", "smollm2"): "SmolLM2-135M-Instruct",
    ("answers", "people"): "people (BioASQ)",
    ("held_out", "smollm2"): "SmolLM2-135M-Instruct, held out",
}


def labelled(file: str, model: str) -> list[dict[str, Any]]:
    """The answers of a model."""
    rows = [json.loads(line) for line in (LABELS / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["model"] == model]


def counts(file: str, model: str) -> tuple[int, int, int, int]:
    """Answers, abstentions among them, those found, and answers that were wrongly found to be one."""
    rows = labelled(file, model)
    found = [abstains(row["answer"], row["question"]) for row in rows]
    right = sum(row["abstained"] and said for row, said in zip(rows, found, strict=True))
    return len(rows), sum(row["abstained"] for row in rows), right, sum(found) - right


def table() -> list[str]:
    """The table of the docs."""
    lines = ["| answers of | answers | abstentions | found | wrongly found |", "|---|---|---|---|---|"]
    return lines + [f"| {name} | {' | '.join(map(str, counts(*key)))} |" for key, name in SETS.items()]


def test_every_labelled_answer_is_in_the_table() -> None:
    stored = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in LABELS.glob("*.jsonl"))
    assert stored == sum(counts(*key)[0] for key in SETS) >= 300


def test_the_docs_show_the_table() -> None:
    assert "\n".join(table()) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", SETS, ids=SETS.get)
def test_what_is_called_an_abstention_is_one(key: tuple[str, str]) -> None:
    *_, right, wrong = counts(*key)
    assert right >= 0.95 * (right + wrong)


def test_most_abstentions_are_found() -> None:
    found = [counts(*key) for key in SETS]
    assert sum(right for *_, right, _ in found) >= 0.9 * sum(abstentions for _, abstentions, *_ in found)
