import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from ragft.analysis.statistics.clusters import ClusterSums, cluster_sums
from ragft.analysis.statistics.cr2 import cr2, t_bound
from tests.unit.analysis.studies import Floats, singles, study


def by_matrices(values: Floats, labels: list[str]) -> tuple[float, float]:
    """Return the CR2 error and its degrees of freedom as the papers write them, matrix by matrix."""
    names, cluster = np.unique(labels, return_inverse=True)
    n = len(values)
    x = np.ones((n, 1))
    bread = np.linalg.inv(x.T @ x)
    hat = x @ bread @ x.T
    residual = values - values.mean()
    meat, columns = 0.0, []
    for index in range(len(names)):
        own = np.flatnonzero(cluster == index)
        left = np.eye(len(own)) - hat[np.ix_(own, own)]
        roots, vectors = np.linalg.eigh(left)
        adjust = vectors @ np.diag(roots**-0.5) @ vectors.T
        meat += ((x[own].T @ adjust @ residual[own]) ** 2).item()
        columns.append((np.eye(n) - hat)[own].T @ adjust @ x[own] @ bread)
    p = np.hstack(columns)
    eigenvalues = np.linalg.eigvalsh(p.T @ p)
    return float(np.sqrt(bread.item() ** 2 * meat)), float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def test_one_question_a_document_is_the_paired_t_test() -> None:
    values, labels = singles(0, 25)
    sums = cluster_sums(values, labels)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)

    assert [t_bound(sums, cr2(sums), level)[0] for level in (0.025, 0.975)] == pytest.approx(list(expected))


def test_documents_of_equal_size_are_statsmodels_cluster_robust_error() -> None:
    rng = np.random.default_rng(1)
    values, labels = rng.normal(size=60), [f"d{index // 5:02d}" for index in range(60)]
    fit = sm.OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": np.arange(60) // 5})
    robust = cr2(cluster_sums(values, labels))

    assert robust.error[0] == pytest.approx(fit.bse[0])
    assert robust.dof[0] == pytest.approx(11)


@pytest.mark.parametrize("seed", range(5))
def test_documents_of_any_size_are_the_matrices_of_the_papers(seed: int) -> None:
    values, labels = study(seed, clusters=7, largest=9)
    robust = cr2(cluster_sums(values, labels))

    assert (robust.error[0], robust.dof[0]) == pytest.approx(by_matrices(values, labels))


def test_unequal_documents_have_fewer_degrees_of_freedom_than_documents() -> None:
    values, labels = study(2, clusters=12, largest=9)

    assert cr2(cluster_sums(values, labels)).dof[0] < 11


def test_one_document_says_nothing() -> None:
    robust = cr2(cluster_sums(np.array([1.0, 2.0]), ["a", "a"]))

    assert np.isnan(robust.error[0])
    assert np.isnan(robust.dof[0])


def test_many_studies_at_once_are_each_study_alone() -> None:
    alone = [
        cluster_sums(np.random.default_rng(seed).normal(size=12), [f"d{i % 4}" for i in range(12)]) for seed in (0, 1)
    ]
    together = ClusterSums(
        *(np.vstack([getattr(each, part) for each in alone]) for part in ("totals", "squares", "sizes"))
    )

    assert cr2(together).error == pytest.approx([cr2(each).error[0] for each in alone])
