"""The path of champions: as a tag and back, and back along it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.errors import DataError
from registry.terms import MOST_TERMS, ChampionTerm, moved_by_hand, numbers, read, until, write

DIGITS = st.sampled_from(["", "0a1b2c3d4e5f"]) | st.from_regex(r"[0-9a-f]{12}", fullmatch=True)
TERMS = st.builds(ChampionTerm, st.integers(1, 99_999), DIGITS, st.none() | DIGITS)
PATH = (ChampionTerm(1), ChampionTerm(3, "0a1b2c3d4e5f"), ChampionTerm(2), ChampionTerm(3))


def test_a_path_can_be_read_by_a_person() -> None:
    assert write(PATH) == "1 > 3 as 0a1b2c3d4e5f > 2 > 3"
    later = (ChampionTerm(1, promise=""), ChampionTerm(3, "0a1b2c3d4e5f", "f5e4d3c2b1a0"))
    assert write(later) == "1 with none > 3 as 0a1b2c3d4e5f with f5e4d3c2b1a0"


@given(st.lists(TERMS, min_size=1, max_size=MOST_TERMS))
def test_a_path_comes_back_from_its_tag(path: list[ChampionTerm]) -> None:
    assert read(write(path)) == tuple(path)


def test_the_newest_terms_are_kept_and_fit_a_tag() -> None:
    path = [ChampionTerm(number, "f" * 12, "f" * 12) for number in range(10_000)]
    assert read(write(path)) == tuple(path[-MOST_TERMS:])
    assert len(write(path)) <= 2500  # beside a reason of 200 characters, each of up to 12 as JSON


@pytest.mark.parametrize(
    "tag", ["", "1, 2", "one", "1 > ", "1 as short", "> 1", "1 with no", "1 with none as 0a1b2c3d4e5f"]
)
def test_what_ragft_did_not_write_is_refused(tag: str) -> None:
    with pytest.raises(DataError, match="the history begins anew"):
        read(tag)


def test_back_to_a_version_is_back_to_its_latest_earlier_term() -> None:
    assert until(PATH, 3) == PATH[:2]
    assert until(PATH, 1) == PATH[:1]
    assert until(PATH, 9) == until(PATH[:1], 1) == ()


def test_a_hand_goes_back_where_it_can_and_on_where_it_cannot() -> None:
    assert moved_by_hand(PATH, ChampionTerm(2)) == PATH[:3]
    assert moved_by_hand(PATH, ChampionTerm(9)) == (*PATH, ChampionTerm(9))


def test_versions_are_named_once() -> None:
    assert numbers(PATH) == "1, 3, 2"
