import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ragft.analysis.verdict.effect import Bounds
from ragft.analysis.verdict.significance import claim, superior

ALPHA = 0.025


def normal(mean: float, family: int) -> Bounds:
    """Return the bounds of an estimate with standard error 1."""
    lows = tuple(float(mean + stats.norm.ppf(ALPHA / rank)) for rank in range(1, family + 1))
    return Bounds(lows[0], float(mean - stats.norm.ppf(ALPHA)), lows)


@pytest.mark.parametrize(
    "means",
    [[1.97], [1.95], [2.3, 2.0], [2.2, 2.1], [0.5, 2.5, 2.0], [2.45, 2.3, 2.0, -1.0], [2.6, 2.4, 2.35, 2.3, 2.0]],
)
def test_superiority_is_holms_procedure(means: list[float]) -> None:
    family = {f"c{index}": normal(mean, len(means)) for index, mean in enumerate(means)}
    rejected = multipletests(stats.norm.sf(means), alpha=ALPHA, method="holm")[0]

    assert superior(family) == tuple(name for name, shown in zip(family, rejected, strict=True) if shown)


def test_one_gain_at_alpha_is_not_enough_in_a_family_of_two() -> None:
    assert superior({"a": normal(2.0, 2), "b": normal(0.0, 2)}) == ()
    assert superior({"a": normal(2.3, 2), "b": normal(0.0, 2)}) == ("a",)
    assert superior({"a": normal(2.0, 2), "b": normal(2.3, 2)}) == ("a", "b")


def test_each_claim_has_its_bound() -> None:
    family = {
        "worse": Bounds(-0.9, -0.1, (-0.9, -1.0, -1.1)),
        "unsure": Bounds(-0.3, 0.02, (-0.3, -0.4, -0.5)),
        "alike": Bounds(-0.19, 0.1, (-0.19, -0.2, -0.3)),
    }
    claims = claim(family, dict.fromkeys(family, 0.2))

    assert (claims.worse, claims.non_inferior, claims.superior) == (("worse",), ("alike",), ())
