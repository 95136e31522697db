"""Which words an abbreviation stands for."""

import pytest

from ragft.judging.abbreviations import spelled_out


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("It is HPV.", "the human papillomavirus", "It is human papillomavirus."),
        ("EU law", "European Union law takes precedence", "european union law"),
        ("the BBC and ITV", "British Broadcasting Corporation", "the british broadcasting corporation and ITV"),
        ("the EU", "Europe", "the EU"),  # a letter within one word is no word of its own
        ("the EU", "Union of Europe", "the EU"),  # another order
        ("the EU", "European Space Union", "the EU"),  # a word between
        ("eu law", "European Union", "eu law"),
        ("A TV", "television", "A TV"),
        ("the EU", "", "the EU"),
        ("", "European Union", ""),
    ],
)
def test_an_abbreviation_is_spelled_out_by_words_that_it_stands_for(text: str, other: str, expected: str) -> None:
    assert spelled_out(text, other) == expected
