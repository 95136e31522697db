import dataclasses
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data.qasper import read
from ragft.data.splits import assign_splits, balanced_subset, components, nested_subset, subset_with_share
from ragft.errors import ConfigError, DataError
from ragft.types import SPLITS, Dataset, Document, Question, Split
from tests.unit.data.layouts import PAPERS

HELD_OUT: tuple[Split, ...] = ("test", "confirm")


def question(identifier: str, *documents: str, split: Split | None = None) -> Question:
    return Question(identifier, f"What is {identifier}?", ("this",), documents=documents, split=split)


def dataset_of(*questions: Question) -> Dataset:
    names = sorted({name for q in questions for name in q.documents})
    return Dataset("some", tuple(Document(name, name, (f"About {name}.",)) for name in names), questions)


def one_question_each(count: int) -> Dataset:
    return dataset_of(*(question(f"q{i}", f"d{i}") for i in range(count)))


def sizes(splits: dict[Split, tuple[Question, ...]]) -> dict[Split, int]:
    return {split: len(questions) for split, questions in splits.items()}


def shared_documents(splits: dict[Split, tuple[Question, ...]], one: Split, other: Split) -> set[str]:
    first, second = ({name for q in splits[split] for name in q.documents} for split in (one, other))
    return first & second


def test_the_four_real_papers_give_every_split_one() -> None:
    dataset = read(PAPERS).loaded().dataset
    for seed in range(10):
        splits = assign_splits(dataset, seed=seed)
        assert sizes(splits) == {"train": 6, "dev": 3, "test": 3, "confirm": 3, "test_seen": 0}
        assert all(len({q.documents for q in questions}) == 1 for questions in splits.values() if questions)
    assert len({tuple(q.id for q in assign_splits(dataset, seed=seed)["test"]) for seed in range(10)}) > 1


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, {"train": 1, "test": 1}),
        (3, {"train": 1, "test": 1, "dev": 1}),
        (4, dict.fromkeys(("train", "test", "dev", "confirm"), 1)),
    ],
)
def test_few_documents_fill_the_splits_in_order(count: int, expected: dict[Split, int]) -> None:
    assert sizes(assign_splits(one_question_each(count), seed=0)) == {split: expected.get(split, 0) for split in SPLITS}


def test_many_documents_meet_the_shares() -> None:
    assert sizes(assign_splits(one_question_each(1000), seed=3)) == {
        "train": 500,
        "dev": 100,
        "test": 200,
        "confirm": 200,
        "test_seen": 0,
    }
    assert sizes(assign_splits(one_question_each(1000), seed=3, dev=0, test=0.1, confirm=0)) == {
        "train": 900,
        "dev": 0,
        "test": 100,
        "confirm": 0,
        "test_seen": 0,
    }


def test_a_giant_component_goes_to_train() -> None:
    giant = [question(f"g{i}", "hub", f"g{i}") for i in range(60)]
    small = [question(f"s{i}", f"s{i}") for i in range(40)]
    splits = assign_splits(dataset_of(*giant, *small), seed=1)
    assert {q.id for q in giant} <= {q.id for q in splits["train"]}
    assert sizes(splits)["test"] >= 10
    assert min(sizes(splits)[split] for split in ("dev", "test", "confirm")) > 0


