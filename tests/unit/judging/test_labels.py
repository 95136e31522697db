"""People's labels of both answers to a question: which count, with what probability, and what is left out."""

from dataclasses import replace

import pytest

from ragft.judging.g_eval import Item
from ragft.judging.labels import (
    PairLabels,
    bare_key,
    item_key,
    labels_of,
    pair_key,
    pair_labels,
    scale_of,
    without_disagreements,
)
from ragft.prompts.criterion import load_criterion
from ragft.store.labels import Label, Sampled

ACCURACY = load_criterion("accuracy")
PAIRS = {
    f"q{n}": tuple(
        Item(f"Question {n}?", f"{side} answer {n}", ("Reference",), ("A passage.",)) for side in ("old", "new")
    )
    for n in range(6)
}
PAIRS["same"] = (Item("Same?", "Yes.", ("Yes.",)),) * 2


def label(item: Item, value: float, who: str = "ann", *, bare: bool = False, scale: str = "") -> Label:
    key = bare_key(item) if bare else item_key(item)
    return Label(key, "accuracy", scale or scale_of(ACCURACY), who, value, "sheet.csv")


def both(*names: str, bare: bool = False) -> list[Label]:
    return [label(item, 2.0 + side, bare=bare) for name in names for side, item in enumerate(PAIRS[name])]


def found(
    labels: list[Label], samples: dict[str, dict[str, Sampled]] | None = None, *, uniform: bool = False
) -> PairLabels:
    return pair_labels(PAIRS, ACCURACY, labels, samples or {}, uniform=uniform)  # type: ignore[arg-type]


def sampled(sample: str, drawn: tuple[str, ...], probability: float = 0.5) -> dict[str, dict[str, Sampled]]:
    names = [name for name in PAIRS if name != "same"]
    return {pair_key(*PAIRS[name]): {sample: Sampled(probability, name in drawn)} for name in names}


def test_labels_of_no_known_sample_count_only_where_the_user_says_that_they_are_uniform() -> None:
    labels = both("q0", "q1")
    kept, left = found(labels, uniform=True), found(labels)

    assert (kept.base, kept.version) == ({"q0": 2.0, "q1": 2.0}, {"q0": 3.0, "q1": 3.0})
    assert (kept.probability, kept.unsampled, kept.people) == ({}, (), ("ann",))
    assert (left.base, left.unsampled) == ({}, ("q0", "q1"))
    assert kept.same == {"same"}


def test_a_pair_was_asked_with_the_probability_that_one_of_its_samples_drew_it() -> None:
    labels = both("q0", "q1", "q2")
    one, other = sampled("one", ("q0",), 0.2), sampled("other", ("q1",), 0.5)
    merged = {pair: {**one[pair], **other[pair]} for pair in one}
    got = found(labels, merged)

    assert got.probability == pytest.approx({"q0": 0.6, "q1": 0.6})
    assert (got.asked, got.unsampled) == (2, ("q2",))  # somebody chose q2: nothing is known of how
    assert found(labels, merged, uniform=True).base.keys() == {"q0", "q1"}


def test_a_sheet_that_hardly_came_back_does_not_count() -> None:
    for uniform in (False, True):  # it was drawn, with probabilities that are known: it is no uniform sample
        few = found(both("q0"), sampled("one", ("q0", "q1", "q2")), uniform=uniform)
        assert (few.base, few.unsampled, few.returned) == ({}, (), (1, 3))
    got = found(both("q0", "q1"), sampled("one", ("q0", "q1", "q2")))
    assert (set(got.base), got.asked) == ({"q0", "q1"}, 3)


