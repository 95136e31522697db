import itertools
from dataclasses import replace

import numpy as np
import pytest

from ragft.analysis.statistics.crossed import crossed_mean
from ragft.analysis.study.factors import AdapterGains, MainEffect, held_together, main_effects

FACTORS = {"format": ("closed_book", "retrieved"), "epochs": ("1", "3", "10")}
MEASURES = ("accuracy", "completeness", "truth_right")
LABELS = [f"d{i // 3}" for i in range(90)]


def runs(rng: np.random.Generator, noise: float = 0.3, seeds: int = 3) -> list[AdapterGains]:
    """Passages add 0.5, ten epochs take 0.4, seeds and documents are chance."""
    of_document = np.repeat(rng.normal(size=30), 3)
    made = []
    for seed in range(seeds):
        of_seed = 0.2 * rng.normal()
        for form, epochs in itertools.product(*FACTORS.values()):
            mean = 0.5 * (form == "retrieved") - 0.4 * (epochs == "10")
            gains = mean + of_seed + of_document + noise * rng.normal(size=90)
            made.append(AdapterGains({"format": form, "epochs": epochs, "seed": str(seed)}, gains))
    return made


def by_level(effects: list[MainEffect]) -> dict[tuple[str, str], MainEffect]:
    return {(each.factor, each.level): each for each in effects}


def test_effects_are_found_and_what_does_nothing_is_not() -> None:
    found = by_level(main_effects(runs(np.random.default_rng(0)), FACTORS, LABELS, "accuracy", measures=1))
    assert set(found) == {("format", "retrieved"), ("epochs", "3"), ("epochs", "10")}
    passages, ten, three = found["format", "retrieved"], found["epochs", "10"], found["epochs", "3"]
    assert passages.gain == pytest.approx(0.5, abs=0.06)
    assert ten.gain == pytest.approx(-0.4, abs=0.06)
    assert passages.shown
    assert ten.shown
    assert not three.shown
    assert (passages.pairs, ten.pairs, passages.seeds, passages.n, passages.clusters) == (9, 6, 3, 90, 30)


def test_an_effect_that_is_not_there_is_claimed_no_more_often_than_allowed() -> None:
    rng = np.random.default_rng(1)
    claimed = 0
    for _ in range(200):
        effects = []
        for measure in MEASURES:
            null = [AdapterGains(run.levels, run.gains * 0 + rng.normal(size=90)) for run in runs(rng)]
            effects += main_effects(null, FACTORS, LABELS, measure, measures=len(MEASURES))
        claimed += any(effect.shown for effect in effects)
    assert claimed / 200 <= 0.05


def test_the_interval_for_all_counts_the_effects_on_every_measure() -> None:
    made = runs(np.random.default_rng(0))
    one, three = (main_effects(made, FACTORS, LABELS, "accuracy", measures=count)[0] for count in (1, 3))
    assert (one.together, three.together) == (3, 9)
    contrast = np.stack(
        [
            np.mean([run.gains for run in made if run.levels["seed"] == seed and run.levels["format"] == form], axis=0)
            for form in ("retrieved", "closed_book")
            for seed in "012"
        ]
    )
    reference = crossed_mean(contrast[:3] - contrast[3:], LABELS, alpha=0.025 / 9)
    assert (three.low_all, three.high_all) == pytest.approx((reference.low, reference.high))
    assert (one.low, one.high) == (three.low, three.high)


def test_effects_stored_with_the_interval_of_one_measure_are_widened_to_all_of_them() -> None:
    made = runs(np.random.default_rng(0))
    measured = [
        effect for name in MEASURES for effect in main_effects(made, FACTORS, LABELS, name, measures=len(MEASURES))
    ]
    stored = [
        replace(effect, dof=0.0, together=0)
        for name in MEASURES
        for effect in main_effects(made, FACTORS, LABELS, name, measures=1)
    ]
    for now, then in zip(measured, held_together(stored), strict=True):
        assert then.together == 9
        assert then.dof == pytest.approx(now.dof, rel=1e-4)
        assert (then.low_all, then.high_all) == pytest.approx((now.low_all, now.high_all), abs=1e-6)
    assert held_together(measured) == measured
    (lone,) = held_together([replace(stored[0], low_all=stored[0].low, high_all=stored[0].high)])
    assert lone.low_all == pytest.approx(stored[0].low)


def test_only_adapters_that_differ_in_nothing_else_are_paired() -> None:
    whole = runs(np.random.default_rng(2))
    lost = [run for run in whole if run.levels != {"format": "retrieved", "epochs": "3", "seed": "1"}]
    found = by_level(main_effects(lost, FACTORS, LABELS, "accuracy", measures=1))
    assert (found["format", "retrieved"].pairs, found["epochs", "3"].pairs, found["epochs", "10"].pairs) == (8, 5, 6)


def test_the_interval_for_all_is_wider_and_one_seed_has_none() -> None:
    effect = main_effects(runs(np.random.default_rng(0)), FACTORS, LABELS, "accuracy", measures=1)[0]
    assert effect.low_all < effect.low < effect.gain < effect.high < effect.high_all
    assert main_effects(runs(np.random.default_rng(0), seeds=1), FACTORS, LABELS, "accuracy", measures=1) == []


def test_two_adapters_with_the_same_levels_are_not_taken_for_one() -> None:
    made = runs(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"two adapters have the levels .*'closed_book'.* differ in what is no factor"):
        main_effects([*made, made[0]], FACTORS, LABELS, "accuracy", measures=1)
