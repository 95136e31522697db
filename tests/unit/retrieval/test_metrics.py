"""Ranking metrics against ir_measures, and what counts as a passage that holds the evidence."""

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, R, Success

from ragft.errors import ConfigError
from ragft.retrieval.chunking import chunk
from ragft.retrieval.metrics import (
    evidence_share,
    has_evidence,
    hit_at_k,
    recall_at_k,
    reciprocal_rank,
)
from ragft.types import Document

IDS = [f"p{number}" for number in range(12)]
rankings = st.permutations(IDS).flatmap(lambda ids: st.integers(0, len(ids)).map(lambda n: ids[:n]))
relevances = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1)


def reference(measure: object, ranking: list[str], relevance: dict[str, int]) -> float:
    qrels = [ir_measures.Qrel("q", item, gain) for item, gain in relevance.items()]
    run = [ir_measures.ScoredDoc("q", item, -float(rank)) for rank, item in enumerate(ranking)]
    run += [ir_measures.ScoredDoc("q", "filler", -99.0)]  # ir_measures leaves out a query that ranked nothing
    return float(ir_measures.calc_aggregate([measure], qrels, run)[measure])


@settings(deadline=None)
@given(rankings, relevances, st.integers(1, 15))
def test_metrics_equal_ir_measures(ranking: list[str], relevance: dict[str, int], k: int) -> None:
    relevant = {item for item, gain in relevance.items() if gain > 0}
    assert reciprocal_rank(ranking, relevant) == pytest.approx(reference(RR, ranking, relevance))
    if relevant:
        assert recall_at_k(ranking, relevant, k) == pytest.approx(reference(R @ k, ranking, relevance))
        assert float(hit_at_k(ranking, relevant, k)) == reference(Success @ k, ranking, relevance)


def test_edges_are_refused_or_defined() -> None:
    assert reciprocal_rank([], {"a"}) == 0.0
    with pytest.raises(ConfigError, match="not defined where no passage"):
        recall_at_k(["a"], set(), 5)
    for k in (0, -1):
        with pytest.raises(ConfigError, match=f"first {k} "):
            hit_at_k(["a"], ["a"], k)


PARAGRAPH = " ".join(f"Sentence number {number} says something of its own." for number in range(40))


def test_whole_evidence_counts_however_it_is_spaced() -> None:
    assert has_evidence("Before. The sky\n\nis  blue. After.", ["the sea", "The sky is blue."])
    assert not has_evidence("Before. After.", ["The sky is blue."])
    assert not has_evidence("Before.", [])
    assert not has_evidence("Before.", ["", "  "])


def test_evidence_that_was_cut_counts_where_half_of_it_is() -> None:
    first, last = PARAGRAPH[:1200], PARAGRAPH[1200:]
    assert has_evidence("Something before it. " + first, [PARAGRAPH])
    assert not has_evidence(last + " Something after it, longer than the piece." * 40, [PARAGRAPH])
    assert evidence_share("Something before it. " * 40 + PARAGRAPH[:-400], PARAGRAPH) == pytest.approx(0.78, abs=0.01)
    # A passage that is nothing but evidence, of which several are needed to hold it all.
    assert has_evidence(PARAGRAPH[500:900], [PARAGRAPH])


def test_a_heading_that_the_evidence_repeats_is_no_evidence() -> None:
    assert not has_evidence("Sentence number 3", [PARAGRAPH])


@pytest.mark.parametrize("max_chars", [200, 400, 1500, 5000])
def test_every_piece_of_evidence_is_found_in_some_passage_whatever_the_chunk_size(max_chars: int) -> None:
    paragraphs = tuple(PARAGRAPH[start : start + 700].strip() for start in range(0, 1800, 180))
    passages = chunk(Document("d", "", paragraphs), max_chars)
    assert len(paragraphs) == 10
    for paragraph in paragraphs:
        holders = [passage for passage in passages if has_evidence(passage.text, [paragraph])]
        assert holders
