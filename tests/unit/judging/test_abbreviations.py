"""What is written in two ways."""

import pytest

from ragft.judging.abbreviations import apart, spelled_out


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
        ("the US", "It lasted until September.", "the US"),  # two letters are of names
        ("the UN", "The United Nations said so.", "the united nations"),
        ("the EU", "", "the EU"),
        ("", "European Union", ""),
    ],
)
def test_an_abbreviation_is_spelled_out_by_words_that_it_stands_for(text: str, other: str, expected: str) -> None:
    assert spelled_out(text, other) == expected


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("cut-throat competition", "prevent cut throat competition", "cut throat competition"),
        ("antigen-specific cells", "antigens", "antigen-specific cells"),
        ("state-of-the-art", "the state of art", "state of art"),  # articles are no words here
        ("an e-mail", "an email", "an e-mail"),
    ],
)
def test_a_hyphen_goes_where_the_other_text_has_a_blank(text: str, other: str, expected: str) -> None:
    assert apart(text, other) == expected
