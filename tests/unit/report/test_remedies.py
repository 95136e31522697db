"""The table of a search for a remedy, and the sentences that go with it."""

from dataclasses import dataclass
from typing import Any

import pytest

from ragft.params.values import GUARDS
from ragft.report.remedies import outcome, table, why


def figures(right: float, false: float) -> dict[str, Any]:
    """Changes of 0.6 right answers and a quarter of false ones, on 100 questions."""
    made = {"right": (0.6, right), "false_answers": (0.25, false)}
    return {
        name: {
            "base": base,
            "version": base + change,
            "change": change,
            "low": change - 0.02,
            "high": change + 0.02,
            "n": 100,
        }
        for name, (base, change) in made.items()
    }


def trial(number: int, *remedies: str, value: float | None, right: float = 0.0, false: float = 0.0) -> dict[str, Any]:
    return {
        "remedies": list(remedies),
        "changes": {},
        "value": value,
        "failure": "" if value is not None else "the loss is nan\nat step 3 | of 5",
        "version": f"models:/m/{number}" if value is not None else "",
        "figures": figures(right, false) if value is not None else {},
    }


def record(**verdict: Any) -> dict[str, Any]:  # noqa: ANN401
    claims: dict[str, list[str]] = {"harmful": [], "worse": [], "unsafe": [], "slipped": []}
    return {
        "version": "models:/m/2",
        "against": "models:/m/1",
        "objective": "gain_less_harm",
        "causes": [{"name": "false_answers", "words": "it invents answers"}],
        "before": {"figures": figures(-0.04, 0.54)},
        "trials": [
            trial(3, "with passages", value=-0.97, right=0.03, false=0.05),
            trial(4, "with passages", "softer", value=0.02, right=0.02, false=-0.01),
            trial(0, "softer", value=None),
        ],
        "chosen": 1,
        "verdict": {"version": "models:/m/4", "verdict": "hold", "figures": figures(0.01, 0.0), **claims, **verdict},
    }


def test_the_table_has_the_version_as_it_was_every_remedy_and_the_chosen_one_on_test() -> None:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(record())]
    assert lines[0] == ["cause", "remedy", "adapter", "asked", "right", "false answers", "worth", "verdict"]
    assert [line[1:4] + line[6:] for line in lines[2:]] == [
        ["none: as it was", "v2", "test", "–", "reject"],
        ["with passages", "v3", "dev", "−0.970", "–"],
        ["with passages + softer", "v4", "dev", "+0.020", "chosen"],
        ["softer", "–", "dev", "–", "failed: the loss is nan at step 3 / of 5"],
        ["with passages + softer", "v4", "test", "–", "hold"],
    ]
    assert {line[0] for line in lines[2:]} == {"false answers"}
    assert lines[2][4:6] == ["0.60 → 0.56 [−0.06, −0.02] of 100", "25 → 79 % [+52, +56] of 100"]
    assert len({len(line) for line in table(record())}) == 1, "padded, so that a terminal shows it too"


def test_where_people_decide_the_change_is_shown_in_place_of_both_sides() -> None:
    found = record()
    right = found["verdict"]["figures"]["right"]
    del right["base"], right["version"]
    cells = [cell.strip() for cell in table(found)[-1].split("|")]
    assert "change +0.01 [−0.01, +0.03] of 100" in cells
    assert "25 → 25 % [−2, +2] of 100" in cells


def test_why_an_adapter_was_chosen_is_said_with_its_figures() -> None:
    assert why(record()) == (
        "v4 was chosen, of 2 adapters, for its worth on dev: +0.020, the mean gain less each guard's rise in parts of "
        "its margin (right +0.02; false answers −1.0 points)."
    )


@dataclass
class Ending:
    claims: dict[str, list[str]]
    said: str


@pytest.mark.parametrize(
    "ending",
    [
        Ending(
            {},
            "models:/m/4 is not worse in false answers: a rise beyond the margin is ruled out. Not measured: false "
            "refusals, forgetting.",
        ),
        Ending({"harmful": ["false_answers"], "unsafe": []}, "No remedy did: models:/m/4, the best of 3, is"),
        Ending({"worse": ["right"]}, "No remedy did: models:/m/4, the best of 3, is still worse in right."),
        Ending(
            {"unsafe": ["false_answers"]},
            "models:/m/4 is not shown to be worse in any guard, and harm is not ruled out in false answers: these "
            "questions are too few. Not measured: false refusals, forgetting.",
        ),
        Ending(
            {"slipped": ["right", "false_answers"]},
            "models:/m/4 is a little worse in false answers, by less than its margin, and in no other guard that was "
            "measured. Not measured: false refusals, forgetting.",
        ),
    ],
)  # fmt: skip
def test_the_end_says_whether_a_remedy_did(ending: Ending) -> None:
    assert outcome(record(**ending.claims)).startswith(ending.said)


def test_no_guard_that_was_not_measured_is_said_to_be_no_worse() -> None:
    found = record()
    of_all = dict.fromkeys(GUARDS, found["verdict"]["figures"]["false_answers"])
    found["verdict"]["figures"] = of_all
    said = "false answers, false refusals, forgetting: a rise beyond the margin is ruled out."
    assert outcome(found) == f"models:/m/4 is not worse in {said}"
    found["verdict"]["figures"] = {"right": of_all["forgetting"]}
    assert outcome(found) == "No guard was measured, so whether models:/m/4 does harm is not known."


def test_the_champion_found_again_was_not_compared() -> None:
    found = record()
    found["verdict"] = {"version": "models:/m/1", "verdict": "not compared"}
    assert outcome(found) == "The best of 3 is models:/m/1, which is what it should replace."
    assert [cell.strip() for cell in table(found)[-1].split("|")][3:-1] == ["v1", "test", "–", "–", "–", "not compared"]
