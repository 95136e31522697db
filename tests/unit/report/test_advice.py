"""What is advised, and that its command is one a shell reads as it is meant."""

import shlex
from dataclasses import replace

import pytest

from ragft.analysis.verdict.comparison import Check, Comparison
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.guards import GuardRates, guard_result, pair_guard
from ragft.analysis.verdict.health import Health, Refused
from ragft.analysis.verdict.multiplicity import Claims
from ragft.params.data import PrepareParams
from ragft.params.steps import STEPS
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams
from ragft.report.advice import LENGTH_CHECK, Situation, advise, next_command, remedy_command
from ragft.types import CONTEXTS
from tests.report_example import SITUATION, example

BOTH = ("accuracy", "completeness")
WORSE = example().comparison
EQUAL = example(shift=0.0).comparison
WITH_PASSAGES = replace(SITUATION, format="retrieved", finetune={"samples": "200", "format": "retrieved"})


def commands(text: str) -> list[tuple[str, dict[str, str]]]:
    """Each command's step and parameters, checked against the parameters there are."""
    found = []
    for line in text.split("&&"):
        words = shlex.split(line)
        assert words[:4] == ["mlflow", "run", ".", "-e"]
        given = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-P")
        STEPS[words[4]].__dataclass_fields__.keys()
        assert set(given) <= set(STEPS[words[4]].__dataclass_fields__)
        found.append((words[4], given))
    return found


def advised(comparison: Comparison, outcome: str, situation: Situation = SITUATION) -> tuple[str, list[str]]:
    advice = advise(comparison, outcome, situation)
    return advice.text, [step for step, _ in commands(advice.command)]


def test_what_a_rejection_on_test_calls_for_is_one_command() -> None:
    advice = advise(WORSE, "reject", replace(SITUATION, compare={"questions": "60", "against": "models:/m/1"}))
    assert commands(advice.command) == [("remedy", {"model": SITUATION.model, "against": "models:/m/1"})]
    assert advice.text.startswith("Keep base v1: the adapter lost 0.5")


def test_a_remedy_is_named_only_where_there_is_something_to_mend() -> None:
    against = replace(SITUATION, compare={"against": "models:/m/1"})
    (found,) = commands(remedy_command(WORSE, "reject", against))
    assert found == ("remedy", {"model": SITUATION.model, "against": "models:/m/1"})
    assert remedy_command(WORSE, "hold", SITUATION) == ""
    assert remedy_command(WORSE, "reject", replace(SITUATION, split="confirm")) == ""
    assert remedy_command(WORSE, "reject", WITH_PASSAGES) == "", "no cause is known"
    assert remedy_command(WORSE, "reject", SITUATION)
    harmed = replace(WORSE, claims=replace(WORSE.claims, harmful=("false_answers",)))
    base = advise(harmed, "reject", replace(SITUATION, format="", samples=0, finetune={}))
    assert base.text.endswith("It is a base: train an adapter on it, and compare that.")
    assert commands(base.command) == [("finetune", {}), ("compare", {})]


def test_a_closed_book_adapter_rejected_elsewhere_is_to_be_trained_with_passages() -> None:
    advice = advise(WORSE, "reject", replace(SITUATION, split="confirm"))
    assert advice.text.startswith("Keep base v1: the adapter lost 0.5")
    assert "points of accuracy and 0.5" in advice.text
    assert [step for step, _ in commands(advice.command)] == ["finetune", "compare"]
    assert commands(advice.command)[0][1]["format"] == "retrieved"


def test_the_sort_of_question_that_lost_most_is_named() -> None:
    results = tuple(
        replace(each, effect=replace(each.effect, gain=-2.5, high=-1.0)) if each.slice == "kind yes_no" and each.effect
        else each
        for each in WORSE.results
    )  # fmt: skip
    text = advised(replace(WORSE, results=results), "reject")[0]
    assert "It is seen most in the questions “yes_no” (−2.50 accuracy, 30 questions)." in text
    assert "seen most" not in advised(EQUAL, "inconclusive")[0]


def test_a_rejected_adapter_that_saw_passages_is_to_be_trained_on_more() -> None:
    (_, finetune), (_, again) = commands(advise(WORSE, "reject", WITH_PASSAGES).command)
    assert finetune == {"samples": "400", "format": "retrieved"}
    assert again == {}


def test_the_cause_is_named_where_every_context_was_evaluated() -> None:
    found = example(contexts=CONTEXTS).comparison
    (one, *others) = found.attributions
    terms = tuple(
        replace(each, value=-0.5, low=-0.7, high=-0.3) if each.name == "use of good context" else
        replace(each, value=0.0, low=-0.2, high=0.2)
        for each in one.terms
    )  # fmt: skip
    found = replace(found, attributions=(replace(one, terms=terms), *others[:0]))
    assert "because it makes less of passages that hold the answer" in advised(found, "reject")[0]


def test_promotion_asks_the_confirm_questions_where_several_were_tried() -> None:
    found = replace(EQUAL, claims=Claims((), BOTH, BOTH))
    one, several = (advise(replace(found, tried=tried), "promote", SITUATION) for tried in (1, 3))
    assert commands(one.command) == [("promote", {"model": SITUATION.model})]
    assert commands(several.command) == [("promote", {"model": SITUATION.model, "split": "confirm"})]
    confirmed = advise(replace(found, tried=3), "promote", replace(SITUATION, split="confirm"))
    assert "in place of base v1" in confirmed.text


