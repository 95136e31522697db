import dataclasses
import json

import numpy as np
import pytest

from ragft.analysis.read_record import read_record
from ragft.analysis.study.findings import SideScores, Study, change_of, summarise
from tests.unit.analysis.studies_of_cells import LABELS, cell


def study(**factors: list[str]) -> Study:
    cells = [
        cell(gain, format=form, seed=str(seed), outcome=outcome)
        for form, gain, outcome in (("closed_book", -0.4, "reject"), ("retrieved", 0.0, "hold"))
        for seed in range(3)
    ]
    check = dataclasses.replace(cells[0], role="agreement", axes={**cells[0].axes, "estimator": "sampled"})
    return summarise("embedded", ("format", "seed"), [*cells, check], factors)


def test_seeds_are_put_together_and_the_agreement_check_is_not_among_them() -> None:
    found = study()
    assert [group.outcomes for group in found.groups] == [("reject",) * 3, ("hold",) * 3]
    assert all("seed" not in group.axes for group in found.groups)
    harm = found.groups[0].changes[0]
    assert harm.gain.mean == pytest.approx(-0.4, abs=0.08)
    assert harm.gain.high is not None
    assert harm.gain.high < 0
    assert (harm.n, harm.clusters, harm.decides) == (40, 10, True)


def test_main_effects_are_those_of_the_lists() -> None:
    found = study(format=["closed_book", "retrieved"])
    assert {(each.factor, each.level, each.measure) for each in found.effects} == {
        ("format", "retrieved", "accuracy"),
        ("format", "retrieved", "completeness"),
    }
    assert all(each.shown and each.gain == pytest.approx(0.4, abs=0.1) for each in found.effects)
    assert study().effects == ()


def crossed(outside: str, levels: dict[str, float]) -> Study:
    """Return a study of two formats and three seeds, crossed with an axis whose levels say what passages change."""
    cells = [
        cell(-0.4 + change * (form == "retrieved"), **{"format": form, "seed": str(seed), outside: level})  # type: ignore[arg-type]
        for level, change in levels.items()
        for form in ("closed_book", "retrieved")
        for seed in range(3)
    ]
    return summarise("causes", ("format", "seed", outside), cells, {"format": ["closed_book", "retrieved"]})


@pytest.mark.parametrize("outside", ["base", "top_k", "judge"])
def test_main_effects_are_those_of_each_group_that_an_axis_outside_training_makes(outside: str) -> None:
    """Cells of both levels had one key, and the effect was that of the last alone."""
    found = crossed(outside, {"a": 0.4, "b": 0.8}).effects
    gains = {(each.among[outside], each.measure): each.gain for each in found}
    for measure in ("accuracy", "completeness"):
        assert gains["a", measure] == pytest.approx(0.4, abs=0.1)
        assert gains["b", measure] == pytest.approx(0.8, abs=0.1)
    assert {(each.pairs, each.together) for each in found} == {(3, 4)}


def test_groups_may_be_scored_by_different_measures() -> None:
    """A measure that the second data set lacks was a KeyError when all cells were computed."""
    factors = {"format": ["closed_book", "retrieved"]}
    cells = [
        cell(-0.4 * (form == "closed_book"), format=form, seed=str(seed))
        for form in factors["format"]
        for seed in "012"
    ]
    other = []
    for each in cells:
        assert each.pairs is not None
        scores = {"retrieved": {"truth_right": each.pairs.scores["retrieved"]["accuracy"]}}
        changes = (dataclasses.replace(each.changes[0], measure="truth_right"),)
        pairs = dataclasses.replace(each.pairs, scores=scores)
        other.append(dataclasses.replace(each, axes={**each.axes, "dataset": "x"}, changes=changes, pairs=pairs))
    found = summarise("causes", ("dataset", "format", "seed"), [*other, *cells], factors).effects
    assert [(each.among, each.measure, each.together) for each in found] == [
        ({"dataset": "x"}, "truth_right", 3),
        ({"dataset": "telecom"}, "accuracy", 3),
        ({"dataset": "telecom"}, "completeness", 3),
    ]


def test_one_group_has_no_name() -> None:
    assert [each.among for each in crossed("base", {"a": 0.4}).effects] == [{}, {}]


def test_the_estimators_are_compared_on_the_answers_that_both_scored() -> None:
    found = study().agreement
    assert [each.measure for each in found] == ["accuracy", "completeness"]
    assert found[0].n == 80
    assert found[0].spearman == pytest.approx(1.0)
    assert found[0].estimators == ("expected_no_rationale", "sampled")


def test_what_is_exported_is_small_and_read_back() -> None:
    found = study(format=["closed_book", "retrieved"])
    text = json.dumps(dataclasses.asdict(found))
    assert read_record(Study, json.loads(text)) == found
    assert "q01" not in text
    assert len(text) < 40_000


def test_lower_is_better_where_the_sign_says_so_and_unscored_answers_are_counted() -> None:
    columns = SideScores((1.0, 2.0, None, 4.0), (2.0, 3.0, 3.0, None))
    labels = (*LABELS[:2], "x", "y")
    worse = change_of("none", "hallucination", [columns], labels, decides=False, sign=-1.0)
    assert (worse.gain.mean, worse.base.mean, worse.version.mean) == (-1.0, 1.5, 2.5)
    assert (worse.n, worse.unscored) == (2, 2)
    nothing = change_of("none", "accuracy", [SideScores((None,), (1.0,))], ["a"], decides=True)
    assert (nothing.n, nothing.unscored, nothing.gain.low) == (0, 1, None)
    assert not np.isnan(nothing.gain.mean)
