"""What an example shows is decided by the format, the question and the seed."""

import pytest

from ragft.errors import ConfigError
from ragft.judging.abstention import abstains
from ragft.training.formats import NO_ANSWER, REFUSAL, Format, Withheld, build_examples
from ragft.types import UNANSWERABLE, Passage, Question

QUESTIONS = [Question(str(number), f"Question {number}?", (f"best {number}", "other")) for number in range(400)]
RETRIEVED = {
    q.id: tuple(Passage(f"{q.id}-{rank}", "d", rank, f"text {q.id}-{rank}") for rank in range(5)) for q in QUESTIONS
}
# The golden passage is the third one retrieved for even questions, and was not retrieved for odd ones.
GOLDEN = {
    q.id: (RETRIEVED[q.id][2] if int(q.id) % 2 == 0 else Passage(f"g{q.id}", "d", 9, f"golden {q.id}"),)
    for q in QUESTIONS
}


def test_closed_book_shows_nothing_and_learns_the_first_reference() -> None:
    example = build_examples(QUESTIONS[:1], "closed_book", retrieved=RETRIEVED)[0]
    assert (example.passages, example.question, example.answer) == ((), "Question 0?", "best 0")


def test_retrieved_shows_the_passages_in_their_order() -> None:
    example = build_examples(QUESTIONS[:1], "retrieved", retrieved=RETRIEVED)[0]
    assert example.passages == tuple(f"text 0-{rank}" for rank in range(5))


def test_oracle_shows_the_golden_passages_alone() -> None:
    examples = build_examples(QUESTIONS[:2], "oracle", golden=GOLDEN | {"1": ()})
    assert [example.passages for example in examples] == [("text 0-2",), ()]


def test_raft_hides_the_golden_passage_among_as_many_as_were_retrieved() -> None:
    examples = build_examples(QUESTIONS, "raft", retrieved=RETRIEVED, golden=GOLDEN)
    places = []
    for example in examples:
        golden = GOLDEN[example.question_id][0].text
        assert len(example.passages) == len(set(example.passages)) == 5
        places.append(example.passages.index(golden))
    assert all(40 < places.count(place) < 120 for place in range(5))


def test_raft_leaves_the_golden_passage_out_of_a_share() -> None:
    examples = build_examples(QUESTIONS, "raft", retrieved=RETRIEVED, golden=GOLDEN, without_golden=0.25)
    without = [e for e in examples if GOLDEN[e.question_id][0].text not in e.passages]
    assert 70 < len(without) < 130
    assert {len(example.passages) for example in without} == {4, 5}  # 4 where it had been retrieved


def test_a_share_shows_what_cannot_answer_and_learns_to_say_so() -> None:
    other = {q.id: (Passage(f"w{q.id}", "e", 0, f"withheld {q.id}"),) for q in QUESTIONS if q.id != "7"}
    forms: tuple[Format, ...] = ("retrieved", "raft", "oracle")
    for form in forms:
        examples = build_examples(
            QUESTIONS, form, retrieved=RETRIEVED, golden=GOLDEN, withheld=Withheld(other, 0.25)
        )  # fmt: skip
        taught = [example for example in examples if example.answer == REFUSAL]
        assert 70 < len(taught) < 130
        assert all(example.passages == (f"withheld {example.question_id}",) for example in taught)
        assert "7" not in {example.question_id for example in taught}
    assert abstains(REFUSAL)
    everything = Withheld(other, 1.0)
    assert build_examples(QUESTIONS[:3], "closed_book", withheld=everything) == build_examples(
        QUESTIONS[:3], "closed_book"
    )
    part = build_examples(QUESTIONS[40:80], "retrieved", retrieved=RETRIEVED, withheld=Withheld(other, 0.25))
    assert part == build_examples(QUESTIONS, "retrieved", retrieved=RETRIEVED, withheld=Withheld(other, 0.25))[40:80]


def test_a_subset_shows_the_same_as_the_whole() -> None:
    whole = build_examples(QUESTIONS, "raft", retrieved=RETRIEVED, golden=GOLDEN, without_golden=0.2, seed=3)
    part = build_examples(QUESTIONS[100:50:-1], "raft", retrieved=RETRIEVED, golden=GOLDEN, without_golden=0.2, seed=3)
    other = build_examples(QUESTIONS, "raft", retrieved=RETRIEVED, golden=GOLDEN, without_golden=0.2, seed=4)
    assert part == whole[100:50:-1]
    assert other != whole


@pytest.mark.parametrize(
    ("wanted", "given", "said"),
    [
        ("retrieved", {}, "retrieved passages of every question; 0 has none"),
        ("oracle", {"retrieved": RETRIEVED}, "golden passages of every question; 0 has none"),
        ("raft", {"retrieved": RETRIEVED, "golden": {}}, "golden passages of every question; 0 has none"),
        ("sideways", {}, "format is 'sideways'"),
    ],
)
def test_a_format_without_its_passages_is_refused(wanted: str, given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build_examples(QUESTIONS, wanted, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("format_", ["oracle", "raft"])
def test_what_the_format_shows_for_its_evidence_is_known(format_: Format) -> None:
    for example in build_examples(QUESTIONS, format_, retrieved=RETRIEVED, golden=GOLDEN):
        gold = {passage.text for passage in GOLDEN[example.question_id]}
        assert gold
        assert {example.passages[place] for place in example.golden} == gold
        ranking = [passage.text for passage in RETRIEVED[example.question_id]]
        for text, rank in zip(example.passages, example.ranks, strict=True):
            assert rank == (ranking.index(text) if text in ranking else len(ranking))


def test_what_is_retrieved_hides_its_evidence_as_in_use() -> None:
    for example in build_examples(QUESTIONS, "retrieved", retrieved=RETRIEVED, golden=GOLDEN):
        assert example.golden == ()
        assert example.ranks == tuple(range(len(example.passages)))


@pytest.mark.parametrize(
    ("form", "learnt"), [("closed_book", NO_ANSWER), ("retrieved", REFUSAL), ("oracle", NO_ANSWER)]
)
def test_a_mark_for_no_answer_is_not_learnt_as_one(form: Format, learnt: str) -> None:
    marked = Question("0", "Question 0?", (UNANSWERABLE,), answerable=False)
    (example,) = build_examples([marked], form, retrieved=RETRIEVED, golden={"0": ()})
    assert example.answer == learnt
    assert abstains(learnt)
    said = Question("0", "Question 0?", ("The price of Zero is not in the documents.",), answerable=False)
    assert build_examples([said], form, retrieved=RETRIEVED, golden={"0": ()})[0].answer == said.references[0]
