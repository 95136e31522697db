import random
from itertools import combinations

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
from ragft.types import SPLITS, Dataset, Question, Split

SMALL: dict[Split, int] = {"train": 120, "dev": 40, "test": 60, "confirm": 60, "test_seen": 40}
DATASET = make_dataset(5, SMALL)


def of(split: Split, dataset: Dataset = DATASET) -> list[Question]:
    return [q for q in dataset.questions if q.split == split]


def test_the_same_seed_gives_the_same_data_and_another_seed_another() -> None:
    assert make_dataset(5, SMALL).sha256 == DATASET.sha256
    assert make_dataset(6, SMALL).sha256 != DATASET.sha256


def test_every_split_has_its_size_and_all_questions_differ_within_it() -> None:
    for split in SPLITS:
        texts = {q.text for q in of(split)}
        assert len(of(split)) == len(texts) == SMALL[split]
    assert sum(DEFAULT_SIZES.values()) == 2100


def test_splits_share_no_document_and_test_seen_asks_about_train() -> None:
    documents = {split: {d for q in of(split) for d in q.documents} for split in SPLITS}
    apart: tuple[Split, ...] = ("train", "dev", "test", "confirm")
    for one, other in combinations(apart, 2):
        assert not documents[one] & documents[other]
    shelf = {d.id for d in DATASET.documents}
    assert documents["test_seen"] <= shelf - documents["dev"] - documents["test"] - documents["confirm"]
    assert not {q.text for q in of("test_seen")} & {q.text for q in of("train")}


def test_half_of_test_seen_asks_for_trained_facts_in_unseen_words() -> None:
    trained = {repr([(f["product"], f["attribute"]) for f in q.metadata["facts"]]) for q in of("train")}
    again = [
        q for q in of("test_seen") if repr([(f["product"], f["attribute"]) for f in q.metadata["facts"]]) in trained
    ]
    assert len(again) == 20


def test_known_and_unknown_facts_are_each_a_fifth_of_every_split() -> None:
    for split in SPLITS:
        share = sum(q.metadata["known"] for q in of(split)) / len(of(split))
        assert 0.2 <= share <= 0.8


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


def test_names_of_training_and_evaluation_are_apart_but_for_the_known_products() -> None:
    known = {p.name for p in known_products()}
    used = {d.title.split(" (")[0] for d in DATASET.documents}
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
