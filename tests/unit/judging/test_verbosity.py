"""A judge that scores padding is found out, and one that does not is left alone."""

import pytest

from ragft.judging.g_eval import Item, Judged
from ragft.judging.scoring import Row
from ragft.judging.verbosity import MOST_ANSWERS, check_padding, choose, padded
from ragft.prompts.criterion import load_criterion
from ragft.types import Score

ACCURACY, STYLE = load_criterion("accuracy"), load_criterion("style")
ITEMS = [Item(f"Question {n}?", f"The fee is {n} dollars a month." if n else " ", (f"${n}",)) for n in range(50)]


def judged(values: list[float | None]) -> Judged:
    return Judged({"accuracy": [Row(Score("accuracy", value)) for value in values]}, 0, {})


def test_a_padded_answer_is_twice_as_long_and_begins_as_before() -> None:
    longer = padded(ITEMS[3])
    assert longer.answer.startswith(ITEMS[3].answer)
    assert len(longer.answer.split()) == 2 * len(ITEMS[3].answer.split())
    assert (longer.question, longer.references) == (ITEMS[3].question, ITEMS[3].references)
    assert len(padded(Item("q", "word " * 500, ())).answer.split()) == 1000


def test_some_answers_are_chosen_the_same_each_time() -> None:
    places = choose(ITEMS)
    assert len(places) == MOST_ANSWERS == len(set(places)) and 0 not in places
    assert [ITEMS[place] for place in places] == [ITEMS[::-1][place] for place in choose(ITEMS[::-1])]


@pytest.mark.parametrize(
    ("by", "said"), [(0.5, "likes long answers"), (-0.5, "dislikes"), (0.1, ""), (-0.14, ""), (0.0, "")]
)
def test_a_shift_of_more_than_fifteen_hundredths_is_said(by: float, said: str) -> None:
    found = check_padding(
        [1, 2, 3], judged([None, 2.0, 3.0, None]), judged([2.0 + by, 3.0 + by, 5.0]), [ACCURACY, STYLE]
    )
    assert list(found) == ["accuracy"]
    assert found["accuracy"].n == 2
    assert found["accuracy"].shift == pytest.approx(by)
    assert said in found["accuracy"].warning if said else found["accuracy"].warning == ""


def test_without_a_score_both_ways_nothing_is_said() -> None:
    assert check_padding([1], judged([None, None]), judged([3.0]), [ACCURACY]) == {}
