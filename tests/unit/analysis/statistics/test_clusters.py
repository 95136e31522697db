import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ragft.analysis.statistics.clusters import cluster, cluster_sums
from ragft.types import Question
from tests.unit.analysis.studies import study


def asked(identifier: str, *documents: str) -> Question:
    return Question(identifier, "?", ("a",), documents=documents)


def test_questions_that_share_documents_through_others_are_one_cluster() -> None:
    found = cluster([asked("q1", "b"), asked("q2", "b", "a"), asked("q3", "a"), asked("q4", "z"), asked("q5")])

    assert found.labels == {"q1": "a", "q2": "a", "q3": "a", "q4": "z", "q5": "question q5"}
    assert found.documents == {"a": ("a", "b"), "z": ("z",), "question q5": ()}


@pytest.mark.parametrize("seed", range(5))
def test_the_intraclass_correlation_is_that_of_the_analysis_of_variance(seed: int) -> None:
    values, labels = study(seed, clusters=12)
    groups = [values[np.array(labels) == label] for label in sorted(set(labels))]
    sizes = np.array([len(group) for group in groups])
    f = stats.f_oneway(*groups).statistic
    mean_size = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(sizes) - 1)

    assert cluster_sums(values, labels).icc[0] == pytest.approx((f - 1) / (f - 1 + mean_size))


def test_questions_alone_in_their_document_have_no_intraclass_correlation() -> None:
    assert np.isnan(cluster_sums(np.array([1.0, 2.0, 4.0]), ["a", "b", "c"]).icc[0])


def test_mean_and_spread_are_those_of_the_questions() -> None:
    values, labels = study(3, clusters=9)
    sums = cluster_sums(values, labels)

    assert sums.mean[0] == pytest.approx(values.mean())
    assert sums.sd[0] == pytest.approx(values.std(ddof=1))
    assert (sums.n[0], sums.clusters[0]) == (len(values), 9)


@given(st.randoms())
def test_the_order_of_the_questions_does_not_change_a_bit(random: object) -> None:
    values, labels = study(1, clusters=8)
    values = values + 1 / 3
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = cluster_sums(values, labels), cluster_sums(values[order], [labels[i] for i in order])

    assert (one.totals == other.totals).all()
    assert (one.squares == other.squares).all()
