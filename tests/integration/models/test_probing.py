"""Replies are generated once, whatever is asked again, and are kept batch by batch."""

from pathlib import Path

import pytest

from ragft.models.generation import Generator
from ragft.models.loading import load_base
from ragft.models.probing import SAMPLED_AT_ONCE, Sampling, reply
from ragft.store.connection import Store
from tests.tiny_model import tiny_base  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def generator(tiny_base: Path) -> Generator:  # noqa: F811
    return Generator(load_base(str(tiny_base), device="cpu"))


def test_what_was_asked_is_not_asked_again(store: Store, generator: Generator) -> None:
    messages = [f"What is {number}?" for number in range(SAMPLED_AT_ONCE + 5)]
    told: list[tuple[int, int]] = []
    sampling = Sampling(2, 1.0, 0)
    found = reply(store, generator, messages, sampling, 4, lambda done, all_: told.append((done, all_)))
    assert told[-1] == (3 * len(messages), 3 * len(messages))
    assert len({done for done, _ in told}) == len(told) >= 3
    assert any(one.sampled[0] != one.sampled[1] for one in found.values())
    told.clear()
    again = reply(store, generator, [*messages, "And now?"], sampling, 4, lambda done, all_: told.append((done, all_)))
    assert told[-1] == (3, 3)
    assert {message: again[message] for message in messages} == found


def test_other_seeds_and_temperatures_are_other_samples(store: Store, generator: Generator) -> None:
    one, other, hot = (
        reply(store, generator, ["What is it?"], sampling, 8)["What is it?"]
        for sampling in (Sampling(3, 1.0, 0), Sampling(3, 1.0, 1), Sampling(3, 5.0, 0))
    )
    assert one.greedy == other.greedy == hot.greedy
    assert len({one.sampled, other.sampled, hot.sampled}) == 3


def test_no_samples_are_none(store: Store, generator: Generator) -> None:
    assert reply(store, generator, ["What is it?"], Sampling(0, 1.0, 0), 8)["What is it?"].sampled == ()
