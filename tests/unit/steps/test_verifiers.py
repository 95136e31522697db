"""An evaluation's answers as the statistics of a promise take them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from entrypoints.steps.reporting.verification import VerifiedSide, refusal
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.verifiers import CHECKED, verified, with_checks
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verification.threshold import choose
from ragft.errors import ConfigError, DataError
from ragft.judging.outcomes import Outcome
from ragft.params import VerifyParams
from ragft.verifying import Checks, Overlap
from tests.unit.test_verifying import AS, TOLD

PASSAGE = "The fee of Azure Swan is $24."
WORKSPACE = Workspace(Path(), None, lambda _: None)  # type: ignore[arg-type]  # a rule needs no store


def evaluation(outcomes: list[Outcome | None], context: str = "retrieved") -> Evaluation:
    rows = [
        Scored(str(n), "What is the fee?", "Unknown." if each == "abstained" else "The fee of Azure Swan is $24.",
               (), (PASSAGE,), outcome=each)
        for n, each in enumerate(outcomes)
    ]  # fmt: skip
    return Evaluation("", {}, rows, context=context)


CLUSTERS = {str(number): f"d{number}" for number in range(100)}


def test_abstentions_are_asked_about_and_never_leave() -> None:
    found = verified(evaluation(["right", "abstained", "wrong"]), CLUSTERS, Overlap(), WORKSPACE)
    assert [row.id for row in found.rows] == ["0", "2"]
    assert found.scores == (1.0, 1.0)
    assert list(found.checked.wrong) == [0.0, 1.0]
    assert found.checked.asked == 3


def test_a_few_unknown_answers_count_as_wrong_and_many_are_refused() -> None:
    few = verified(evaluation([None, *["right"] * 29]), CLUSTERS, Overlap(), WORKSPACE)  # type: ignore[list-item]
    assert (few.unknown, few.checked.wrong.sum()) == (1, 1.0)
    with pytest.raises(
        DataError, match=r"of 2 of 30 answers \(retrieved\) nobody can tell whether they are right \(0, 1\)"
    ):
        verified(evaluation([None, None, *["right"] * 28]), CLUSTERS, Overlap(), WORKSPACE)  # type: ignore[list-item]
    withheld = verified(evaluation([None, None], "withheld"), CLUSTERS, Overlap(), WORKSPACE)
    assert (withheld.unknown, withheld.checked.wrong.sum()) == (0, 2.0)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["right"] * 10, r"of the 10 answers that it trusts most, 0 are wrong \(0%\); it would take about 22 dev"),
        (
            ["wrong"] * 30,
            "30 are wrong .100%., and too many of every stricter part, so no number of dev questions would do",
        ),
        (["abstained"] * 3, "none of the 3 dev questions has an answer with a score"),
    ],
)
def test_a_refusal_says_what_would_help(outcomes: list[Outcome | None], said: str) -> None:
    dev = verified(evaluation(outcomes), CLUSTERS, Overlap(), WORKSPACE)
    side = VerifiedSide("base", dev, {}, choose(dev.checked, 0.1, 0.9))
    assert side.choice.chosen is None
    with pytest.raises(DataError, match=said):
        raise DataError(refusal(side, VerifyParams(verify=True)))
    assert np.isfinite(dev.checked.scores).all()


@pytest.mark.parametrize(
    ("promised_of", "compared_on", "said"),
    [
        (AS.collection, AS.collection, None),
        ("dev's own", "test's own", None),
        (AS.collection, "test's own", "was all documents.; compare with -P collection=all, or make the promise again"),
        ("dev's own", AS.collection, "passages of all documents .* make the promise again with -P collection=all"),
    ],
)
def test_a_promise_holds_for_passages_from_where_its_own_came_from(
    promised_of: str, compared_on: str, said: str | None
) -> None:
    checks = Checks(dataclasses.replace(TOLD, collection=promised_of), Overlap())
    sides = {"models:/m/2": {"retrieved": Evaluation("", {}, served_as=AS, collection=compared_on)}}
    if said:
        with pytest.raises(ConfigError, match=f"the promise of models:/m/2 was made under other conditions: .*{said}"):
            with_checks(sides, "models:/m/2", checks, WORKSPACE)
    else:
        assert CHECKED in with_checks(sides, "models:/m/2", checks, WORKSPACE)["models:/m/2"]["retrieved"].conditions
