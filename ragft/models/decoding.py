"""The decoding loop: one prefill a prompt, any number of replies to it, rows dropped as they end."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

Choose = Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]
"""Logits [rows, vocabulary] in float32, step from 0, and which rows -> the next token of each row."""


def greedy(logits: torch.Tensor, step: int, rows: torch.Tensor) -> torch.Tensor:  # noqa: ARG001 - a `Choose`
    """Return the likeliest token of each row."""
    return logits.argmax(-1)


def pad_left(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both int64 [prompts, longest], padded with zeros on the left."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def read_prompts(
    model: Any,  # noqa: ANN401 - any causal LM
    prompts: Sequence[Sequence[int]],
    *,
    keep_cache: bool,
) -> tuple[torch.Tensor, torch.Tensor, Any]:
    """Run the model over a padded batch of prompts.

    Returns:
        Logits after each prompt, float32 [prompts, vocabulary]; the mask; the cache, or None.
    """
    ids, mask = pad_left(prompts, model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=keep_cache, logits_to_keep=1)
    return out.logits[:, -1].float(), mask, out.past_key_values if keep_cache else None


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
    """Return ``repeats`` replies to each prompt, prompt by prompt; a stop token ends its reply and is kept.

    The prompts are read once; their cache is then repeated.
    """
    logits, mask, cache = read_prompts(model, prompts, keep_cache=True)
    if repeats > 1:
        logits, mask = logits.repeat_interleave(repeats, 0), mask.repeat_interleave(repeats, 0)
        cache.batch_repeat_interleave(repeats)
    rows = torch.arange(len(prompts) * repeats, device=mask.device)
    stops = torch.tensor(list(stop), device=mask.device)
    replies: list[list[int]] = [[] for _ in range(len(rows))]
    position = mask.sum(-1, keepdim=True)
    for step in range(max_new_tokens):
        tokens = choose(logits, step, rows)
        for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
            replies[row].append(token)
        going = ~torch.isin(tokens, stops)
        if step + 1 == max_new_tokens or not bool(going.any()):
            break
        if not bool(going.all()):
            kept = going.nonzero().flatten()
            rows, tokens, mask, position = rows[kept], tokens[kept], mask[kept], position[kept]
            cache.batch_select_indices(kept)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], -1)
        out = model(
            input_ids=tokens[:, None], attention_mask=mask, position_ids=position, past_key_values=cache, use_cache=True
        )
        logits, position = out.logits[:, -1].float(), position + 1
    return replies


def sampler(seeds: Sequence[int], temperature: float, max_new_tokens: int) -> Choose:
    """Return a choice that draws row i's tokens from the i-th seed alone, whatever else is in the batch.

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
