"""The warning of a rule that compares words comes where such a rule decides, and nowhere else."""

from typing import Any

from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.integrity import of_rule, rule_warning

WORDY = "The person who wrote that letter to the king was Ann"


def side(answer: str, **changed: Any) -> Evaluation:  # noqa: ANN401 - a row's fields
    given: dict[str, Any] = {"right": False, "outcome": "wrong", "facts": {"answerable": True}, **changed}
    return Evaluation("run", {}, [Scored("q", "Who?", answer, ("Ann",), (), ("d",), **given)])


def warned(base: Evaluation, version: Evaluation, primary: str = "right") -> str:
    return rule_warning({"models:/a/1": base, "models:/a/2": version}, (primary,))


def test_it_comes_where_the_rule_decides() -> None:
    told = warned(side(WORDY), side("Anne"))
    assert "answers of models:/a/2 are 1.0 words long where those of models:/a/1 are 11.0" in told
    (check,) = of_rule({"models:/a/1": side(WORDY), "models:/a/2": side("Anne")}, ["right"])
    assert check.passed
    assert check.detail == f"warning: {told}"


def test_it_does_not_where_something_else_says_what_is_right() -> None:
    assert not warned(side(WORDY), side("Anne"), "answer_f1")
    known = {"numbers": {"truth_right": 0.0}}
    assert not warned(side(WORDY, **known), side("Anne", **known))
    asked = {"right": None, "outcome": "right"}
    assert not warned(side(WORDY, **asked), side("Anne", **asked))
    # A rule that can only say yes leaves the rest to a judge.
    yes = {"right": True, "outcome": "right"}
    assert not warned(side(WORDY, **yes), side("Ann", **yes))
    refused = {"right": False, "outcome": "abstained"}
    assert not warned(side(WORDY), side("I don't know.", **refused))
    assert not warned(side(WORDY), side("Anne", facts={"answerable": False}))
