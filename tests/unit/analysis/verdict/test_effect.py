import numpy as np
import pytest

from ragft.analysis.verdict.effect import Resampling, gains_of, measure
from tests.unit.analysis.studies import study

RESAMPLING = Resampling(399)


def test_rounding_does_not_break_a_tie() -> None:
    gains = gains_of(np.array([0.1 + 0.2, 1.0, 2.0]), np.array([0.3, 1.1, 1.9]), 1.0)

    assert gains == pytest.approx([0, 0.1, -0.1])
    assert gains[0] == 0
    base, version = np.array([0.3, 0.3]), np.array([0.1 + 0.2, 0.3])
    effect = measure(base, version, ["a", "b"], sign=1, extreme=1, resampling=RESAMPLING)
    assert (effect.wins, effect.ties, effect.losses, effect.effect_size) == (0, 2, 0, None)


def test_an_effect_is_the_mean_difference_with_the_interval_that_decides() -> None:
    gains, labels = study(0, clusters=60)
    effect = measure(np.full(len(gains), 3.0), 3.0 + gains, labels, sign=1, extreme=4, resampling=RESAMPLING)

    assert effect.low < effect.gain < effect.high
    assert effect.effect_size == pytest.approx(gains.mean() / gains.std(ddof=1))
    assert effect.n == len(gains)
    assert (effect.base, effect.version) == pytest.approx((3, 3 + gains.mean()))


def test_one_document_has_no_interval_of_its_own() -> None:
    effect = measure(np.zeros(4), np.ones(4), ["only"] * 4, sign=1, extreme=4, resampling=RESAMPLING)

    assert (effect.icc, effect.low, effect.high) == (None, -4, 4)


def test_the_same_resamples_are_drawn_again() -> None:
    gains, labels = study(1, clusters=20)
    one, other = (
        measure(np.zeros(len(gains)), gains, labels, sign=1, extreme=4, resampling=Resampling(399, seed))
        for seed in (0, 1)
    )

    assert one == measure(np.zeros(len(gains)), gains, labels, sign=1, extreme=4, resampling=Resampling(399, 0))
    assert one.low != other.low
