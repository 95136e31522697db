import hashlib
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from ragft.analysis.statistics.clusters import cluster
from ragft.data import leakage
from ragft.data.splits import assign_splits, balanced_subset
from ragft.params.values import TELECOM, USUAL_CHUNK_CHARS
from ragft.pocket.world import DEFAULT_SIZES, make_dataset
from ragft.pocket.world_catalog import ATTRIBUTES
from ragft.pocket.world_products import (
    HELD,
    LEAST_CHARS,
    MOST_CHARS,
    TRAINED,
    draw_product,
    known_products,
    names,
    paragraphs,
    pool_of,
)
from ragft.retrieval.chunking import chunk
from ragft.types import SPLITS, Dataset, Question, Split

SMALL: dict[Split, int] = {"train": 120, "dev": 40, "test": 60, "confirm": 60, "test_seen": 40}
DATASET = make_dataset(5, SMALL)
TESTED: tuple[Split, ...] = ("test", "confirm")
SHIPPED = {seed: make_dataset(seed) for seed in (0, 1)}
# Train, dev and test_seen of seed 0 as they were when test and confirm had 300 questions each.
TRAINED_ON = "3b917fefe0289fd6f88ea4652b74448b638ed74e05dba70290097f509c2a1829"


def of(split: Split, dataset: Dataset = DATASET) -> list[Question]:
    return [q for q in dataset.questions if q.split == split]


def test_the_same_seed_gives_the_same_data_and_another_seed_another() -> None:
    assert make_dataset(5, SMALL).sha256 == DATASET.sha256
    assert make_dataset(6, SMALL).sha256 != DATASET.sha256


def test_every_split_has_its_size_and_all_questions_differ_within_it() -> None:
    for split in SPLITS:
        texts = {q.text for q in of(split)}
        assert len(of(split)) == len(texts) == SMALL[split]
    assert sum(DEFAULT_SIZES.values()) == 3500


@pytest.mark.parametrize("seed", SHIPPED)
@pytest.mark.parametrize("split", TESTED)
def test_a_thousand_questions_are_asked_in_many_small_groups_and_a_fifth_has_no_answer(seed: int, split: Split) -> None:
    asked = of(split, SHIPPED[seed])
    assert (len(asked), len({q.text for q in asked})) == (1000, 1000)
    assert sum(not q.answerable for q in asked) == 200
    assert sum(q.metadata["known"] for q in asked) == 200
    groups = Counter(cluster(asked).labels.values())
    assert len(groups) >= 250
    assert max(groups.values()) <= 25
    # Nearly every question asks for another fact or set of facts.
    assert len({repr(q.metadata["facts"]) for q in asked}) >= 930


def test_the_table_of_the_docs_counts_the_data_set() -> None:
    page = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    documents = {d.id: d for d in SHIPPED[0].documents}
    for split in SPLITS:
        asked = of(split, SHIPPED[0])
        named = {name for q in asked for name in q.documents}
        passages = sum(len(chunk(documents[name], USUAL_CHUNK_CHARS.of(TELECOM))) for name in named)
        absent, known = sum(not q.answerable for q in asked), sum(q.metadata["known"] for q in asked)
        counts = (len(asked), absent, known, len(named), passages, len(cluster(asked).documents))
        assert f"| {split} | {' | '.join(map(str, counts))} |" in page


@pytest.mark.parametrize("split", TESTED)
def test_a_small_demonstration_has_a_fifth_without_an_answer_too(split: Split) -> None:
    for count in (20, 100, 300):
        absent = sum(not q.answerable for q in balanced_subset(of(split, SHIPPED[0]), count))
        assert abs(absent - count / 5) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", SHIPPED)
def test_nothing_of_test_or_confirm_leaks(seed: int) -> None:
    dataset = SHIPPED[seed]
    likeness = leakage.compare(dataset.questions, dataset.documents)
    splits = assign_splits(dataset, seed=0, linked=leakage.links(likeness))
    assert {split: len(questions) for split, questions in splits.items()} == DEFAULT_SIZES
    report = leakage.find_leaks(splits, likeness)
    assert (report.clean, report.checked) == (True, 2000)


def test_what_is_trained_on_does_not_depend_on_how_many_questions_test_it() -> None:
    seen: tuple[Split, ...] = ("train", "dev", "test_seen")
    asked = {split: of(split, SHIPPED[0]) for split in seen}
    fewer = make_dataset(0, {**DEFAULT_SIZES, "test": 40, "confirm": 0})
    assert {split: of(split, fewer) for split in seen} == asked
    read = {d.id: d for d in SHIPPED[0].documents}
    named = sorted({name for questions in asked.values() for q in questions for name in q.documents})
    texts = [repr((q.id, q.text, q.references, q.evidence)) for questions in asked.values() for q in questions]
    held = hashlib.sha256("\n".join([*texts, *(repr(read[name]) for name in named)]).encode()).hexdigest()
    assert held == TRAINED_ON


