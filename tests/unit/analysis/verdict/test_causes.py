"""The causes that a comparison names, and which trainings follow from each."""

from dataclasses import replace

import pytest

from ragft.analysis.verdict.causes import (
    CAUSES,
    CLOSED_BOOK,
    DISTRACTION,
    GOOD_CONTEXT,
    MEMORY,
    RETRIEVAL,
    UNSEEN,
    causes_of,
)
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.guards import GuardRates, GuardResult, guard_result, pair_guard
from ragft.analysis.verdict.multiplicity import Claims
from ragft.analysis.verdict.people import Corrected, Estimate
from ragft.analysis.verdict.remedies import REMEDIES, experiments
from ragft.analysis.verdict.worth import figures_of, worth
from ragft.params.training import FinetuneParams
from ragft.params.values import GUARDS
from ragft.types import CONTEXTS
from tests.report_example import example

BOTH = ("accuracy", "completeness")
FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING = GUARDS
PLAIN = example(shift=0.0).comparison
TAUGHT = FinetuneParams(format="retrieved", epochs=4, learning_rate=1e-3, withheld_share=0.25)
BLIND = FinetuneParams(epochs=3, learning_rate=1e-3)


def guard(name: str, rise: float, base: float = 0.2) -> GuardResult:
    """A guard whose rate rises from ``base`` by ``rise``, on 100 questions in 50 groups."""
    ids = [f"q{index:03d}" for index in range(100)]
    rates = GuardRates(
        name,
        {each: float(place < 100 * base) for place, each in enumerate(ids)},
        {each: float(place < round(100 * (base + rise))) for place, each in enumerate(ids)},
        {each: f"d{int(each[1:]) % 50}" for each in ids},
    )
    return guard_result(rates, pair_guard(rates), Levels(), Resampling(199))


def rejected(*harmful: str, worse: tuple[str, ...] = (), of: Comparison = PLAIN) -> Comparison:
    return replace(of, guards=tuple(guard(name, 0.5) for name in harmful), claims=Claims(worse, (), (), harmful))


def with_terms(**values: float) -> Comparison:
    """A comparison that lost accuracy, with these terms, each told from 0 by 0.1 to either side."""
    found = example(contexts=CONTEXTS).comparison
    of_accuracy = next(each for each in found.attributions if each.criterion == "accuracy")
    terms = tuple(
        replace(term, value=value, low=value - 0.1, high=value + 0.1)
        for term in of_accuracy.terms
        for value in [values.get(term.name.replace(" ", "_"), 0.0)]
    )
    return rejected(worse=("accuracy",), of=replace(found, attributions=(replace(of_accuracy, terms=terms),)))


def test_harm_is_a_cause_with_its_numbers() -> None:
    (cause,) = causes_of(rejected(FALSE_ANSWERS), "retrieved")
    assert cause.name == FALSE_ANSWERS
    assert cause.words == "it invents answers where no passage has one: 20 → 70 % of 100 questions"


def test_a_loss_has_the_terms_that_are_below_0_as_causes_the_largest_first() -> None:
    found = with_terms(memory=-0.2, distractor_robustness=-0.5, retrieval=0.4)
    assert [each.name for each in causes_of(found, CLOSED_BOOK)] == [DISTRACTION, MEMORY]
    assert causes_of(found, CLOSED_BOOK)[0].evidence.startswith("-0.50 (-0.60 to -0.40) accuracy, ")


def test_a_loss_without_terms_has_a_cause_only_where_training_saw_no_passages() -> None:
    found = rejected(worse=("accuracy",))
    assert [each.name for each in causes_of(found, CLOSED_BOOK)] == [UNSEEN]
    assert causes_of(found, "retrieved") == ()
    assert causes_of(with_terms(), "raft") == ()
    assert causes_of(rejected(FALSE_ANSWERS), CLOSED_BOOK)[0].name == FALSE_ANSWERS, "nothing was lost"


def test_terms_of_a_criterion_that_was_not_lost_are_no_cause() -> None:
    found = replace(with_terms(memory=-0.5), claims=Claims(("completeness",), (), ()))
    assert causes_of(found, "retrieved") == ()


def test_every_cause_has_words_and_remedies() -> None:
    assert set(CAUSES) == set(REMEDIES)
    assert {MEMORY, GOOD_CONTEXT, DISTRACTION, RETRIEVAL, UNSEEN, *GUARDS} == set(CAUSES)
    for cause in CAUSES:
        assert experiments([cause], BLIND, probed=False), cause
        assert experiments([cause], TAUGHT, probed=False), cause


