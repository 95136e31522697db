"""Which examples go through the model together changes memory, and the adapter by rounding alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ragft.training import attempt
from ragft.training.batches import rows, share
from tests.unit.training.conftest import EXAMPLES, Job, farthest, weights

LENGTHS = st.lists(st.integers(1, 60), max_size=12)


def test_every_example_of_a_batch_is_taken_once_and_the_tokens_are_shared_out_evenly() -> None:
    lengths = [90, 10, 10, 40, 50, 30, 10]
    shares = [share(lengths, rank, 3) for rank in range(3)]
    assert sorted(place for each in shares for place in each) == list(range(7))
    assert sorted(sum(lengths[place] for place in each) for each in shares) == [70, 80, 90]
    assert [share([7], rank, 3) for rank in range(3)] == [[0], [], []]


def test_the_longest_goes_first_into_the_first_row_with_room() -> None:
    assert rows([10, 90, 40, 120, 50], 100, joined=True) == [[3], [0, 1], [2, 4]]
    assert rows([10, 90, 40, 120, 50], 100, joined=False) == [[3], [1], [2, 4], [0]]  # padded, 10 beside 90 is 180
    assert rows([10, 90], 0, joined=True) == [[0, 1]]
    assert rows([], 0, joined=True) == rows([], 9, joined=True) == []


@given(LENGTHS, st.integers(1, 100), st.booleans())
def test_rows_hold_each_example_once_and_never_too_much(lengths: list[int], most: int, joined: bool) -> None:
    made = rows(lengths, most, joined=joined)
    assert sorted(place for row in made for place in row) == list(range(len(lengths)))
    for row in made:
        held = [lengths[place] for place in row]
        assert len(row) == 1 or (sum(held) if joined else max(held) * len(row)) <= most


@contextmanager
def seen(model: torch.nn.Module, refuse_above: float = float("inf")) -> Iterator[list[int]]:
    """Yield the tokens of each forward pass, padding counted; a pass of more than so many finds no memory."""
    found: list[int] = []

    def look(_: object, inputs: tuple[torch.Tensor, ...], keywords: dict[str, Any]) -> None:
        given = (*inputs, keywords.get("input_ids"), keywords.get("inputs_embeds"))
        shown = next(each for each in given if each is not None)
        found.append(shown.shape[0] * shown.shape[1])
        if found[-1] > refuse_above:
            raise torch.OutOfMemoryError("no room")

    hook = model.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield found
    finally:
        hook.remove()


@pytest.mark.slow
@pytest.mark.parametrize(("method", "virtual"), [("lora", 0), ("prompt_tuning", 20)])
def test_a_budget_of_tokens_makes_the_same_steps(
    job: Job, tmp_path: Path, gradients: list[dict[str, torch.Tensor]], method: str, virtual: int
) -> None:
    """Lora in joined rows, prompt tuning in padded ones, where the model sees the virtual tokens too.

    That several processes do it is tested where they are.
    """
    settings: dict[str, Any] = {"method": method, "batch_size": 3, "gradient_accumulation_steps": 2, "lora_dropout": 0}
    with seen(job.base.model) as without:
        one = job.train(tmp_path / "one", **settings)
    with seen(job.base.model) as within:
        other = job.train(tmp_path / "other", batch_tokens=150, **settings)
    assert max(without) > 200
    assert max(within) <= 150 + 6 * virtual
    assert farthest(*gradients) < 1e-5
    assert farthest(weights(one), weights(other)) < 1e-4
    assert other.dev_losses == pytest.approx(one.dev_losses, abs=1e-5)
    assert (other.key, other.steps, other.tokens) == (one.key, 9, one.tokens)
    assert (one.batch_tokens, other.batch_tokens, other.metrics()["batch_tokens"]) == (0, 150, 150)


@pytest.mark.slow
def test_where_memory_is_short_the_budget_is_halved_down_to_the_longest_example(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with seen(job.base.model, refuse_above=140):
        result = job.train(tmp_path, EXAMPLES[:6], dev=(), epochs=1, batch_size=6, batch_tokens=9999, lora_dropout=0.0)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("ragft")]
    assert result.batch_tokens <= 140
    assert said[-1].endswith(f"at once: going on with {result.batch_tokens}, and more of them in a step")
    assert all("tokens at once" in each for each in said)


def test_the_budget_is_in_the_key_where_numbers_are_dropped_out(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "run", lambda made: made.named["key"])

    def keys(dropout: float) -> int:
        return len({str(job.train(tmp_path, batch_tokens=most, lora_dropout=dropout)) for most in (0, 99, 150)})

    assert (keys(0.0), keys(0.1)) == (1, 3)