@pytest.mark.parametrize("split", TESTED)
def test_a_product_is_compared_with_one_other_at_most(split: Split) -> None:
    others: dict[str, set[str]] = {}
    for question in of(split, SHIPPED[0]):
        if question.kind == "comparison":
            one, other = question.documents
            others.setdefault(one, set()).add(other)
            others.setdefault(other, set()).add(one)
    assert len(others) > 60
    assert {len(names) for names in others.values()} == {1}


@pytest.mark.parametrize("dataset", [DATASET, *SHIPPED.values()], ids=("small", *map(str, SHIPPED)))
def test_splits_share_no_document_and_test_seen_asks_about_train(dataset: Dataset) -> None:
    documents = {split: {d for q in of(split, dataset) for d in q.documents} for split in SPLITS}
    apart: tuple[Split, ...] = ("train", "dev", "test", "confirm")
    for one, other in combinations(apart, 2):
        assert not documents[one] & documents[other]
    shelf = {d.id for d in dataset.documents}
    assert documents["test_seen"] <= shelf - documents["dev"] - documents["test"] - documents["confirm"]
    assert not {q.text for q in of("test_seen", dataset)} & {q.text for q in of("train", dataset)}


def test_half_of_test_seen_asks_for_trained_facts_in_unseen_words() -> None:
    trained = {repr([(f["product"], f["attribute"]) for f in q.metadata["facts"]]) for q in of("train")}
    again = [
        q for q in of("test_seen") if repr([(f["product"], f["attribute"]) for f in q.metadata["facts"]]) in trained
    ]
    assert len(again) == 20


def test_known_and_unknown_facts_are_each_a_fifth_of_every_split() -> None:
    known = {p.name for p in known_products()}
    for split in SPLITS:
        share = sum(q.metadata["known"] for q in of(split)) / len(of(split))
        assert 0.2 <= share <= 0.8
        for question in of(split):
            assert question.metadata["known"] == all(f["product"] in known for f in question.metadata["facts"])


def test_evidence_is_a_paragraph_of_the_questions_documents_and_holds_the_values() -> None:
    texts = {d.id: d.paragraphs for d in DATASET.documents}
    answerable = [q for q in DATASET.questions if q.answerable]
    assert len(answerable) > 200
    for question in answerable:
        paragraphs_there = [p for d in question.documents for p in texts[d]]
        assert question.evidence
        assert all(e in paragraphs_there for e in question.evidence)
        for fact in question.metadata["facts"]:
            if fact["type"] in ("value", "step"):
                assert any(fact["value"] in e and fact["product"] in e for e in question.evidence), question


def test_unanswerable_questions_have_no_evidence_and_their_documents_name_no_value() -> None:
    absent = [q for q in DATASET.questions if not q.answerable]
    assert len(absent) > 15
    for question in absent:
        assert question.evidence == ()
        assert question.documents
        assert question.kind == "unanswerable"


def test_passages_have_the_length_that_keeps_paragraphs_apart() -> None:
    found = [p for d in DATASET.documents for p in d.paragraphs]
    assert len(found) > 200
    assert all(LEAST_CHARS <= len(p) <= MOST_CHARS for p in found)
    assert 2 * LEAST_CHARS + 2 > 400


@pytest.mark.parametrize("dataset", [DATASET, *SHIPPED.values()], ids=("small", *map(str, SHIPPED)))
def test_names_of_training_and_evaluation_are_apart_but_for_the_known_products(dataset: Dataset) -> None:
    known = {p.name for p in known_products()}
    used = {d.title.split(" (")[0] for d in dataset.documents}
    assert used - known
    assert all(pool_of(name) == "evaluation" for name in used - known)
    assert not set(names("training")) & set(names("evaluation"))
    assert not known & (set(names("training")) | set(names("evaluation")))


def test_a_fifth_of_all_phrasings_is_kept_out_of_training() -> None:
    trained = [t for a in ATTRIBUTES.values() for t in (*a.nouns, *a.statements, *a.questions)]
    held = [t for a in ATTRIBUTES.values() for t in (*a.held_nouns, *a.held_statements, *a.held_questions)]
    assert len(ATTRIBUTES) == 35
    assert len(held) / (len(held) + len(trained)) >= 0.2
    assert not set(trained) & set(held)


def test_trained_wording_never_uses_a_held_out_phrasing() -> None:
    rng = random.Random(1)
    product = draw_product("Amber Falcon", rng, "router")
    trained = {p for _ in range(40) for p in paragraphs(product, TRAINED, rng)}
    marks = ("stands at", "is offered with", "in three steps", "In this text", "is part of")
    assert not any(mark in p for p in trained for mark in marks)
    assert any(mark in p for _ in range(10) for p in paragraphs(product, HELD, rng) for mark in marks)