def test_a_sample_of_another_versions_answers_does_not_count() -> None:
    """Asked were those that the other gave too: they would have been taken for a part of all that differ."""
    one = sampled("one", ("q0", "q1"))
    of_other = {pair_key(*PAIRS[name]): one[pair_key(*PAIRS[name])] for name in ("q0", "q1", "q2")}
    got = found(both("q0", "q1"), of_other)
    assert (got.base, got.probability, got.uncovered) == ({}, {}, ("q3", "q4", "q5"))
    assert found(both("q0", "q1"), one).uncovered == ()
    # A second sample, of what differs here, makes up for it.
    more = {pair: {**of_other.get(pair, {}), **each} for pair, each in sampled("two", ("q2", "q3"), 0.25).items()}
    assert found(both("q0", "q1"), more).uncovered == ("q3", "q4", "q5")
    got = found(both("q0", "q1", "q2", "q3"), more)
    assert got.uncovered == ()
    assert got.probability == pytest.approx({"q0": 0.625, "q1": 0.625, "q2": 0.625, "q3": 0.25})


def test_a_sheet_that_nobody_filled_in_did_not_come_back_with_another() -> None:
    asked, ignored = sampled("asked", ("q0", "q1"), 0.25), sampled("ignored", ("q0", "q1", "q2", "q3"), 0.9)
    merged = {pair: {**asked[pair], **ignored[pair]} for pair in asked}
    got = found(both("q0", "q1"), merged)
    assert got.probability == pytest.approx({"q0": 0.25, "q1": 0.25})
    assert found(both("q0", "q1", "q2"), merged).probability == pytest.approx(dict.fromkeys(("q0", "q1", "q2"), 0.925))


def test_a_persons_label_of_what_was_shown_comes_before_theirs_of_the_words() -> None:
    old, new = PAIRS["q0"]
    labels = [label(old, 1.0), label(old, 4.0, bare=True), label(old, 5.0, "cy", bare=True)]
    got = found([*labels, label(new, 3.0, bare=True), label(new, 4.0, "cy", bare=True)], uniform=True)

    assert (got.base, got.version, got.people) == ({"q0": 3.0}, {"q0": 3.5}, ("ann", "cy"))


def test_of_several_people_those_count_who_scored_both_answers() -> None:
    old, new = PAIRS["q0"]
    strict, kind = [label(old, 1.0), label(new, 2.0)], label(old, 5.0, "bo")
    got, apart = found([*strict, kind], uniform=True), found([kind, strict[1]], uniform=True)

    assert (got.base, got.version, got.people) == ({"q0": 1.0}, {"q0": 2.0}, ("ann",))
    # How much stricter one is than the other would count as the change.
    assert (apart.base, apart.one_sided) == ({}, ("q0",))


def test_one_side_alone_and_another_scale_are_counted_and_left_out() -> None:
    wider = replace(ACCURACY, scores={str(n): float(n) for n in range(10)})
    labels = [label(PAIRS["q0"][0], 4.0), *(label(item, 1.0, scale=scale_of(wider)) for item in PAIRS["q1"])]
    got = found(labels, uniform=True)

    assert (got.base, got.one_sided, got.other_scale) == ({}, ("q0",), 2)


def test_labels_are_of_what_the_criterion_asked_then() -> None:
    reworded = replace(ACCURACY, definition="How short the answer is.")
    turned = replace(ACCURACY, direction="lower")
    assert len({scale_of(each) for each in (ACCURACY, reworded, turned)}) == 3
    assert scale_of(replace(ACCURACY, steps=("Read it.",))) == scale_of(ACCURACY)


def test_what_is_no_label_and_what_disagrees_with_itself_is_left_out() -> None:
    labels = labels_of(ACCURACY, ["a", "b", "a"], [[1.0, 2.5, 4.0], [None, 2.0, 3.0]], ["ann", "bo"], "table.csv")
    assert [(each.item, each.annotator, each.value) for each in labels] == [
        ("a", "ann", 1.0), ("a", "ann", 4.0), ("b", "bo", 2.0), ("a", "bo", 3.0),
    ]  # fmt: skip
    agreed, said = without_disagreements(labels)

    assert [(each.item, each.annotator) for each in agreed] == [("b", "bo"), ("a", "bo")]
    assert said == ["ann gave one answer 1 and 4"]