def test_hold_says_what_holds_it() -> None:
    better = replace(EQUAL, claims=Claims((), BOTH, ("accuracy",)))
    assert "nothing shows that it is better" in advised(EQUAL, "hold")[0]
    advisory = advise(better, "hold", SITUATION)
    assert commands(advisory.command) == [("promote", {"model": SITUATION.model, "advisory": "True"})]
    results = tuple(
        replace(each, bounds=replace(each.bounds, veto_high=-1.0)) if each.slice == "kind yes_no" else each
        for each in better.results
    )
    assert "clearly worse on the questions “kind yes_no”" in advised(replace(better, results=results), "hold")[0]


def test_inconclusive_is_to_be_mended_before_anything_else() -> None:
    failed = replace(EQUAL, checks=(Check(LENGTH_CHECK, False, "30 of 60 answers were cut off"),))
    advice = advise(failed, "inconclusive", SITUATION)
    assert "30 of 60 answers were cut off" in advice.text
    assert commands(advice.command) == [("compare", {"model": SITUATION.model, "max_new_tokens": "256"})]
    missing = example(unscored=[f"q{i:04d}" for i in range(10)]).comparison
    assert commands(advise(missing, "inconclusive", SITUATION).command)[0][1]["estimator"] == "expected"


def test_inconclusive_for_want_of_questions_asks_for_them() -> None:
    some = replace(SITUATION, part=True, compare={"questions": "60"})
    assert commands(advise(EQUAL, "inconclusive", some).command) == [("compare", {"model": SITUATION.model})]
    text, steps = advised(WORSE, "inconclusive")
    assert "what was observed is one" in text
    assert steps == ["finetune", "compare"]


@pytest.mark.parametrize("value", ["a b", "it's", "$(rm -rf /)", "`id`", "x;y", "ü"])
def test_values_are_quoted(value: str) -> None:
    situation = replace(SITUATION, finetune={"dataset": value}, compare={"dataset": value})
    assert commands(advise(WORSE, "reject", replace(situation, split="confirm")).command)[0][1]["dataset"] == value
    assert commands(advise(WORSE, "reject", replace(situation, model=value)).command)[0][1]["model"] == value


def test_harm_is_named_by_what_rose_and_promotes_in_no_way() -> None:
    labels = {f"q{index:03d}": f"d{index}" for index in range(100)}
    guard = GuardRates("false_answers", dict.fromkeys(labels, 0.0), dict.fromkeys(labels, 1.0), labels)
    result = guard_result(guard, pair_guard(guard), Levels(), Resampling(199))
    harmful = replace(EQUAL, guards=(result,), claims=Claims((), BOTH, BOTH, harmful=("false_answers",)))
    slipped = replace(EQUAL, guards=(result,), claims=Claims((), BOTH, BOTH, slipped=("false_answers",)))

    assert advised(harmful, "reject")[0].startswith(
        "Keep base v1: the adapter gave 100 percentage points more false answers."
    )
    assert "Read what it invented, below." in advised(harmful, "reject")[0]
    assert advised(harmful, "reject")[1] == ["remedy"]
    given = commands(advise(harmful, "reject", replace(SITUATION, split="confirm")).command)[0][1]
    assert (given["format"], given["withheld_share"]) == ("retrieved", "0.25")
    text, steps = advised(slipped, "hold")
    assert "on the whole the adapter is better, but it is slightly worse elsewhere (false answers)" in text
    assert steps == ["finetune", "compare"]
    lost = replace(WORSE, guards=(result,), claims=replace(WORSE.claims, harmful=("false_answers",)))
    assert "gave 100 percentage points more false answers and lost 0.5" in advised(lost, "reject")[0]


def test_scores_that_mean_nothing_get_one_thing_to_change_and_no_other_advice() -> None:
    blind = Health(answerable=38, refused=(Refused("v1", 38), Refused("v2", 0)))
    fooled = Health(fooled=("accuracy: a reference scored .05",))
    cases = (
        (Health(known=20, found=3), "compare", "top_k", "10"),
        (Health(passages=100, dropped=60), "compare", "chunk_chars", "200"),
        (blind, "evaluate", "judge", "none"),
        (fooled, "compare", "judge", "none"),
    )
    for health, step, name, value in cases:
        situation = replace(SITUATION, top_k=5, chunk_chars=400)
        advice = advise(replace(EQUAL, health=health), "inconclusive", situation)
        ((asked, given),) = commands(advice.command)
        assert (asked, given[name]) == (step, value)
        assert advice.text.startswith(health.why(health.faults[0]))
        assert "questions like these would" not in advice.text


def test_the_step_that_follows_takes_what_both_share() -> None:
    done = PrepareParams(dataset="rows", name="it's ours", top_k=3, collection="all", check=True)
    assert next_command("finetune", done, FinetuneParams, samples=91) == (
        "mlflow run . -e finetune -P dataset=rows -P name='it'\"'\"'s ours' -P collection=all -P top_k=3 -P samples=91 "
        "--env-manager local"
    )
    trained = FinetuneParams(samples=50, format="retrieved")
    assert next_command("compare", trained, CompareParams, model="models:/ragft-telecom-pocket/2") == (
        "mlflow run . -e compare -P dataset=telecom -P base=pocket -P model=models:/ragft-telecom-pocket/2 "
        "--env-manager local"
    )


def test_what_follows_is_said_though_the_next_step_would_refuse_it() -> None:
    """The base smollm2 cannot judge: a finetune that had done its work ended in that error of another step."""
    trained = FinetuneParams(base="smollm2")
    assert "-P base=smollm2" in next_command("compare", trained, CompareParams)
    assert next_command("finetune", PrepareParams(), FinetuneParams, samples=0).endswith(
        "-P samples=0 --env-manager local"
    )
