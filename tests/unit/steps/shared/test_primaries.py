"""What decides where nobody says, and where somebody does."""

import dataclasses

import pytest

from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.primaries import asked_by, measured, settle_primaries, values_of
from ragft.errors import ConfigError
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import load_criteria
from ragft.types import SCORER, Question, Score

CRITERIA = load_criteria("accuracy,completeness,style")
LONG = [Question(f"q{i}", "why?", ("because of that",)) for i in range(4)]
SHORT = [Question(f"s{i}", "who?", ("Ann",), metadata={"short_answers": ["Ann"]}) for i in range(4)]


def settle(questions: list[Question], **params: str) -> tuple[str, ...]:
    return settle_primaries(CompareParams(**params), CRITERIA, questions)  # type: ignore[arg-type]


def test_judged_criteria_decide_where_answers_are_sentences() -> None:
    assert settle(LONG) == ("accuracy", "completeness")
    assert settle_primaries(CompareParams(), load_criteria("style"), LONG) == ("style",)


def test_whether_it_is_right_decides_where_answers_are_short_or_nothing_is_judged() -> None:
    assert settle(SHORT) == ("right",)
    assert settle([*SHORT, *LONG[:3]]) == ("right",)
    assert settle([*SHORT[:1], *LONG]) == ("accuracy", "completeness")
    assert settle(SHORT, judge="none") == ("right",)


def test_what_is_named_decides() -> None:
    assert settle(LONG, primary="answer_f1, style") == ("answer_f1", "style")
    assert [each.name for each in measured(("answer_f1", "accuracy"), CRITERIA)] == [
        "accuracy",
        "completeness",
        "style",
        "answer_f1",
    ]


def test_a_criterion_with_the_name_of_a_measure_is_refused() -> None:
    named = [dataclasses.replace(CRITERIA[0], name="right")]
    with pytest.raises(ConfigError, match="criterion right, which is the name of something that is measured"):
        settle_primaries(CompareParams(), named, LONG)


def test_a_primary_that_is_not_measured_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="and fluency is not measured here: measured are accuracy, completeness"):
        settle(LONG, primary="accuracy,fluency")
    with pytest.raises(ConfigError, match="and accuracy is not measured here: measured are right, answer_f1"):
        settle(LONG, primary="accuracy", judge="none")
    with pytest.raises(ConfigError, match="name each once"):
        CompareParams(primary="right,right")


def test_values_come_from_the_judge_from_the_overlap_or_from_the_row() -> None:
    rows = [Scored("a", "who?", "Ann", ("Ann",), (), numbers={"right": 1.0}), Scored("b", "who?", "Bob", (), ())]
    found = Evaluation("run", {}, rows, {"accuracy": [Score("accuracy", 4.0), Score("accuracy", None)]})
    assert values_of(found, "accuracy") == {"a": 4.0, "b": None}
    assert values_of(found, "exact_match") == {"a": 1.0, "b": None}
    assert values_of(found, "right") == {"a": 1.0, "b": None}
    assert values_of(found, "truth_right") is None


def test_without_a_judge_what_can_be_told_decides() -> None:
    none = Question("u", "who?", ("Unanswerable",), answerable=False)
    told = Question("t", "who?", ("A sentence that a program reads.",), metadata={SCORER: "squad"})
    asked = {
        "short": [*SHORT, none, told],
        "mixed": [*SHORT, LONG[0], none],
        "none": [none],
        "next to all": [*99 * [told], LONG[0]],
    }
    found = {name: settle_primaries(CompareParams(judge="none"), (), each) for name, each in asked.items()}
    assert found == {"short": ("right",), "mixed": ("answer_f1",), "none": ("right",), "next to all": ("right",)}
    assert settle_primaries(CompareParams(judge="none", primary="exact_match"), (), LONG) == ("exact_match",)


def test_shared_words_ask_only_what_has_an_answer() -> None:
    none = Question("u", "who?", ("Unanswerable",), answerable=False)
    assert asked_by(("answer_f1", "exact_match"), [*LONG, none]) == LONG
    assert asked_by(("answer_f1", "right"), [*LONG, none]) == [*LONG, none]
