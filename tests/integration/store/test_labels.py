"""Labels and samples in a real Postgres."""

import pytest

from ragft.errors import DataError
from ragft.store.connection import Store
from ragft.store.labels import Label, Sampled, find_labels, find_samples, save_labels, save_sample


def test_what_people_say_later_replaces_what_they_said_and_what_disagrees_is_not_written(store: Store) -> None:
    first = Label("item", "accuracy", "scale", "Ann \x00", 4.0, "a.csv")
    assert save_labels(store, [first, Label("item", "accuracy", "scale", "Bo", 2.0)]) == 0
    assert save_labels(store, [first]) == 0
    later = Label("item", "accuracy", "scale", "Ann \x00", 5.0, "b.csv")
    assert save_labels(store, [later]) == 1
    assert find_labels(store, ["item", "other"]) == [later, Label("item", "accuracy", "scale", "Bo", 2.0)]

    with pytest.raises(DataError, match="differ: keep the one that is meant") as caught:
        save_labels(store, [Label("new", "accuracy", "scale", "Bo", 1.0), first, later])
    assert caught.value.problems == ("Ann \x00 gave one answer 4 (a.csv) and 5 (b.csv) under accuracy",)
    assert find_labels(store, ["new"]) == []


def test_a_sample_keeps_every_pair_that_could_have_been_drawn(store: Store) -> None:
    one = {"p": Sampled(0.25, drawn=True), "q": Sampled(0.75, drawn=False)}
    for _ in range(2):
        save_sample(store, "one", one)
    save_sample(store, "two", {"p": Sampled(1.0, drawn=False)})

    assert find_samples(store, ["p", "q", "r"]) == {
        "p": {"one": Sampled(0.25, drawn=True), "two": Sampled(1.0, drawn=False)},
        "q": {"one": Sampled(0.75, drawn=False)},
    }
