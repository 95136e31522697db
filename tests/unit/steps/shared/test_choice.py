"""What dev chose is not held against dev afterwards."""

import dataclasses

import pytest

from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.integrity import CHOICE_CHECK, checks
from ragft.params.verdict import CompareParams
from tests.unit.registry.test_card import VERSION

AGAINST = dataclasses.replace(VERSION, number=1)
CHOSEN = dataclasses.replace(VERSION, chosen_from="20 trials by right on dev")


@pytest.mark.parametrize(
    ("split", "passed", "why"),
    [
        ("test", True, "its score there is that of the luckiest; these questions did not choose it"),
        ("confirm", True, "these questions did not choose it"),
        ("dev", False, "these questions chose it, so they cannot say how good it is: compare with -P split=test"),
    ],
)
def test_a_comparison_says_from_how_many_a_version_was_chosen(split: str, passed: bool, why: str) -> None:
    sides = {version.uri: Evaluation("run", {}) for version in (AGAINST, CHOSEN)}
    every = checks(CompareParams(split=split), CHOSEN, AGAINST, sides, ())
    found = [each for each in every if each.name == CHOICE_CHECK]
    assert [each.passed for each in found] == [passed]
    assert found[0].detail.startswith("it is the best of 20 trials by right on dev, and ")
    assert found[0].detail.endswith(why)


def test_nothing_is_said_of_a_version_that_was_the_only_one() -> None:
    sides = {version.uri: Evaluation("run", {}) for version in (AGAINST, VERSION)}
    assert CHOICE_CHECK not in [each.name for each in checks(CompareParams(split="dev"), VERSION, AGAINST, sides, ())]
