"""What an adapter lost: paired by question, clustered by document."""

import math

import numpy as np
import pytest
from scipy import stats

from ragft.analysis.knowledge.forgetting import compare_answers, sentences
from ragft.types import Question


def questions(count: int, per_document: int = 1) -> list[Question]:
    return [Question(f"q{n}", "?", ("a",), documents=(f"d{n // per_document}",)) for n in range(count)]


def test_with_a_document_each_the_interval_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    base, adapter = (rng.integers(0, 2, 40).astype(float) for _ in range(2))
    asked = questions(40)
    ids = [question.id for question in asked]
    lost = compare_answers(
        "known_facts", "", asked, dict(zip(ids, base, strict=True)), dict(zip(ids, adapter, strict=True))
    )
    expected = stats.ttest_rel(adapter, base).confidence_interval()
    assert (lost.low, lost.high) == pytest.approx((expected.low, expected.high))
    assert lost.change == pytest.approx(lost.adapter - lost.base)
    assert lost.n == 40
    assert lost.base == pytest.approx(base.mean())


def test_questions_of_one_document_are_not_independent() -> None:
    asked = questions(40, per_document=4)
    base = {question.id: 1.0 for question in asked}
    adapter = {question.id: float(int(question.documents[0][1:]) % 2) for question in asked}
    together = compare_answers("x", "", asked, base, adapter)
    apart = compare_answers("x", "", questions(40), base, adapter)
    assert together.high - together.low > 1.8 * (apart.high - apart.low)
    alone = compare_answers("x", "", questions(4, per_document=4), base, adapter)
    assert math.isnan(alone.low)
    assert "forgetting_x_low" not in alone.metrics


def test_the_line_is_made_of_the_logged_metrics_alone() -> None:
    asked = questions(10)
    ids = [question.id for question in asked]
    lost = compare_answers(
        "known_facts", "", asked, dict.fromkeys(ids, 1.0), {name: float(name != "q1") for name in ids}
    )
    assert sentences({**lost.metrics, "train_loss": 1.0}) == [lost.sentence]
    assert lost.sentence.startswith(
        "facts of pocket's own made-up world, not trained on: 1.000 -> 0.900, change -0.100 ("
    )
    assert lost.sentence.endswith("n=10")
    assert sentences({}) == []


def test_a_probe_of_pockets_world_is_named_so_and_one_of_other_data_by_its_name() -> None:
    """On a report about a reader's own documents, "known facts: 1.000" would be read as facts of those."""
    asked = questions(10)
    scores = {question.id: 1.0 for question in asked}
    said = {name: compare_answers(name, "", asked, scores, scores).sentence for name in ("unknown_refused", "my_data")}
    assert said["unknown_refused"].startswith(
        "refusing products that are not in pocket's own made-up world, not trained"
    )
    assert said["my_data"].startswith("my data, not trained on: 1.000 -> 1.000")
