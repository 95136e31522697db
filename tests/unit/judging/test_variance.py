"""Variance components, against a simulation with known ones and against statsmodels' REML."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from ragft.judging.variance import WIDENING, spread


def simulated(between: float, within: float, *, questions: int = 3_000, repeats: int = 10) -> list[list[float]]:
    rng = np.random.default_rng(0)
    means = rng.normal(3, between**0.5, questions)
    return [list(rng.normal(mean, within**0.5, repeats)) for mean in means]


@pytest.mark.parametrize(("between", "within"), [(1.0, 0.5), (0.25, 1.0), (2.0, 0.1)])
def test_known_components_come_back(between: float, within: float) -> None:
    found = spread(simulated(between, within))
    assert found.between_questions == pytest.approx(between, rel=0.15)
    assert found.between_repeats == pytest.approx(within, rel=0.1)


def test_a_balanced_table_equals_reml() -> None:
    rows = simulated(1.0, 0.5, questions=40, repeats=5)
    table = pd.DataFrame([(q, value) for q, row in enumerate(rows) for value in row], columns=["question", "value"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedlm("value ~ 1", table, groups=table["question"]).fit(reml=True)
    found = spread(rows)
    assert found.between_questions == pytest.approx(float(fit.cov_re.iloc[0, 0]), rel=1e-3)
    assert found.between_repeats == pytest.approx(float(fit.scale), rel=1e-3)


def test_enough_repeats_keep_the_promised_width() -> None:
    found = spread(simulated(1.0, 0.5))
    between, within, enough = found.between_questions, found.between_repeats, found.repeats_enough
    assert between and within and enough

    def widening(repeats: int) -> float:
        return float((1 + within / (repeats * between)) ** 0.5 - 1)

    assert widening(enough) <= WIDENING < widening(enough - 1)


def test_a_judge_without_noise_needs_one_repeat() -> None:
    assert spread([[1.0, 1.0], [5.0, 5.0]]).repeats_enough == 1


def test_more_repeats_than_were_made_are_not_counted() -> None:
    rows = simulated(0.25, 1.0)
    assert spread(rows).repeats_enough is None
    barely = [[1.0 + 1e-9 * index, 1.0 - 1e-9 * index, 3.0, 1.0 + 1e-12 * index] for index in range(40)]
    found = spread(barely)
    assert found.repeats_enough is None or found.repeats_enough <= 4
    assert spread(simulated(0.25, 1.0, repeats=60)).repeats_enough == pytest.approx(39, abs=4)


def test_noise_without_difference_is_never_enough() -> None:
    found = spread([[1.0, 5.0], [5.0, 1.0], [1.0, 5.0]])
    assert (found.between_questions, found.repeats_enough) == (0.0, None)


def test_what_cannot_be_told_is_none() -> None:
    assert spread([]) == spread([[], []])
    assert spread([[3.0]]).between_questions is None
    assert spread([[3.0], [4.0]]).between_repeats is None
    assert spread([[3.0], [4.0]]).between_questions == 0.5


def test_uneven_rows_weigh_their_noise() -> None:
    found = spread([[1.0, 3.0], [4.0], []])
    assert found.between_repeats == 2.0
    assert found.between_questions == pytest.approx(max(0.0, 2.0 - 2.0 * (1 / 2 + 1) / 2))