def test_a_split_does_not_hold_only_large_components() -> None:
    questions = [question(f"q{i}-{j}", f"d{i}") for i in range(200) for j in range(1 + i % 5)]
    means = []
    for seed in range(20):
        splits = assign_splits(dataset_of(*questions), seed=seed)
        means.append(len(splits["test"]) / len({q.documents for q in splits["test"]}))
    assert 2.7 < sum(means) / len(means) < 3.3


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_documents_are_an_error_that_says_how_many(count: int) -> None:
    questions = [question(f"q{i}", *["d"] * count) for i in range(count)]
    with pytest.raises(DataError, match=f"{count} questions about {count} documents"):
        assign_splits(dataset_of(*questions), seed=0)
    with pytest.raises(DataError, match=r"5 questions about 1 documents fall into 1 groups"):
        assign_splits(dataset_of(*(question(f"q{i}", "d") for i in range(5))), seed=0)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"test": 0}, "test=0 leaves nothing"),
        ({"dev": -0.1}, "dev=-0.1 is no share"),
        ({"confirm": 1}, "confirm=1 is no share"),
        ({"dev": float("nan")}, "dev=nan is no share"),
        ({"dev": 0.4, "test": 0.3, "confirm": 0.3}, "leave none to train on"),
    ],
)
def test_shares_that_cannot_be(shares: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assign_splits(one_question_each(9), seed=0, **{"dev": 0.1, **shares})  # type: ignore[arg-type]


def test_splits_of_the_data_set_are_kept() -> None:
    counts: dict[Split, int] = {"train": 6, "dev": 2, "test": 3, "confirm": 2}
    given = [split for split, count in counts.items() for _ in range(count)]
    dataset = dataset_of(*(question(f"q{i:02}", f"d{i}", split=split) for i, split in enumerate(given)))
    splits = assign_splits(dataset, seed=5)
    assert {q.id: split for split, questions in splits.items() for q in questions} == {
        q.id: q.split for q in dataset.questions
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"train": 80, "test": 20}, {"train": 66, "dev": 14, "test": 10, "confirm": 10}),
        ({"train": 80, "dev": 20}, {"train": 80, "dev": 4, "test": 8, "confirm": 8}),
        ({"train": 80, "dev": 10, "test": 10}, {"train": 80, "dev": 10, "test": 5, "confirm": 5}),
        ({"train": 100}, {"train": 50, "dev": 10, "test": 20, "confirm": 20}),
    ],
)
def test_a_split_that_is_missing_is_taken_from_its_neighbour(
    given: dict[Split, int], expected: dict[Split, int]
) -> None:
    questions = [question(f"{split}{i}", f"{split}{i}", split=split) for split, n in given.items() for i in range(n)]
    splits = assign_splits(dataset_of(*questions), seed=0)
    assert sizes(splits) == {split: expected.get(split, 0) for split in SPLITS}
    if "test" in given:
        assert {q.split for split in HELD_OUT for q in splits[split]} == {"test"}


def test_held_out_questions_on_trained_documents_measure_memory() -> None:
    dataset = dataset_of(
        *(question(f"train{i}", f"d{i}", split="train") for i in range(4)),
        question("again", "d1", "d9", split="test"),
        question("far", "d9", split="test"),
        question("new", "d8", split="test"),
        question("kept", "d2", split="test_seen"),
        question("dev", "d7", split="dev"),
        question("confirm", "d7", split="confirm"),
    )
    splits = assign_splits(dataset, seed=0)
    assert [q.id for q in splits["test_seen"]] == ["again", "confirm", "kept"]
    assert [q.id for q in splits["test"]] == ["far", "new"]


def test_splits_on_some_questions_only_are_refused() -> None:
    dataset = dataset_of(question("a", "d1", split="train"), question("b", "d2"), question("c", "d3"))
    with pytest.raises(DataError, match="2 of 3 questions of some have no split"):
        assign_splits(dataset, seed=0)


def test_a_data_set_of_tests_only_has_nothing_to_train_on() -> None:
    with pytest.raises(DataError, match="leaves no question for train"):
        assign_splits(dataset_of(*(question(f"q{i}", f"d{i}", split="test") for i in range(9))), seed=0)


QUESTIONS = st.lists(st.lists(st.integers(0, 30), max_size=3, unique=True), min_size=2, max_size=60).map(
    lambda rows: [question(f"q{i}", *(f"d{name}" for name in names)) for i, names in enumerate(rows)]
)