@pytest.mark.parametrize(
    ("cause", "trained", "expected"),
    [
        (
            FALSE_ANSWERS,
            BLIND,
            [
                {"format": "retrieved", "withheld_share": 0.25},
                {"format": "raft", "withheld_share": 0.25},
                {"format": "retrieved", "withheld_share": 0.5},
                {"unknown_share": 0.0},
                {"epochs": 1, "learning_rate": 0.00025},
            ],
        ),
        (
            FALSE_ANSWERS,
            TAUGHT,
            [{"format": "raft"}, {"withheld_share": 0.5}, {"epochs": 2, "learning_rate": 0.00025}],
        ),
        (FALSE_REFUSALS, TAUGHT, [{"withheld_share": 0.125}, {"epochs": 2, "learning_rate": 0.00025}]),
        (
            FALSE_REFUSALS,
            replace(BLIND, unanswerable_share=0.4),
            [{"unanswerable_share": 0.2}, {"format": "retrieved"}, {"epochs": 1, "learning_rate": 0.00025}],
        ),
        (FORGETTING, BLIND, [{"epochs": 1, "learning_rate": 0.00025}, {"unknown_share": 0.0}]),
        (MEMORY, replace(BLIND, epochs=1), [{"learning_rate": 0.00025}, {"unknown_share": 0.0}]),
        (GOOD_CONTEXT, TAUGHT, [{"epochs": 2, "learning_rate": 0.00025}]),
        (DISTRACTION, TAUGHT, [{"format": "raft"}, {"epochs": 2, "learning_rate": 0.00025}]),
        (RETRIEVAL, BLIND, [{"format": "retrieved"}, {"format": "raft"}, {"epochs": 1, "learning_rate": 0.00025}]),
        (UNSEEN, BLIND, [{"format": "retrieved"}, {"format": "raft"}, {"epochs": 1, "learning_rate": 0.00025}]),
    ],
)
def test_what_a_cause_changes_of_the_rejected_training(
    cause: str, trained: FinetuneParams, expected: list[dict[str, object]]
) -> None:
    assert [dict(each.changes) for each in experiments([cause], trained, probed=True)] == expected


def test_several_causes_are_mended_together_the_first_remedies_first() -> None:
    found = experiments([FALSE_ANSWERS, FORGETTING], BLIND, probed=True)
    softer = {"epochs": 1, "learning_rate": 0.00025}
    assert found[0].changes == {"format": "retrieved", "withheld_share": 0.25, **softer}
    assert found[0].remedies == (
        "passages that cannot answer in 25 % of the samples",
        "1/2 of the epochs at 1/4 of the rate",
    )
    assert found[1].changes == {"format": "retrieved", "withheld_share": 0.25}, "nothing is unknown where it is shown"
    changes = [dict(each.changes) for each in found]
    assert all(changes.count(each) == 1 for each in changes)
    assert softer in changes, "applied once, though both causes call for it"


def test_facts_are_left_out_only_where_the_base_was_probed() -> None:
    assert [dict(each.changes) for each in experiments([FORGETTING], BLIND, probed=False)] == [
        {"epochs": 1, "learning_rate": 0.00025}
    ]


def test_without_a_cause_nothing_is_tried() -> None:
    assert experiments([], BLIND, probed=True) == []


def test_what_finetune_refuses_is_not_tried() -> None:
    # Both shares cannot be given at once.
    trained = replace(BLIND, unanswerable_share=0.3)
    assert all("unknown_share" not in each.changes for each in experiments([FORGETTING], trained, probed=True))


def test_a_rise_by_its_margin_costs_as_much_as_any_gain_brings_and_a_fall_brings_nothing() -> None:
    gain = sum(each.effect.gain / 4 for each in PLAIN.primaries if each.effect) / 2  # scales from 1 to 5
    assert worth(PLAIN) == pytest.approx(gain)
    worse = replace(PLAIN, guards=(guard(FALSE_ANSWERS, 0.05), guard(FORGETTING, -0.1)))
    assert worth(worse) == pytest.approx(gain - 1)
    assert worth(replace(PLAIN, results=())) is None


def test_figures_are_changes_of_primaries_and_rises_of_guards() -> None:
    figures = figures_of(replace(PLAIN, guards=(guard(FALSE_ANSWERS, 0.1),)))
    assert set(figures) == {*BOTH, FALSE_ANSWERS}
    rise = figures[FALSE_ANSWERS]
    assert (rise["base"], rise["version"], rise["n"]) == (0.2, pytest.approx(0.3), 100)
    assert rise["change"] == pytest.approx(0.1)
    assert rise["low"] < rise["change"] < rise["high"]


def test_where_people_decide_the_corrected_change_stands_without_the_judges_means() -> None:
    (one, *_), found = PLAIN.primaries, figures_of(PLAIN)
    estimate = Estimate(0.3, 0.1, 0.5)
    people = Corrected(one.criterion, 30, 10, 40, "at random", None, estimate, estimate, 0.5, one.bounds)
    decided = figures_of(replace(PLAIN, corrected=(people,)))
    assert decided[one.criterion].keys() == {"change", "low", "high", "n"}
    few = figures_of(replace(PLAIN, corrected=(replace(people, pairs=29),)))
    assert few == found
    assert {name: each for name, each in decided.items() if name != one.criterion} == {
        name: each for name, each in found.items() if name != one.criterion
    }
