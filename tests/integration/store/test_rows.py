"""What goes into the store comes out as it was: hostile text included, written twice or not."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from ragft.errors import DataError, PrerequisiteError
from ragft.store.answers import find_answers, save_answers
from ragft.store.connection import Store
from ragft.store.datasets import (
    Preparation,
    find_preparation,
    load_dataset,
    preparation_key,
    prepared_names,
    save_dataset,
    save_preparation,
)
from ragft.store.judgements import find_judgements, save_judgements
from ragft.types import Dataset, Document, Judgement, Question, Written

BLNS = Path(__file__).parents[2] / "data" / "hostile" / "blns.json"
HOSTILE = [
    *json.loads(BLNS.read_text(encoding="utf-8")),
    "\x00",
    "\x1a0000",
    "\ud800 half",
    "\udfff\ud800",
    "שלום עולם",
]


def hostile_dataset(name: str = "hostile \x00") -> Dataset:
    assert len(HOSTILE) > 500
    documents = tuple(Document(f"{n} {text}", text, (text or "empty", f"{text}!")) for n, text in enumerate(HOSTILE))
    questions = tuple(
        Question(
            f"{n} {text}", text, (text, f"{text}!"), (d.id,), (text,), text, n % 2 == 0, None, {text: [text, n, None]}
        )
        for n, (text, d) in enumerate(zip(HOSTILE, documents, strict=True))
    )
    return Dataset(name, documents, questions)


def test_a_data_set_comes_back_whole_and_in_order(store: Store) -> None:
    dataset = hostile_dataset()
    save_dataset(store, dataset)
    save_dataset(store, dataset)
    loaded = load_dataset(store, dataset.sha256)
    assert loaded == dataset
    assert loaded.sha256 == dataset.sha256


def test_a_data_set_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(PrerequisiteError, match=r"sha256 abc; run prepare"):
        load_dataset(store, "abc")


def preparation_of(dataset: Dataset, seed: int = 0) -> Preparation:
    half = len(dataset.questions) // 2
    return Preparation(
        dataset.name,
        dataset.sha256,
        {"seed": seed, "odd \ud800": None},
        {"train": dataset.questions[:half], "test": dataset.questions[half:], "dev": ()},
        {"train": "c1", "all": "c2"},
    )


def test_a_preparation_is_found_by_name_data_or_key(store: Store) -> None:
    dataset = hostile_dataset()
    preparation = preparation_of(dataset)
    save_dataset(store, dataset)
    save_preparation(store, preparation)
    assert preparation.key == preparation_key(dataset.name, dataset.sha256, {"odd \ud800": None, "seed": 0})
    assert find_preparation(store, dataset.name) == preparation
    assert find_preparation(store, dataset=dataset.sha256) == preparation
    assert find_preparation(store, key=preparation.key) == preparation
    assert find_preparation(store, "another") is None
    assert find_preparation(store, dataset.name, key="another") is None


def test_the_latest_preparation_of_a_name_counts(store: Store) -> None:
    dataset = hostile_dataset()
    save_dataset(store, dataset)
    first, second = preparation_of(dataset, 1), preparation_of(dataset, 2)
    for preparation in (first, second):
        save_preparation(store, preparation)
    assert find_preparation(store, dataset.name) == second
    save_preparation(store, first)
    assert find_preparation(store, dataset.name) == first
    assert prepared_names(store) == [dataset.name]


def test_answers_come_back_and_the_first_one_stays(store: Store) -> None:
    answers = [Written(f"k{n}", f"asked {text}", text, 7, 3, n % 2 == 0) for n, text in enumerate(HOSTILE)]
    save_answers(store, answers)
    save_answers(store, [dataclasses.replace(answers[0], text="another"), answers[1]])
    assert find_answers(store, [a.key for a in answers] + ["missing"]) == {a.key: a for a in answers}
    assert find_answers(store, []) == {}
    save_answers(store, [])


ENDS = dict.fromkeys("ab", (0.0, 5.0))


def test_judgements_come_back_in_the_order_of_their_repeats(store: Store) -> None:
    first = [Judgement("a", repeat, HOSTILE[repeat], 1 / 3 if repeat else None, None) for repeat in (2, 0, 1)]
    other = [Judgement("b", 0, "\x00", 5.0, 0.25)]
    save_judgements(store, first + other, ENDS)
    save_judgements(store, [dataclasses.replace(other[0], value=1.0)], ENDS)
    found = find_judgements(store, ["a", "b", "c"])
    assert found == {"a": sorted(first, key=lambda j: j.repeat), "b": other}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 100.43, -0.001, 5.001])
def test_a_score_outside_its_criterion_is_refused_before_anything_is_written(store: Store, value: float) -> None:
    good = Judgement("a", 0, "", 1.0)
    with pytest.raises(DataError, match=f"judgement b, repeat 1: value {value}, expected 0 to 5"):
        save_judgements(store, [good, Judgement("b", 1, "", value)], ENDS)
    assert find_judgements(store, ["a"]) == {}


def test_a_score_of_an_unknown_criterion_or_with_an_impossible_mass_is_refused(store: Store) -> None:
    for judgement in (Judgement("c", 0, "", 1.0), Judgement("a", 0, "", 1.0, 1.5), Judgement("a", 0, "", None, -0.1)):
        with pytest.raises(DataError, match=rf"judgement {judgement.key}, repeat 0: (value|mass)"):
            save_judgements(store, [judgement], ENDS)
    assert find_judgements(store, ["a", "c"]) == {}
