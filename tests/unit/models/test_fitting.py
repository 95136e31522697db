"""What is left out of a prompt that is too long."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ragft.models.fitting import dropping_order, fit, room

lengths = st.lists(st.integers(1, 9), max_size=7)


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_the_lowest_ranked_goes_first_and_evidence_last(ranks: Sequence[int], golden: set[int]) -> None:
    order = dropping_order(ranks, golden)
    assert sorted(order) == list(range(6))
    assert {*order[6 - len(golden) :]} == golden
    for part in (order[: 6 - len(golden)], order[6 - len(golden) :]):
        assert [ranks[place] for place in part] == sorted((ranks[place] for place in part), reverse=True)


@given(lengths, st.integers(0, 40))
def test_as_many_are_kept_as_fit_in_the_order_they_are_shown(sizes: list[int], most: int) -> None:
    def length(places: Sequence[int]) -> int:
        return 4 + sum(sizes[place] for place in places)

    order = dropping_order(range(len(sizes)))
    kept = fit(order, length, most)
    if kept is None:
        assert most < 4
        return
    assert kept == tuple(range(len(kept)))
    assert length(kept) <= most
    assert len(kept) == len(sizes) or length(range(len(kept) + 1)) > most


def test_virtual_tokens_take_room_in_the_window() -> None:
    assert room(100, 0, 20) == 80
    assert room(100, 90, 20) == 80
    assert room(100, 60, 20) == 60
