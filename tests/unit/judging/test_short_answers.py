"""Whether a line gives a short answer: cases, and 320 answers of a real model that were graded by hand."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ragft.judging.abstention import abstains
from ragft.judging.outcomes import is_right, outcome_of
from ragft.judging.short_answers import gives
from ragft.types import SCORER, Question
from tests.unit.data.layouts import DATA

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
START, END = "<!-- made by tests/unit/judging/test_short_answers.py -->\n\n", "\n\n<!-- end -->"
FILES = {"answers": "made on these", "held_out": "held out"}


@pytest.mark.parametrize(
    ("question", "answer", "line", "given"),
    [
        ("Who led them?", "Rollo", "Their leader was Rollo, in 911.", True),
        ("Who led them?", "Rollo", "Rolling stones led them.", False),
        ("Which article defines it?", "TFEU article 294", "The article 294 of the treaty defines it.", False),
        ("Which TFEU article defines it?", "TFEU article 294", "It is defined by article 294.", True),
        ("What do they limit?", "free trade", "They limit the free movement and trade of goods.", True),
        ("What do they limit?", "free trade", "They limit free speech, and a good deal later trade.", False),
        ("What protein does it produce?", "protein A", 'The answer is "protein L"', False),
        ("What protein does it produce?", "protein A", "It produces protein A.", True),
        ("Is it known?", "no", "No, the article does not contain the answer.", False),
        ("Is it known?", "no", "No, it is a secret.", True),
        ("How many people died?", "no people", "There is no answer in the passages.", False),
        ("Which pump is allowed?", "not the pump", "It is not stated in the passages.", False),
        ("Which is longer, the Rhine or the Danube?", "the Danube", "It is Danube.", True),
        ("Who led them?", "Rollo", "", False),
        ("Who led them?", "The", "The", False),
    ],
)
def test_a_line_gives_an_answer(question: str, answer: str, line: str, given: bool) -> None:
    assert gives(line, answer, question) is given


def graded(name: str) -> list[dict[str, Any]]:
    lines = (DATA / "graded" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**(row := json.loads(line)), "told": outcome(row)} for line in lines]


def outcome(row: dict[str, Any]) -> str | None:
    answers = tuple(row["references"])
    question = Question("q", row["question"], answers, metadata={SCORER: "squad", "short_answers": list(answers)})
    return outcome_of(is_right(question, row["answer"]), None, abstained=abstains(row["answer"], row["question"]))


def table() -> str:
    lines = ["| answers of | graded | right | found | wrongly found | agreement |", "|---|---|---|---|---|---|"]
    for name, said in FILES.items():
        rows = graded(name)
        for of in (*dict.fromkeys(row["of"] for row in sorted(rows, key=lambda row: row["of"])), "all"):
            own = [row for row in rows if of in (row["of"], "all")]
            cells = Counter((row["label"] == "right", row["told"] == "right") for row in own)
            right, agreed = cells[True, True] + cells[True, False], cells[True, True] + cells[False, False]
            lines.append(
                f"| {of}, {said} | {len(own)} | {right} | {cells[True, True]} | {cells[False, True]} | "
                f"{100 * agreed / len(own):.1f} % |"
            )
    return "\n".join(lines)


def test_the_page_says_how_often_the_rule_agrees_with_readers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text[text.index(START) + len(START) : text.index(END, text.index(START))]
    assert shown == table()


def test_every_graded_answer_is_told_right_or_not() -> None:
    assert all(row["told"] for name in FILES for row in graded(name))


def test_the_page_says_by_how_much_right_is_too_low_on_either_side() -> None:
    rows = [row for name in FILES for row in graded(name)]
    too_low = []
    for of_base in (True, False):
        own = [row for row in rows if (row["of"] == "base") is of_base]
        missing = sum((row["label"] == "right") - (row["told"] == "right") for row in own)
        too_low.append(round(100 * missing / len(own)))
    said = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"by {too_low[0]} points of 100 for the base, by {too_low[1]} for the adapters" in said