@given(questions=QUESTIONS, seed=st.integers(0, 5))
def test_no_split_shares_a_document_and_nothing_is_lost(questions: list[Question], seed: int) -> None:
    dataset = dataset_of(*questions)
    if len(components(questions)) < 2:
        with pytest.raises(DataError):
            assign_splits(dataset, seed=seed)
        return
    splits = assign_splits(dataset, seed=seed)
    for one, other in combinations(SPLITS, 2):
        assert not shared_documents(splits, one, other)
    assert Counter(q.id for part in splits.values() for q in part) == Counter(q.id for q in questions)
    assert splits["train"]
    assert splits["test"]
    if len(components(questions)) >= 4:
        assert all(splits[split] for split in SPLITS if split != "test_seen")


@given(data=st.data(), questions=QUESTIONS, seed=st.integers(0, 5))
def test_the_order_of_the_file_does_not_matter(data: st.DataObject, questions: list[Question], seed: int) -> None:
    shuffled = data.draw(st.permutations(questions))
    try:
        expected = assign_splits(dataset_of(*questions), seed=seed)
    except DataError:
        return
    assert assign_splits(dataset_of(*shuffled), seed=seed) == expected


@given(data=st.data(), seed=st.integers(0, 5))
def test_held_out_splits_of_the_data_set_share_no_document_with_train(data: st.DataObject, seed: int) -> None:
    questions = data.draw(QUESTIONS)
    names: list[Split] = data.draw(st.lists(st.sampled_from(SPLITS), min_size=len(questions), max_size=len(questions)))
    given_splits = [question(q.id, *q.documents, split=name) for q, name in zip(questions, names, strict=True)]
    try:
        splits = assign_splits(dataset_of(*given_splits), seed=seed)
    except DataError:
        return
    for held_out in HELD_OUT:
        for trained in ("train", "dev"):
            assert not shared_documents(splits, held_out, trained)
    assert Counter(q.id for part in splits.values() for q in part) == Counter(q.id for q in questions)


def test_linked_questions_go_to_one_split() -> None:
    dataset = one_question_each(40)
    pairs = [(f"q{n}", f"q{n + 20}") for n in range(20)]
    splits = assign_splits(dataset, seed=2, linked=pairs)
    placed = {q.id: split for split, questions in splits.items() for q in questions}
    assert all(placed[one] == placed[other] for one, other in pairs)
    assert sizes(splits)["test"] == 8


@given(questions=QUESTIONS, share=st.sampled_from([0.1, 0.3, 0.9]), seed=st.integers(0, 3))
def test_seen_questions_are_about_documents_that_train_asks_about(
    questions: list[Question], share: float, seed: int
) -> None:
    dataset = dataset_of(*questions)
    try:
        without = assign_splits(dataset, seed=seed)
    except DataError:
        return
    splits = assign_splits(dataset, seed=seed, test_seen=share)
    trained = {name for q in splits["train"] for name in q.documents}
    assert splits["train"]
    assert all(q.documents and set(q.documents) <= trained for q in splits["test_seen"])
    assert len(splits["test_seen"]) <= round(share * len(without["train"]))
    assert {q.id for q in splits["train"] + splits["test_seen"]} == {q.id for q in without["train"]}
    for split in ("dev", "test", "confirm"):
        assert splits[split] == without[split]


def test_the_share_of_seen_questions_is_met_where_documents_allow() -> None:
    dataset = dataset_of(*(question(f"q{i}-{j}", f"d{i}") for i in range(100) for j in range(4)))
    splits = assign_splits(dataset, seed=0, test_seen=0.1)
    assert len(splits["test_seen"]) == 20


def test_linked_questions_are_one_component() -> None:
    questions = [question("a", "d1"), question("b", "d2"), question("c", "d3"), question("d", "d3")]
    assert [[q.id for q in part] for part in components(questions)] == [["a"], ["b"], ["c", "d"]]
    linked = components(questions, linked=[("a", "d"), ("b", "unknown")])
    assert [[q.id for q in part] for part in linked] == [["a", "c", "d"], ["b"]]


