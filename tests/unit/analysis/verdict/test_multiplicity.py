import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from ragft.analysis.verdict.effect import Bounds
from ragft.analysis.verdict.multiplicity import claim, rejecting, superior

ALPHA = 0.025


def normal(mean: float, family: int) -> Bounds:
    """Return the bounds of an estimate with standard error 1."""
    lows = tuple(float(mean + stats.norm.ppf(ALPHA / rank)) for rank in range(1, family + 1))
    highs = tuple(float(mean - stats.norm.ppf(ALPHA / rank)) for rank in range(1, family + 1))
    return Bounds(lows[0], highs[0], lows, claim_highs=highs)


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


@pytest.mark.parametrize(
    ("primaries", "guards"),
    [
        ([-1.97], []),
        ([0.0], [-2.97]),
        ([-2.5, 0.0], [-3.3, -3.0]),
        ([-2.3, 0.5], [-3.6, -3.4, 0.0]),
        ([-2.6, -2.5], [-3.0, -2.5, -1.0]),
        ([-2.0, -2.0], [-3.0, -3.0, -3.0]),
    ],
)
def test_what_rejects_is_holms_procedure_over_primaries_and_guards(primaries: list[float], guards: list[float]) -> None:
    """A primary is tested against 0 and a guard against its margin, here 1."""
    count = len(primaries) + len(guards)
    one = {f"p{index}": normal(mean, count) for index, mean in enumerate(primaries)}
    other = {f"g{index}": normal(mean, count) for index, mean in enumerate(guards)}
    p = stats.norm.cdf([*primaries, *(mean + 1 for mean in guards)])
    expected = multipletests(p, alpha=ALPHA, method="holm")[0]

    found = rejecting(one, other, dict.fromkeys(other, 1.0))
    assert found == tuple(name for name, shown in zip([*one, *other], expected, strict=True) if shown)


def test_each_claim_has_its_bound() -> None:
    family = {
        "worse": Bounds(-0.9, -0.1, (-0.9, -1.0), claim_highs=(-0.1, -0.08, -0.07, -0.06)),
        "alike": Bounds(-0.19, 0.1, (-0.19, -0.2), claim_highs=(0.1, 0.2, 0.3, 0.4)),
    }
    guards = {
        "harmful": Bounds(-0.5, -0.1, (-0.5,), claim_highs=(-0.1, -0.09, -0.08, -0.07)),
        "slipped": Bounds(-0.04, -0.01, (-0.04,), claim_highs=(-0.01, 0.0, 0.0, 0.0)),
    }
    claims = claim(family, {"worse": 0.2, "alike": 0.2, "harmful": 0.05, "slipped": 0.05}, guards)

    assert (claims.worse, claims.non_inferior, claims.superior) == (("worse",), ("alike",), ())
    assert (claims.harmful, claims.unsafe, claims.slipped) == (
        ("harmful",),
        ("harmful",),
        ("worse", "harmful", "slipped"),
    )


def test_a_loss_within_the_margin_rejects_for_a_primary_and_not_for_a_guard() -> None:
    slight = Bounds(-0.04, -0.01, (-0.04,), claim_highs=(-0.01, -0.01))
    margins = {"accuracy": 0.05, "forgetting": 0.05}

    assert rejecting({"accuracy": slight}, {"forgetting": slight}, margins) == ("accuracy",)
