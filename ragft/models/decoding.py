"""The decoding loop: each prompt is read once for any number of replies, and a reply that has ended costs nothing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ragft.models.cache import keeps_everything
from ragft.models.reading import Read, read_prompts

Choose = Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]
"""Logits [rows, vocabulary] in float32, step from 0, and which rows -> the next token of each row."""


def greedy(logits: torch.Tensor, step: int, rows: torch.Tensor) -> torch.Tensor:  # noqa: ARG001 - a `Choose`
    """Return the most likely token of each row."""
    return logits.argmax(-1)


def sampler(seeds: Sequence[int], temperature: float, max_new_tokens: int) -> Choose:
    """Return a function that draws row i's tokens from the i-th seed alone, whatever else is in the batch.

    One uniform number per row and step, drawn before the first step, picks a token from the row's
    cumulative distribution, so equal seeds give equal replies up to rounding of the logits.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    draws = torch.stack([torch.rand(max_new_tokens, generator=own, dtype=torch.float64) for own in generators])

    def choose(logits: torch.Tensor, step: int, rows: torch.Tensor) -> torch.Tensor:
        cumulative = torch.softmax(logits / temperature, -1).cumsum(-1, dtype=torch.float64)
        drawn = draws[rows.cpu(), step].to(logits.device)[:, None] * cumulative[:, -1:]
        return torch.searchsorted(cumulative, drawn, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)

    return choose


@torch.no_grad()
def decode(
    model: Any,  # noqa: ANN401 - any causal LM
    prompts: Sequence[Sequence[int]],
    *,
    repeats: int,
    max_new_tokens: int,
    stop: Sequence[int],
    choose: Choose,
) -> list[list[int]]:
    """Return ``repeats`` replies to each prompt, prompt by prompt; a stop token ends its reply and is kept."""
    read = read_prompts(model, prompts)
    stops = torch.tensor(list(stop), device=read.mask.device)
    branching = repeats > 1 and keeps_everything(read.cache) and read.core.config._attn_implementation == "sdpa"
    loop = _decode_branches if branching else _decode_rows
    return loop(read, repeats, max_new_tokens, stops, choose)


@torch.no_grad()
def stream(
    model: Any,  # noqa: ANN401 - any causal LM
    prompt: Sequence[int],
    *,
    max_new_tokens: int,
    stop: Sequence[int],
) -> Iterator[int]:
    """Yield the tokens of the most likely reply to one prompt as they are chosen, those that `decode` returns."""
    read = read_prompts(model, [prompt])
    stops = torch.tensor(list(stop), device=read.mask.device)
    for _, tokens in _row_steps(read, 1, max_new_tokens, stops, greedy):
        yield int(tokens)


def _decode_rows(read: Read, repeats: int, max_new_tokens: int, stops: torch.Tensor, choose: Choose) -> list[list[int]]:
    """Decode with a row of the cache for each reply."""
    replies: list[list[int]] = [[] for _ in range(len(read.mask) * repeats)]
    for rows, tokens in _row_steps(read, repeats, max_new_tokens, stops, choose):
        _append(replies, rows, tokens)
    return replies


def _row_steps(
    read: Read, repeats: int, max_new_tokens: int, stops: torch.Tensor, choose: Choose
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield which replies go on, and the next token of each, one step after the other."""
    logits, mask, cache = read.logits.repeat_interleave(repeats, 0), read.mask.repeat_interleave(repeats, 0), read.cache
    if repeats > 1:
        cache.batch_repeat_interleave(repeats)
    rows = torch.arange(len(mask), device=mask.device)
    position = mask.sum(-1, keepdim=True)
    for step in range(max_new_tokens):
        tokens = choose(logits, step, rows)
        yield rows, tokens
        going = ~torch.isin(tokens, stops)
        if step + 1 == max_new_tokens or not bool(going.any()):
            break
        if not bool(going.all()):
            kept = going.nonzero().flatten()
            rows, tokens, mask, position = rows[kept], tokens[kept], mask[kept], position[kept]
            cache.batch_select_indices(kept)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], -1)
        out = read.core(
            input_ids=tokens[:, None], attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True
        )
        logits, position = out.logits[:, -1].float(), position + 1


def _decode_branches(
    read: Read, repeats: int, max_new_tokens: int, stops: torch.Tensor, choose: Choose
) -> list[list[int]]:
    """Decode with one row of the cache for all replies to a prompt: they share its keys and values.

    A step's tokens of all replies stand side by side in the row; a mask lets each see the prompt and what
    its own reply wrote before. So the prompt's cache is neither repeated nor read once for every reply.
    """
    device, cache = read.mask.device, read.cache
    prompt = torch.arange(len(read.mask), device=device)
    branch = torch.arange(repeats, device=device).expand(len(prompt), -1)  # which reply stands where; -1: none
    logits = read.logits[:, None].expand(-1, repeats, -1)
    visible = read.mask.bool()[:, None, None, :]
    written = branch.new_empty(len(prompt), 0)  # which reply wrote each token after the prompt
    position = read.mask.sum(-1, keepdim=True)
    replies: list[list[int]] = [[] for _ in range(len(prompt) * repeats)]
    for step in range(max_new_tokens):
        used = branch >= 0
        rows = (prompt[:, None] * repeats + branch)[used]
        tokens = torch.zeros_like(branch)
        tokens[used] = choose(logits[used], step, rows)
        _append(replies, rows, tokens[used])
        going = used & ~torch.isin(tokens, stops)
        if step + 1 == max_new_tokens or not bool(going.any()):
            break
        if not bool(going.all()):
            order = going.int().argsort(dim=-1, descending=True, stable=True)[:, : int(going.sum(-1).max())]
            tokens, branch = tokens.gather(1, order), branch.where(going, -1).gather(1, order)
            kept = going.any(-1).nonzero().flatten()
            if len(kept) < len(prompt):
                prompt, branch, tokens, written = prompt[kept], branch[kept], tokens[kept], written[kept]
                visible, position = visible[kept], position[kept]
                cache.batch_select_indices(kept)
        written = torch.cat([written, branch], 1)
        own = written[:, None, None, :] == branch[:, None, :, None]
        mask = torch.cat([visible.expand(-1, -1, branch.shape[1], -1), own], -1)
        positions = position.expand(-1, branch.shape[1])
        out = read.core(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        logits, position = out.logits.float(), position + 1
    return replies


def _append(replies: list[list[int]], rows: torch.Tensor, tokens: torch.Tensor) -> None:
    for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
        replies[row].append(token)
