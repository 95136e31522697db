"""Prompts read by a model in one padded batch; a beginning that several of them share is read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from transformers import DynamicCache

from ragft.models.cache import keeps_everything, roomy_cache

LEAST_SHARED = 64  # tokens; below, a second pass through the model costs more than it saves


@dataclass
class Read:
    """A batch of prompts that a model has read.

    Attributes:
        core: The model that goes on from here: the base, where the adapter only puts virtual tokens first.
        logits: After each prompt, float32 [prompts, vocabulary].
        mask: 1 for a token, 0 for padding, int64 [prompts, places in the cache].
    """

    core: Any
    logits: torch.Tensor
    mask: torch.Tensor
    cache: DynamicCache


def pad_left(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both int64 [prompts, longest], padded with zeros on the left."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def virtual_tokens(model: Any) -> int:  # noqa: ANN401 - any causal LM, with or without PEFT
    """Return how many tokens an adapter puts before every prompt; 0 for most."""
    config = getattr(model, "active_peft_config", None)
    return int(config.num_virtual_tokens) if config is not None and config.is_prompt_learning else 0


def group_by_prefix(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the indices of prompts in groups that begin alike; each index occurs once, most of them alone.

    Members share at least `LEAST_SHARED` tokens and half of the shorter prompt.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(prompts)), key=lambda index: list(prompts[index])):
        if groups:
            first, own = prompts[groups[-1][0]], prompts[index]
            if shared_length([first, own]) >= max(LEAST_SHARED, min(len(first), len(own)) // 2):
                groups[-1].append(index)
                continue
        groups.append([index])
    return groups


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts share at the beginning, leaving each at least one of its own."""
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*prompts, strict=False))
    return min(sum(1 for _ in alike), min(len(prompt) for prompt in prompts) - 1)


def read_prompts(model: Any, prompts: Sequence[Sequence[int]]) -> Read:  # noqa: ANN401 - any causal LM
    """Run the model over a batch of prompts, padded on the left; positions count from each prompt's first token."""
    if virtual := virtual_tokens(model):
        return _read_after_virtual(model, prompts, virtual)
    groups = group_by_prefix(prompts)
    if len(groups) < len(prompts) and keeps_everything(roomy_cache(model)):
        return _read_in_groups(model, prompts, groups)
    ids, mask = pad_left(prompts, model.device)
    return _read(model, {"input_ids": ids}, mask, roomy_cache(model))


def _read_in_groups(model: Any, prompts: Sequence[Sequence[int]], groups: Sequence[Sequence[int]]) -> Read:  # noqa: ANN401
    """Read the beginning of each group, hand its cache to every member, and read the rest of each."""
    shared = [shared_length([prompts[index] for index in group]) for group in groups]
    ends = max(len(prompts[i]) - n for n, group in zip(shared, groups, strict=True) if len(group) > 1 for i in group)
    # A prompt on its own is split where its rest is as long as the others', so that it adds no padding.
    cuts = [n if len(g) > 1 else max(1, len(prompts[g[0]]) - ends) for n, g in zip(shared, groups, strict=True)]
    begun = [prompts[group[0]][:cut] for group, cut in zip(groups, cuts, strict=True)]
    ids, mask = pad_left(begun, model.device)
    read = _read(model, {"input_ids": ids}, mask, roomy_cache(model))
    group_of = {index: number for number, group in enumerate(groups) for index in group}
    order = torch.tensor([group_of[index] for index in range(len(prompts))], device=mask.device)
    read.cache.batch_select_indices(order)
    ids, rest = pad_left([prompt[cuts[group_of[i]] :] for i, prompt in enumerate(prompts)], model.device)
    return _read(model, {"input_ids": ids}, torch.cat([read.mask[order], rest], -1), read.cache)


def _read_after_virtual(model: Any, prompts: Sequence[Sequence[int]], virtual: int) -> Read:  # noqa: ANN401
    """Put an adapter's virtual tokens before each prompt, after the padding, and read on with the base."""
    core = model.get_base_model()
    ids, mask = pad_left([[*[0] * virtual, *prompt] for prompt in prompts], model.device)
    embedded = core.get_input_embeddings()(ids)
    learnt = model.get_prompt(batch_size=1)[0].to(embedded.dtype)
    for row, start in enumerate((mask == 0).sum(-1).tolist()):
        embedded[row, start : start + virtual] = learnt
    return _read(core, {"inputs_embeds": embedded}, mask, roomy_cache(core))


def _read(model: Any, shown: dict[str, torch.Tensor], mask: torch.Tensor, cache: DynamicCache) -> Read:  # noqa: ANN401
    """Read tokens after what the cache holds; ``mask`` covers both."""
    tokens = next(iter(shown.values())).shape[1]
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens:]
    out = model(
        **shown, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1
    )
    return Read(model, out.logits[:, -1].float(), mask, out.past_key_values)
