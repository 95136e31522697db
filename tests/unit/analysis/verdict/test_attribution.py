import numpy as np
import pytest

from ragft.analysis.verdict.attribution import attribute
from ragft.analysis.verdict.effect import Resampling
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.prompts.criterion import load_criterion

ACCURACY = load_criterion("accuracy")
RESAMPLING = Resampling(399)
N = 120
LABELS = tuple(f"d{index // 2:02d}" for index in range(N))
IDS = tuple(f"q{index:03d}" for index in range(N))
NO_LENGTHS: dict[str, dict[str, float]] = {}


def pairs_with(gains: dict[str, float], seed: int = 0) -> dict[str, Pairs]:
    """Return scores with so much gain in each context, and noise of a tenth of a point."""
    rng = np.random.default_rng(seed)
    found = {}
    for context, gain in gains.items():
        base = rng.uniform(2.5, 3.5, size=N)
        found[context] = Pairs(IDS, base, base + gain + rng.normal(0, 0.1, size=N), LABELS, ACCURACY)
    return found


def test_the_terms_add_up_and_are_named_by_what_changed() -> None:
    pairs = pairs_with({"none": 0.3, "oracle": -0.5, "oracle_distractors": -0.5, "retrieved": -0.4})
    found = attribute(pairs, NO_LENGTHS, {}, resampling=RESAMPLING)

    assert found is not None
    assert [term.name for term in found.terms] == [
        "memory",
        "use of good context",
        "distractor robustness",
        "retrieval",
    ]
    assert [term.value for term in found.terms] == pytest.approx([0.3, -0.8, 0, 0.1], abs=0.05)
    assert sum(term.value for term in found.terms) == pytest.approx(found.total.value)
    assert found.total.value == pytest.approx(pairs["retrieved"].gains().mean())
    assert all(term.low <= term.value <= term.high for term in (*found.terms, found.total))
    assert (found.n, found.clusters, found.unavailable) == (N, N // 2, ())
    assert "its answers without passages score higher" in found.terms[0].words
    assert "worse use of passages that hold the answer" in found.terms[1].words
    assert "no change can be told from chance" in found.terms[2].words
    assert found.conclusion.startswith("accuracy changes by -0.4")
    assert "because of use of good context (-0." in found.conclusion
    assert "in spite of memory (+0." in found.conclusion


def test_a_context_that_was_not_measured_joins_two_terms() -> None:
    found = attribute(pairs_with({"none": 0.0, "retrieved": 0.4}), NO_LENGTHS, {}, resampling=RESAMPLING)

    assert found is not None
    assert found.unavailable == ("oracle", "oracle_distractors")
    assert found.terms[1].name == "use of good context and distractor robustness and retrieval"
    assert sum(term.value for term in found.terms) == pytest.approx(found.total.value)


def test_a_question_unscored_in_any_context_is_left_out_of_all() -> None:
    pairs = pairs_with({"none": 0.2, "retrieved": 0.2})
    pairs["none"].base[0] = np.nan
    pairs["retrieved"].version[5] = np.nan
    found = attribute(pairs, NO_LENGTHS, {}, resampling=RESAMPLING)

    assert found is not None
    assert found.n == N - 2
    assert sum(term.value for term in found.terms) == pytest.approx(found.total.value)


def test_questions_that_were_not_asked_in_a_context_are_left_out_of_all() -> None:
    pairs = pairs_with({"oracle": 0.2, "retrieved": 0.1})
    known = [index >= 30 for index in range(N)]
    found = attribute({**pairs, "oracle": pairs["oracle"].only(known)}, NO_LENGTHS, {}, resampling=RESAMPLING)

    assert found is not None
    assert found.n == N - 30
    assert found.total.value == pytest.approx(pairs["retrieved"].gains()[30:].mean())


def test_shorter_answers_are_said_to_be_shorter() -> None:
    rng = np.random.default_rng(0)
    long, short = rng.uniform(50, 60, size=N), rng.uniform(10, 20, size=N)
    lengths = {"retrieved": dict(zip(IDS, short - long, strict=True)), "none": {"q000": 1.0}}
    found = attribute(pairs_with({"none": 0, "retrieved": -1}), lengths, {}, resampling=RESAMPLING)

    assert found is not None
    assert set(found.lengths) == {"retrieved"}
    assert found.lengths["retrieved"].value == pytest.approx((short - long).mean())
    assert found.lengths["retrieved"].words.startswith("answers are shorter: -40")


def test_no_change_is_attributed_to_nothing() -> None:
    found = attribute(pairs_with({"none": 0, "retrieved": 0}), NO_LENGTHS, {}, resampling=RESAMPLING)

    assert found is not None
    assert found.conclusion.endswith("no single term can be told from 0.")


def test_one_context_or_one_document_has_no_attribution() -> None:
    pairs = pairs_with({"none": 0, "retrieved": 0})
    one = {context: Pairs(IDS, each.base, each.version, ("only",) * N, ACCURACY) for context, each in pairs.items()}

    assert attribute({"none": pairs["none"]}, NO_LENGTHS, {}, resampling=RESAMPLING) is None
    assert attribute(one, NO_LENGTHS, {}, resampling=RESAMPLING) is None
