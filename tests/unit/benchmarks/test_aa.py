"""The A/A deals two sides that differ by chance alone, and lets the whole rule decide."""

import numpy as np
import pytest

from benchmarks import aa
from benchmarks.aa_study import Answers, Judgements, Study
from ragft.analysis.verdict.scale import Scale
from ragft.types import Question
from registry.gate import decide

QUESTIONS = [
    Question(f"{place:03}", "?", ("!",), documents=(f"{place // 2:03}",), answerable=place % 5 > 0)
    for place in range(160)
]


def study(harm: float) -> Study:
    """The first side is right in 60 % and does no harm, the second is right in 90 % and does harm in a share."""
    rng = np.random.default_rng(0)

    def chance(share: float) -> float:
        return float(rng.random() < share)

    return Study(
        QUESTIONS,
        {
            question.id: Answers(
                {
                    "right": (chance(0.6), chance(0.9)),
                    "false_answer": (0.0, chance(harm)),
                    **({"false_refusal": (0.0, 0.0)} if question.answerable else {}),
                }
            )
            for question in QUESTIONS
        },
        [Scale("right")],
    )


def test_as_they_came_the_rule_decides_and_dealt_anew_nothing_is_left() -> None:
    harmful, better = aa.run(study(0.4), 20), aa.run(study(0.0), 20)
    assert harmful["as they came"] == "reject"
    assert better["as they came"] == "promote"
    assert (harmful["questions"], harmful["groups"], harmful["measures"]) == (160, 80, ["right"])
    assert harmful["differ"]["false_refusals"] == 0 < harmful["differ"]["false_answers"]
    for found in (harmful, better):
        assert sum(found["outcomes"].values()) == found["resamples"] == 20
        assert found["outcomes"].get("reject", 0) + found["outcomes"].get("promote", 0) <= 3


def test_what_is_dealt_anew_is_decided_as_a_comparison_decides() -> None:
    outcomes = set()
    for harm in (0.0, 0.05, 0.1, 0.4):
        one = study(harm)
        first = one.compared()
        # The same questions and numbers, dealt as they came.
        claims, outcome = one.decided(first, None, 9999)
        assert claims == first.claims
        assert outcome == decide(first).outcome
        outcomes.add(outcome)
    assert len(outcomes) > 2


def test_documents_are_redrawn_whole_with_what_was_known_of_their_questions() -> None:
    one = study(0.4)
    drawn = one.redrawn(np.random.default_rng(1))
    assert len(drawn.questions) == 160
    assert len({question.documents for question in drawn.questions}) == 80
    assert all(drawn.dealt[question.id] is one.dealt[question.id.split()[0]] for question in drawn.questions)


def test_a_question_is_swapped_as_a_whole_and_judgements_are_dealt_in_halves() -> None:
    rng = np.random.default_rng(2)
    dealt = {tuple(Answers({"right": (0.0, 1.0), "false_answer": (1.0, 0.0)})(rng).items()) for _ in range(50)}
    assert dealt == {
        (("right", (0.0, 1.0)), ("false_answer", (1.0, 0.0))),
        (("right", (1.0, 0.0)), ("false_answer", (0.0, 1.0))),
    }

    judged = Judgements({"accuracy": (1.0, 2.0, 3.0, 4.0)}, {"false_answer": 1.0})
    assert judged(None) == {"false_answer": (1.0, 1.0), "accuracy": (1.5, 3.5)}
    means = {judged(rng)["accuracy"] for _ in range(50)}
    assert len(means) > 2
    assert all(sum(value for value in both if value is not None) == pytest.approx(5) for both in means)


def test_the_table_says_rates_with_their_upper_limits() -> None:
    kind = {
        "questions": 1000, "groups": 330, "differ": {"right": 0.12, "false_answers": 0.2}, "resamples": 400,
        "outcomes": {"promote": 4, "reject": 8, "hold": 300, "inconclusive": 88},
    }  # fmt: skip
    lines = aa.table_of(dict.fromkeys(aa.KINDS, kind))
    assert len(lines) == 2 + len(aa.KINDS)
    assert lines[2] == (
        "| fresh judgements | 1,000 in 330 | right 12 %, false answers 20 % | 400 | 1.0 (2.5) | 2.0 (3.9) | 75.0 "
        "| 22.0 |"
    )
