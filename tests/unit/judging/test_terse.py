"""One side that answers in far fewer words is named, before a rule that compares words is believed."""

import pytest

from ragft.judging.terse import find_terse

LONG, SHORT = "It is Ann who wrote the letter", "Ann wrote it"


def test_the_side_with_few_words_is_named_whichever_it_is() -> None:
    for names in (("base", "tuned"), ("tuned", "base")):
        found = find_terse({names[0]: [LONG, LONG], names[1]: [SHORT]})
        assert found
        assert (found.shorter, found.longer, found.words) == (names[1], names[0], (3.0, 7.0))
        assert f"answers of {names[1]} are 3.0 words long where those of {names[0]} are 7.0." in found.warning


@pytest.mark.parametrize("answers", [[SHORT], [LONG, SHORT], []])
def test_sides_that_are_about_as_long_or_say_nothing_are_not(answers: list[str]) -> None:
    assert find_terse({"base": [SHORT, LONG], "tuned": answers}) is None
    assert find_terse({"base": [""], "tuned": [""]}) is None
