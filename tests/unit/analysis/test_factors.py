import itertools

import numpy as np
import pytest

from ragft.analysis.factors import MainEffect, Run, main_effects

FACTORS = {"format": ("closed_book", "retrieved"), "epochs": ("1", "3", "10")}
LABELS = [f"d{i // 3}" for i in range(90)]


def runs(rng: np.random.Generator, noise: float = 0.3, seeds: int = 3) -> list[Run]:
    """Passages add 0.5, ten epochs take 0.4, seeds and documents are chance."""
    of_document = np.repeat(rng.normal(size=30), 3)
    made = []
    for seed in range(seeds):
        of_seed = 0.2 * rng.normal()
        for form, epochs in itertools.product(*FACTORS.values()):
            mean = 0.5 * (form == "retrieved") - 0.4 * (epochs == "10")
            gains = mean + of_seed + of_document + noise * rng.normal(size=90)
            made.append(Run({"format": form, "epochs": epochs, "seed": str(seed)}, gains))
    return made


def by_level(effects: list[MainEffect]) -> dict[tuple[str, str], MainEffect]:
    return {(each.factor, each.level): each for each in effects}


def test_effects_are_found_and_what_does_nothing_is_not() -> None:
    found = by_level(main_effects(runs(np.random.default_rng(0)), FACTORS, LABELS, "accuracy"))
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
        null = [Run(run.levels, run.gains * 0 + rng.normal(size=90)) for run in runs(rng)]
        claimed += any(effect.shown for effect in main_effects(null, FACTORS, LABELS, "accuracy"))
    assert claimed / 200 <= 0.09


def test_only_adapters_that_differ_in_nothing_else_are_paired() -> None:
    whole = runs(np.random.default_rng(2))
    lost = [run for run in whole if run.levels != {"format": "retrieved", "epochs": "3", "seed": "1"}]
    found = by_level(main_effects(lost, FACTORS, LABELS, "accuracy"))
    assert (found["format", "retrieved"].pairs, found["epochs", "3"].pairs, found["epochs", "10"].pairs) == (8, 5, 6)


def test_the_interval_for_all_is_wider_and_one_seed_has_none() -> None:
    effect = main_effects(runs(np.random.default_rng(0)), FACTORS, LABELS, "accuracy")[0]
    assert effect.low_all < effect.low < effect.gain < effect.high < effect.high_all
    assert main_effects(runs(np.random.default_rng(0), seeds=1), FACTORS, LABELS, "accuracy") == []
