"""Prompts that begin alike are read once, and nobody can tell from the logits."""

import random

import pytest
import torch

from ragft.models import decoding
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel
from ragft.models.reading import LEAST_SHARED, group_by_prefix, read_prompts, shared_length


def tokens(seed: int, count: int) -> list[int]:
    return random.Random(seed).choices(range(300, 1000), k=count)


ITEM, OTHER = tokens(1, 90), tokens(2, 130)
PROMPTS = [
    [*ITEM, *tokens(3, 20)],
    [*OTHER, *tokens(4, 50)],
    tokens(5, 12),
    [*ITEM, *tokens(6, 33)],
    tokens(7, 150),
    [*OTHER, *tokens(8, 1)],
    [*ITEM, *tokens(9, 5)],
]


def test_prompts_are_grouped_by_what_they_begin_with() -> None:
    groups = {frozenset(group) for group in group_by_prefix(PROMPTS)}
    assert groups == {frozenset({0, 3, 6}), frozenset({1, 5}), frozenset({2}), frozenset({4})}
    assert shared_length([PROMPTS[index] for index in (0, 3, 6)]) == 90
    assert shared_length([ITEM, ITEM]) == 89
    assert group_by_prefix([]) == []


def test_a_short_beginning_is_not_worth_a_group() -> None:
    short, long = tokens(1, LEAST_SHARED - 1), tokens(1, LEAST_SHARED)
    assert len(group_by_prefix([[*short, 1, 2], [*short, 3, 4]])) == 2
    assert len(group_by_prefix([[*long, 1, 2], [*long, 3, 4]])) == 1
    assert len(group_by_prefix([[*long, *tokens(5, 80)], [*long, *tokens(6, 80)]])) == 2  # less than half


@pytest.mark.parametrize("chosen", [range(7), (0, 3), (0, 3, 2), (1, 5, 4), (2, 4), (3,)])
def test_logits_in_a_group_are_those_alone(tiny: LoadedModel, chosen: tuple[int, ...]) -> None:
    prompts = [PROMPTS[index] for index in chosen]
    passed: list[int] = []

    def count(module: object, inputs: object, keywords: dict[str, torch.Tensor]) -> None:
        passed.append(keywords["input_ids"].numel())

    hook = tiny.model.register_forward_pre_hook(count, with_kwargs=True)
    with torch.no_grad():
        read = read_prompts(tiny.model, prompts)
        hook.remove()
        alone = torch.stack([tiny.model(torch.tensor([prompt])).logits[0, -1] for prompt in prompts])
    assert (read.logits - alone).abs().max() < 1e-4
    assert read.mask.sum(-1).tolist() == [len(prompt) for prompt in prompts]
    padded = len(prompts) * max(len(prompt) for prompt in prompts)
    assert (sum(passed) < 0.8 * padded) == (len(group_by_prefix(prompts)) < len(prompts))


@pytest.mark.parametrize("repeats", [1, 3])
def test_replies_in_a_group_are_those_alone(tiny: LoadedModel, repeats: int) -> None:
    stop = list(range(0, 1024, 16))

    def replies(chosen: list[int]) -> list[list[int]]:
        seeds = [100 * index + repeat for index in chosen for repeat in range(repeats)]
        choose = decoding.sampler(seeds, 1.0, 15)
        asked = [PROMPTS[index] for index in chosen]
        return decoding.decode(tiny.model, asked, repeats=repeats, max_new_tokens=15, stop=stop, choose=choose)

    together = replies(list(range(len(PROMPTS))))
    assert together == [reply for index in range(len(PROMPTS)) for reply in replies([index])]


def test_a_batch_keeps_a_group_together(tiny: LoadedModel) -> None:
    by_three = list(Generator(tiny, batch_rows=3).batches(PROMPTS, 5, 1))
    assert [sorted(batch) for batch in by_three] == [[1, 4, 5], [0, 3, 6], [2]]
    by_four = list(Generator(tiny, batch_rows=4).batches(PROMPTS, 5, 1))
    assert [sorted(batch) for batch in by_four] == [[1, 4, 5], [0, 2, 3, 6]]
    by_two = list(Generator(tiny, batch_rows=2).batches(PROMPTS, 5, 1))  # a group that is too large is cut
    assert sorted(index for batch in by_two for index in batch) == list(range(7))
    assert max(len(batch) for batch in by_two) == 2
