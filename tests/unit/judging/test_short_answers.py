"""Whether a line gives a short answer: cases, and answers of a real model that were graded by reading."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.real_read import readings
from ragft.judging.abstention import abstains
from ragft.judging.outcomes import is_right, outcome_of
from ragft.judging.short_answers import gives
from ragft.judging.terse import MOST_TOO_LOW
from ragft.types import SCORER, Question
from tests.unit.data.layouts import DATA

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
START, END = "<!-- made by tests/unit/judging/test_short_answers.py -->\n\n", "\n\n<!-- end -->"
FILES = {"answers": "made on these", "held_out": "made on these", "other_articles": "other articles"}


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
        ("What is the system of defense?", "the innate immune system", "innate immunity", True),
        ("How great were the losses?", "30% loss", "30%", True),
        ("How many classes?", "eight categories", "There are 8 categories.", True),
        ("How many classes?", "eight", "18", False),
        ("In which century?", "the sixteenth century", "in the 16th century", True),
        ("Do they vote?", "do not", "no", True),
        ("Do they vote?", "do not", "They do not say.", False),
        ("What do they prevent?", "cut throat competition", "cut-throat competition", True),
        ("What is it called?", "email", "It is called e-mail.", True),
        ("Which cells respond?", "antigens", "antigen-specific cells", False),
        ("How many?", "1", "twenty-one", False),
        ("How many?", "1", "One of the most important ones.", False),
        ("How many?", "2", "two hundred", False),
        ("How many?", "two hundred", "There were two hundred of them.", True),
        ("Where was it?", "US", "It lasted until September.", False),
        ("Which virus is it?", "human papillomavirus", "The virus is HPV.", True),
        ("Which law takes precedence?", "EU law", "It is European Union law.", True),
        ("What are the two parts?", "the head versus the tail", "The parts are the head and the tail.", True),
        ("Who elects them?", "citizens", "The people elect them.", False),
        ("Who \ud800 led them?", "Rollo \udfff", "It was Rollo \ud800.", True),
        ("Who led them?", "\ud800", "Rollo", False),
        ("Who led them?", "Rollo", "", False),
        ("Who led them?", "The", "The", False),
        ("Which is right?", "A", "A.", True),
        ("Which is right?", "A", "B.", False),
        ("Which is right?", "A", "A horse", False),
        ("How long is it?", "1.5", "15", False),
        ("How long is it?", "1.5", "It is 1.5 m long.", True),
        ("What does it cost?", "2.5", "It costs 25 dollars.", False),
        ("How cold was it?", "-5", "5", False),
        ("How cold was it?", "-5", "It was \u22125 degrees.", True),
        ("How many?", "5", "-5", False),
        ("In which language?", "C++", "It is written in C.", False),
        ("In which language?", "C++", "It is written in C++.", True),
        ("Who is it?", "O'Neill", "It is O\u2019Neill.", True),
        ("When was it?", "1990-1995", "1990\u20131995", True),
        ("Where was it?", "Z\u00fcrich", "In Zu\u0308rich.", True),
        # Of a letter's marks the 30th is the last: sorting 160,000 of them takes 20 seconds.
        ("Who is it?", "a" + 30 * "\u0301", "a" + 40 * "\u0301", True),
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
    for said in dict.fromkeys(FILES.values()):
        rows = [row for name, own in FILES.items() if own == said for row in graded(name)]
        lines += counted(said, [(row["of"], row["label"] == "right", row["told"] == "right") for row in rows])
    lines += counted("the study", [(each.of, each.read, each.told) for each in readings()])
    return "\n".join(lines)


def counted(said: str, rows: list[tuple[str, bool, bool]]) -> list[str]:
    lines = []
    for of in (*sorted({of for of, _, _ in rows}), "all"):
        cells = Counter((read, told) for own, read, told in rows if of in (own, "all"))
        right, agreed = cells[True, True] + cells[True, False], cells[True, True] + cells[False, False]
        lines.append(
            f"| {of}, {said} | {cells.total()} | {right} | {cells[True, True]} | {cells[False, True]} | "
            f"{100 * agreed / cells.total():.1f} % |"
        )
    return lines


def test_the_page_says_how_often_the_rule_agrees_with_readers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text[text.index(START) + len(START) : text.index(END, text.index(START))]
    assert shown == table()


def test_the_pages_say_by_how_many_points_the_rule_is_too_low_for_an_adapter() -> None:
    missing: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in readings():
        for by in each.by:
            missing[each.context, by].append(each.read - each.told)
    most = max(round(100 * sum(own) / len(own)) for own in missing.values())
    assert most == MOST_TOO_LOW
    for page in (PAGE, PAGE.with_name("labels.md")):
        assert f"up to {most} points of 100 too low" in " ".join(page.read_text(encoding="utf-8").split())


def test_every_graded_answer_is_told_right_or_not() -> None:
    assert all(row["told"] for name in FILES for row in graded(name))
