"""An evaluation's answers as the statistics of a promise take them."""

import dataclasses
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrypoints.steps import promote
from entrypoints.steps.reporting.verification import VerifiedSide, refusal
from entrypoints.steps.shared.compared import Compared
from entrypoints.steps.shared.evaluation import Evaluation, Made, Scored
from entrypoints.steps.shared.verifiers import (
    CHECKED,
    checks_of_other_side,
    checks_of_version,
    otherwise,
    verified,
    with_checks,
)
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verification.promise import Promise
from ragft.analysis.verification.threshold import choose
from ragft.errors import ConfigError, DataError
from ragft.judging.outcomes import Outcome
from ragft.params.scoring import VerifyParams
from ragft.params.verdict import CompareParams, PromoteParams
from ragft.verifying import Checks, Overlap
from registry.versions import Lineage, Version
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
    promise = dataclasses.replace(TOLD, collection=promised_of, verifier_sha256=Overlap().identity)
    with ExitStack() as stack:
        checks = checks_of_version(version_with(promise), CompareParams(verify=True), WORKSPACE, stack)
    made = Made(AS, compared_on, "")
    if said:
        with pytest.raises(ConfigError, match=f"the promise of models:/m/2 was made under other conditions: .*{said}"):
            checks(made)
    else:
        assert checks(made) == Checks(promise, checks(made).verifier)  # type: ignore[union-attr]


def version_with(promise: Promise) -> Version:
    lineage = Lineage(kind="base", base="pocket", base_fingerprint="b", data="telecom", data_sha256="d", data_seed=0)
    return Version("m", 2, "", (), lineage, promise=promise.to_json())


@pytest.mark.parametrize(("promised_of", "compared_on"), [("", "vllm 0.32.0 float32"), ("vllm 0.32.0 float32", "")])
def test_a_promise_holds_for_answers_of_the_same_engine(promised_of: str, compared_on: str) -> None:
    promise = dataclasses.replace(TOLD, engine=promised_of)
    assert otherwise(Made(AS, AS.collection, promised_of), promise) == ""
    assert otherwise(Made(AS, AS.collection, compared_on), promise).startswith(
        f"answers of {compared_on or 'this process'} (was {promised_of or 'this process'}); "
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "are checked too, by its own promise"),
        (
            {"collection": "dev's own"},
            "are not checked, although it has a promise: it was made with passages of the dev",
        ),
        ({"served_as": dataclasses.replace(AS, top_k=5)}, "are not checked, although .*: top_k 3 .was 5"),
        ({"verifier_sha256": "x"}, "are not checked, although .*: the verifier overlap is not the one"),
    ],
)
def test_the_other_side_is_checked_where_it_is_served_so(changes: dict[str, Any], said: str) -> None:
    heard: list[str] = []
    promise = dataclasses.replace(TOLD, **{"verifier_sha256": Overlap().identity, **changes})
    with ExitStack() as stack:
        workspace = dataclasses.replace(WORKSPACE, say=heard.append)
        checks = checks_of_other_side(version_with(promise), CompareParams(verify=True), workspace, stack)
        assert checks is not None
        held = checks(Made(AS, AS.collection, ""))
        assert (held is not None) == (not changes)
        assert re.search(f"answers of models:/m/2 {said}", heard[0])
        broken = dataclasses.replace(version_with(promise), promise="no JSON")
        for other, expected in ((broken, "is no JSON"), (dataclasses.replace(broken, promise=""), None)):
            checks = checks_of_other_side(other, CompareParams(verify=True), workspace, stack)
            assert (checks is None) == (expected is None)
            assert checks is None or checks(Made(AS, AS.collection, "")) is None
    assert "no JSON" in heard[1]


@pytest.mark.parametrize(
    ("own", "before", "verify", "said"),
    [
        (TOLD, None, True, "its answers are checked before they leave: with 90% confidence"),
        (dataclasses.replace(TOLD, collection="x"), None, False, "its promise is not applied where it is served"),
        (
            None,
            dataclasses.replace(TOLD, adapter_sha256=""),
            False,
            "answers of version 2 are checked where it is served, and were not in the comparison",
        ),
        (None, dataclasses.replace(TOLD, served_as=dataclasses.replace(AS, top_k=5)), False, None),
        (None, None, False, None),
    ],
)
def test_a_promotion_says_whether_answers_are_checked(
    own: Promise | None, before: Promise | None, verify: bool, said: str | None
) -> None:
    def version(promise: Promise | None) -> Version:
        return version_with(promise) if promise else dataclasses.replace(version_with(TOLD), promise="")

    heard: list[str] = []
    compared = Compared(version(own), version(before), {}, None, None, "")  # type: ignore[arg-type]  # not looked at
    params = PromoteParams(verify=verify, collection="all")
    promote._say_how_it_is_checked(compared, AS, params, dataclasses.replace(WORKSPACE, say=heard.append))
    assert len(heard) == (said is not None)
    assert not said or heard[0].startswith(said)


def test_a_comparison_says_by_whose_promises_answers_were_checked() -> None:
    def conditions(version: str, other: str) -> str:
        sides = {uri: {"retrieved": Evaluation("", {}, checked=by)} for uri, by in (("1", other), ("2", version))}
        found = with_checks(sides, "2")
        assert found["1"]["retrieved"].conditions == found["2"]["retrieved"].conditions
        return found["2"]["retrieved"].conditions.get(CHECKED, "")

    assert (conditions("", ""), conditions("a", "")) == ("", "a")
    assert len({"a", conditions("a", "b"), conditions("b", "a"), conditions("a", "a")}) == 4
