"""What is advised after a verdict on two files: nothing that files cannot do, and commands that a shell reads."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from ragft.analysis.verdict.comparison import Check, Comparison
from ragft.analysis.verdict.effect import Levels
from ragft.analysis.verdict.guard_power import guard_power
from ragft.analysis.verdict.guards import GuardResult
from ragft.analysis.verdict.health import Health, Refused
from ragft.analysis.verdict.multiplicity import Claims
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.scale import Scale
from ragft.params.verdict import CompareParams
from ragft.report.file_advice import FileSituation, advise
from tests.report_example import example

BOTH = ("accuracy", "completeness")
SITUATION = FileSituation("tuned", "base", {"answers": "tuned.jsonl", "against": "it's base.jsonl", "judge": "none"})
WORSE = example().comparison
EQUAL = example(shift=0.0).comparison
UNMEASURED = GuardResult("false_answers", 0.05, None, None, None, None, "no row asks what has no answer")


def advised(comparison: Comparison, outcome: str) -> tuple[str, dict[str, str]]:
    """The advice, and the parameters of its command, which compares or evaluates."""
    advice = advise(comparison, outcome, SITUATION)
    words = shlex.split(advice.command)
    assert words[:4] == ["mlflow", "run", ".", "-e"] and words[4] in ("compare", "evaluate")
    given = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-P")
    if words[4] == "compare":
        CompareParams(**{name: value for name, value in given.items() if name != "advisory"})  # type: ignore[arg-type]
    for foreign in ("finetune", "adapter", "champion", "promote", "confirm"):
        assert foreign not in advice.text + advice.command
    return advice.text, given


def test_a_rejection_names_what_to_read_and_the_command_of_a_build() -> None:
    harmful = replace(WORSE, claims=Claims(("accuracy",), (), (), ("false_answers",)))
    text, given = advised(harmful, "reject")
    assert text.startswith("Keep base. Read the answers that got worse (false answers, accuracy) below")
    assert given == {**SITUATION.compare, "on_reject": "fail"}


def test_a_better_file_replaces_the_other_and_of_many_it_is_asked_again() -> None:
    better = replace(EQUAL, claims=Claims((), BOTH, BOTH))
    one, many = (advised(replace(better, tried=tried), "promote")[0] for tried in (1, 3))
    assert one.startswith("Put what gave tuned in the place of what gave base.") and "fresh" not in one
    assert "First ask both systems fresh questions: 3 files were tried on these" in many


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claims": Claims((), BOTH, ())}, "nothing shows that tuned is better."),
        ({"claims": Claims((), BOTH, BOTH), "guards": (UNMEASURED,)}, "with passages that do not hold the answer"),
        ({"claims": Claims((), BOTH, BOTH, slipped=("false_refusals",))}, "worse elsewhere (false refusals)"),
        ({"claims": Claims((), BOTH, BOTH)}, "The judge that prefers the new ones is only a hint"),
    ],
)
def test_what_holds_a_file_back_is_said(change: dict[str, object], said: str) -> None:
    assert said in advised(replace(EQUAL, **change), "hold")[0]  # type: ignore[arg-type]


def test_what_is_missing_or_too_little_is_said() -> None:
    few, given = advised(replace(EQUAL, claims=Claims((), (), ())), "inconclusive")
    assert few.startswith("Keep base for now: too few questions to say.") and "Answer more questions with both" in few
    assert given == SITUATION.compare
    lacking = replace(example(unscored=["q0001", "q0002"]).comparison, checks=())
    assert "Give every row of both files an output" in advised(lacking, "inconclusive")[0]
    failed = replace(EQUAL, checks=(Check("one judge", False, "its server changed"),))
    assert "put this right and compare again: its server changed." in advised(failed, "inconclusive")[0]


def test_the_number_that_a_guard_lacks_is_said_of_its_own_questions() -> None:
    guard = GuardResult("false_answers", 0.05, None, None, None, guard_power(same_answers(21), 0.05, Levels()), "")
    short = replace(
        EQUAL, questions=210, guards=(guard,), changes={}, claims=Claims((), BOTH, (), (), ("false_answers",))
    )
    text, _ = advised(short, "inconclusive")
    assert "It takes about 62 questions without an answer (asked: 21) to settle it." in text
    assert "settle" not in advised(replace(short, claims=Claims((), BOTH, ())), "inconclusive")[0]


def same_answers(n: int) -> Pairs:
    """Both sides do no harm in ``n`` questions, each of a document of its own."""
    ids = tuple(f"q{i:03d}" for i in range(n))
    return Pairs(ids, np.zeros(n), np.zeros(n), ids, Scale("false_answers", worst=1.0, best=0.0))


def test_scores_that_mean_nothing_come_first() -> None:
    fooled = replace(EQUAL, health=Health(fooled=("accuracy: junk scored high",)))
    text, given = advised(fooled, "inconclusive")
    assert text.startswith("The judge cannot tell good from bad answers here: accuracy: junk scored high.")
    assert given["judge"] == "none"
    silent = Health(answerable=40, refused=(Refused("base", 38), Refused("tuned", 2)), of_files=True)
    text, given = advised(replace(EQUAL, health=silent), "inconclusive")
    assert text.startswith("base refused 38 of 40 questions that have an answer: it answers next to nothing.")
    assert given == {"answers": "it's base.jsonl", "judge": "none"}
