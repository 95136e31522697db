import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.random import Generator

from ragft.analysis.statistics.crossed import crossed_mean


def world(
    rng: Generator, seeds: int, documents: int, spread: tuple[float, float, float]
) -> tuple[npt.NDArray[np.float64], list[str]]:
    sizes = rng.integers(1, 9, size=documents)
    document = np.repeat(np.arange(documents), sizes)
    of_seed, of_document, rest = spread
    values = (
        of_seed * rng.normal(size=seeds)[:, None]
        + of_document * rng.normal(size=documents)[document]
        + rest * rng.normal(size=(seeds, len(document)))
    )
    return values, [f"d{each}" for each in document]


@pytest.mark.parametrize(
    ("seeds", "documents", "spread"),
    [(1, 54, (0, 1, 1)), (2, 54, (0.2, 1, 0.5)), (3, 54, (0.2, 0.5, 1)), (3, 20, (0.3, 1, 1)), (3, 54, (1, 0.1, 1))],
)
def test_the_interval_holds_the_truth_as_often_as_it_says(
    seeds: int, documents: int, spread: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(7)
    found = [crossed_mean(*world(rng, seeds, documents, spread)) for _ in range(300)]
    covered = sum(each.low <= 0 <= each.high for each in found if each.low is not None and each.high is not None)
    assert 0.915 <= covered / 300 <= 0.985


def test_without_two_kinds_of_chance_the_interval_would_be_wrong() -> None:
    """The same world with the seeds taken for more questions: the test above can fail."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        values, labels = world(rng, 3, 54, (1, 0.1, 1))
        naive = crossed_mean(values.reshape(1, -1), labels * 3)
        assert naive.low is not None
        assert naive.high is not None
        covered += naive.low <= 0 <= naive.high
    assert covered / 300 < 0.5


def test_mean_and_error_are_those_of_the_mixed_model() -> None:
    """One question a document: the balanced two-way random model, which statsmodels fits by REML."""
    rng = np.random.default_rng(3)
    seeds, documents = 5, 40
    values = rng.normal(size=(seeds, 1)) + rng.normal(size=documents) + 0.5 * rng.normal(size=(seeds, documents))
    found = crossed_mean(values, [f"d{i:02d}" for i in range(documents)])
    data = pd.DataFrame(
        {
            "y": values.ravel(),
            "seed": np.repeat(np.arange(seeds), documents),
            "document": np.tile(np.arange(documents), seeds),
            "all": 1,
        }
    )
    parts = {"seed": "0 + C(seed)", "document": "0 + C(document)"}
    model = smf.mixedlm("y ~ 1", data, groups="all", vc_formula=parts, re_formula="0").fit()
    assert found.mean == pytest.approx(model.params["Intercept"], abs=1e-6)
    assert found.error == pytest.approx(model.bse["Intercept"], rel=0.02)


def test_one_seed_is_the_cluster_robust_t() -> None:
    values = np.array([[1.0, 2.0, 4.0, 5.0]])
    found = crossed_mean(values, ["a", "a", "b", "b"])
    # Residual sums -3 and 3 over 4 questions: sqrt(2 * 18) / 4.
    assert (found.mean, found.error, found.dof) == pytest.approx((3.0, 1.5, 1.0))


def test_what_is_unscored_is_left_out_and_one_document_has_no_interval() -> None:
    values = np.array([[1.0, np.nan, 3.0], [1.0, np.nan, np.nan]])
    found = crossed_mean(values, ["a", "a", "a"])
    assert found.mean == pytest.approx(5 / 3)
    assert (found.n, found.clusters) == (2, 1)
    assert found.low is None
    assert found.high is None
    with pytest.raises(ValueError, match="no value"):
        crossed_mean(np.array([[np.nan]]), ["a"])