@given(small=st.integers(1, 20), more=st.integers(0, 30), seed=st.integers(0, 9))
def test_subsets_are_nested(small: int, more: int, seed: int) -> None:
    questions = one_question_each(60).questions
    subset = nested_subset(questions, small, seed)
    larger = nested_subset(tuple(reversed(questions)), small + more, seed)
    assert len(subset) == small
    assert larger[:small] == subset


def test_200_inside_500_inside_1000() -> None:
    questions = one_question_each(1200).questions
    smallest, middle, largest = ({q.id for q in nested_subset(questions, n, 7)} for n in (200, 500, 1000))
    assert smallest < middle < largest
    assert smallest != {q.id for q in nested_subset(questions, 200, 8)}


@pytest.mark.parametrize("samples", [-1, 0, 7, 200])
def test_more_samples_than_there_are(samples: int) -> None:
    with pytest.raises(ConfigError, match=f"samples={samples} cannot be taken from a train split of 6 questions"):
        nested_subset(one_question_each(6).questions, samples, 0)


@given(answers=st.lists(st.booleans(), min_size=2, max_size=60), part=st.data())
def test_every_number_of_questions_has_the_share_without_an_answer(answers: list[bool], part: st.DataObject) -> None:
    asked = [dataclasses.replace(question(f"q{i}"), answerable=answer) for i, answer in enumerate(answers)]
    small = part.draw(st.integers(1, len(asked)))
    larger = part.draw(st.integers(small, len(asked)))
    subset = balanced_subset(asked, small)
    assert len(subset) == small
    assert balanced_subset(tuple(reversed(asked)), larger)[:small] == subset
    share = answers.count(False) / len(answers)
    assert abs(sum(not q.answerable for q in subset) - small * share) <= 1


@pytest.mark.parametrize("answerable", [True, False])
def test_where_all_questions_are_alike_the_balanced_subset_is_the_nested_one(answerable: bool) -> None:
    asked = [dataclasses.replace(q, answerable=answerable) for q in one_question_each(60).questions]
    assert balanced_subset(asked, 20) == nested_subset(asked, 20, seed=0)


@pytest.mark.parametrize("count", [-1, 0, 7, 200])
def test_more_questions_than_there_are(count: int) -> None:
    with pytest.raises(ConfigError, match=f"questions={count} cannot be taken from a split of 6 questions; expected"):
        balanced_subset(one_question_each(6).questions, count)


def test_ids_that_are_no_unicode_can_be_ranked() -> None:
    questions = [question("\ud800", "d1"), question("\udfff\x00", "d2")]
    assert sizes(assign_splits(dataset_of(*questions), seed=0))["test"] == 1


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_samples_has_no_answer_and_the_others_stay_the_same(share: float) -> None:
    asked = [Question(f"q{n}", f"Question {n}?", ("yes",), answerable=n % 3 > 0) for n in range(300)]
    small, large = (subset_with_share(asked, count, share, seed=5) for count in (20, 80))
    assert {question.id for question in small} < {question.id for question in large}
    assert sum(not question.answerable for question in large) == round(80 * share)
    assert len(large) == len({question.id for question in large}) == 80
    answered = {question.id for question in subset_with_share(asked, round(80 * (1 - share)) or 1, 0.0, seed=5)}
    assert {question.id for question in large if question.answerable} <= answered


def test_a_share_below_0_takes_the_questions_as_they_come() -> None:
    asked = [Question(f"q{n}", f"Question {n}?", ("yes",), answerable=n % 3 > 0) for n in range(30)]
    assert subset_with_share(asked, 7, -1.0, seed=2) == nested_subset(asked, 7, seed=2)


def test_a_share_that_train_does_not_have_is_refused_with_what_it_has() -> None:
    asked = [Question(f"q{n}", f"Question {n}?", ("yes",), answerable=n > 2) for n in range(30)]
    with pytest.raises(ConfigError, match=r"needs 5 questions without an answer, train has 3"):
        subset_with_share(asked, 10, 0.5, seed=0)
