"""The recommendation in a manager's words, and the three questions behind it."""

from dataclasses import replace

import pytest

from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING
from ragft.analysis.verdict.health import Health, Refused
from ragft.types import AS_ANSWERED
from registry.gate import Policy, decide, force
from tests.unit.registry.test_gate import comparison, guard

SAFE = (guard(FALSE_ANSWERS, gain=0.01), guard(FALSE_REFUSALS, gain=0.01), guard(FORGETTING, gain=0.0))
HARMFUL = (guard(FALSE_ANSWERS), *SAFE[1:])
BLIND = Health(answerable=38, refused=(Refused("base", 38), Refused("v2", 4)))
FOOLED = Health(fooled=("accuracy: a reference scored .05",))


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (comparison(superior=("accuracy",), guards=SAFE), "Ship v2: it is better in accuracy, and no harm was found"),
        (comparison(superior=("accuracy",)), "Ship v2: it is better in accuracy"),
        (comparison(guards=SAFE), "Keep base: no gain shown"),
        (comparison(harmful=(FALSE_ANSWERS,), guards=HARMFUL), "Do not ship v2: it invents answers"),
        (
            comparison(harmful=(FALSE_REFUSALS, FORGETTING), worse=("accuracy",), guards=SAFE),
            "Do not ship v2: it refuses questions that it could answer, it forgot what it knew and its answers are "
            "worse in accuracy",
        ),
        (comparison(worse=("accuracy",)), "Do not ship v2: its answers are worse in accuracy"),
        (
            comparison(worse=("right", "accuracy")),
            "Do not ship v2: fewer of its answers are right and its answers are worse in accuracy",
        ),
        (comparison(superior=("right",)), "Ship v2: more of its answers are right"),
        (
            comparison(superior=("accuracy",), veto=True),
            "Keep base: v2 is better on the whole, but worse on the questions yes no",
        ),
        (
            comparison(superior=("accuracy",), advisory=True),
            "Keep base for now: v2 scores better, but with a judge that is not proven on these data",
        ),
        (
            comparison(superior=("accuracy",), guards=(guard(unmeasured="no document is named"),)),
            "Keep base for now: v2 is better, but whether it invents answers was not measured",
        ),
        (
            comparison(superior=("accuracy",), guards=SAFE, slipped=(FALSE_ANSWERS,)),
            "Keep base: v2 is better, but false answers got worse",
        ),
        (comparison(non_inferior=("accuracy",)), "Keep base for now: these questions are too few to say"),
        (comparison(check_failed=True), "Keep base for now: something went wrong in the comparison"),
        (replace(comparison(superior=("accuracy",)), health=BLIND), "These scores cannot be trusted"),
    ],
)
def test_the_title_says_what_to_do_and_why(found: Comparison, title: str) -> None:
    assert decide(found).summary.title == title


def test_each_question_is_answered_with_its_numbers_and_intervals() -> None:
    found = decide(comparison(harmful=(FALSE_ANSWERS,), guards=HARMFUL)).summary
    assert [question for question, _ in found.lines] == ["Better?", "Safe?", "Sure enough?"]
    assert found.better == (
        "No gain is shown: accuracy 3.00 → 3.10, a change of +0.10 (-0.04 to +0.24); completeness 3.00 → 3.10, a "
        "change of +0.10 (-0.04 to +0.24)."
    )
    assert found.safe == (
        "No: of 200 questions asked with passages that cannot answer them, base answered 13 % anyway and v2 74 %: +61 "
        "percentage points (+54 to +67; at most +5 is allowed)."
    )
    assert found.sure == "Yes: 200 questions in 80 independent groups of documents."


def test_a_change_of_nothing_has_no_sign() -> None:
    safe = decide(comparison(guards=(guard(FALSE_ANSWERS, gain=0.001),))).summary.safe
    assert ": 0 percentage points (-7 to +6; at most +5 is allowed)" in safe


def test_what_is_not_safe_or_not_known_is_not_called_safe() -> None:
    unsure = decide(comparison(unsafe=(FALSE_REFUSALS,), guards=SAFE)).summary
    assert unsure.safe.startswith(
        "Not certain: of 200 questions whose passages hold the answer, base refused 13 % and v2 12 %"
    )
    assert "leave open what is said above" in unsure.sure
    unknown = decide(comparison(guards=(guard(unmeasured="no document is named"), SAFE[1]))).summary
    assert unknown.safe.startswith("Not known: of 200 questions whose passages hold the answer, base refused")
    assert unknown.safe.endswith("; false answers were not measured.")
    part = decide(comparison(guards=(*SAFE[:2], guard(FORGETTING, unmeasured="it was not kept")))).summary
    assert part.safe.startswith("Yes: of 200 questions asked with passages that cannot answer them")
    assert part.safe.endswith("; forgetting was not measured.")
    assert decide(comparison()).summary.safe == "Not asked: no guard was named."


def test_of_files_nobody_knows_what_the_passages_hold() -> None:
    found = comparison(guards=SAFE)
    files = replace(found, design=replace(found.design, context=AS_ANSWERED))
    assert decide(files).summary.safe.startswith("Yes: of 200 questions without an answer, base answered")
    assert "of 200 questions with an answer, base refused" in decide(files).summary.safe


def test_scores_that_mean_nothing_decide_nothing_and_ask_for_no_more_questions() -> None:
    found = decide(replace(comparison(superior=("accuracy",), worse=("completeness",)), health=BLIND))
    assert found.outcome == "inconclusive"
    assert found.would_change == ()
    assert found.reasons[0] == (
        "base refused 38 of 38 questions that its passages answer: it does not read these documents."
    )
    assert found.summary.sure == f"No: {found.reasons[0]}"


def test_harm_that_a_rule_counts_needs_no_judge() -> None:
    harmful = comparison(harmful=(FALSE_ANSWERS,), worse=("accuracy",), guards=HARMFUL)
    found = decide(replace(harmful, health=FOOLED))
    assert (found.outcome, found.summary.title) == ("reject", "Do not ship v2: it invents answers")
    assert found.because.startswith("its false answers rise by 61 points")
    assert "cannot tell good from bad" in found.summary.sure
    assert decide(replace(harmful, health=BLIND)).outcome == "inconclusive"
    assert decide(replace(comparison(worse=("accuracy",)), health=FOOLED)).outcome == "inconclusive"


def test_the_best_of_many_and_a_judge_that_is_not_proven_are_named() -> None:
    assert "4 versions were compared on them" in decide(replace(comparison(), tried=4)).summary.sure
    rejected = replace(comparison(worse=("accuracy",)), tried=4)
    assert decide(rejected).summary.sure == "Yes: 200 questions in 80 independent groups of documents."
    advised = decide(comparison(superior=("accuracy",), advisory=True), Policy(advisory=True)).summary
    assert advised.sure.startswith("As far as the judge goes: 200 questions")


def test_a_person_who_overrules_it_is_named_in_the_title() -> None:
    forced = force(decide(comparison(worse=("accuracy",))), "we read them")
    assert forced.summary.title == "Shipped by a person, against the verdict reject"
