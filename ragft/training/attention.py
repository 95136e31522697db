"""Attention over examples laid end to end in one row: no padding, and no example sees another.

On GPUs that can, PyTorch's variable-length FlashAttention takes the row as it is. Elsewhere PyTorch's own attention
runs on each example of the row, so it works on any device. Everything else in the model (projections, feed-forward
layers) sees one long row without a single padding token.
"""

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

SEGMENTED = "ragft_segmented"
# What FlashAttention 2 in PyTorch takes: these types and sizes, from this generation of NVIDIA's GPUs on.
HALF = (torch.float16, torch.bfloat16)
LARGEST_HEAD, HEAD_MULTIPLE = 256, 8
AMPERE = (8, 0)


def segmented_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segments: list[int],
    **kwargs: Any,  # noqa: ANN401 - what the model passes to any attention
) -> tuple[torch.Tensor, None]:
    """Return causal attention within each segment, [1, tokens, heads, head size].

    Args:
        module: The attention layer.
        query: [1, heads, tokens, head size]; key and value may have fewer heads.
        key: As query.
        value: As query.
        attention_mask: Unused: the segments say it all.
        segments: Where each example begins in the row, then where the row ends: [0, …, tokens].
        kwargs: ``cu_seqlens``, the same numbers as an int32 tensor where the model is, made once for all layers;
            ``sliding_window``, how many tokens back a token sees, itself included, in models that have such a limit;
            and what is passed on (scaling, dropout).
    """
    del attention_mask
    cu_seqlens = kwargs.pop("cu_seqlens", None)
    window = kwargs.pop("sliding_window", None)
    longest = max(end - start for start, end in pairwise(segments))
    allowed = takes_varlen(
        capability(query.device),
        query.dtype,
        sizes=(query.shape[-1], value.shape[-1]),
        window_cuts=window is not None and longest > window,
        dropout=kwargs.get("dropout") or 0.0,
    )
    if allowed and cu_seqlens is not None and _is_plain(module, kwargs):
        return varlen(query, key, value, cu_seqlens, longest, kwargs.get("scaling"), varlen_attn), None
    return _one_by_one(module, query, key, value, segments, window, kwargs), None


def takes_varlen(
    generation: tuple[int, int] | None,
    dtype: torch.dtype,
    *,
    sizes: tuple[int, int],
    window_cuts: bool,
    dropout: float,
) -> bool:
    """Return whether the variable-length kernel computes this; it has no dropout, and no window is asked of it.

    Args:
        generation: See `capability`.
        dtype: Of query, key and value.
        sizes: Of a head in query and key, and in value.
        window_cuts: Whether a sliding window hides any token of a segment from a later one.
        dropout: Share of the attention weights that is dropped out.
    """
    one, other = sizes
    fits = one == other and one <= LARGEST_HEAD and one % HEAD_MULTIPLE == 0
    can = generation is not None and generation >= AMPERE
    return can and dtype in HALF and fits and not window_cuts and dropout == 0


def may_take_varlen(device: str, dtype: str) -> bool:
    """Return whether layers of a model on this device, in this precision, may be computed by the kernel."""
    return device.startswith("cuda") and dtype in {str(half).removeprefix("torch.") for half in HALF}


@functools.cache
def capability(device: torch.device) -> tuple[int, int] | None:
    """Return the generation of an NVIDIA GPU as (major, minor) compute capability; None for any other device."""
    if device.type != "cuda" or torch.version.cuda is None:
        return None
    return torch.cuda.get_device_capability(device)


def varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seqlens: torch.Tensor,
    longest: int,
    scaling: float | None,
    kernel: Callable[..., Any],
) -> torch.Tensor:
    """Return causal attention within each segment, [1, tokens, heads, head size], in one call of the kernel.

    Args:
        query: [1, heads, tokens, head size]; key and value may have fewer heads.
        key: As query.
        value: As query.
        cu_seqlens: [segments + 1], int32: where each begins, then where the row ends.
        longest: Tokens of the longest segment.
        scaling: Of the scores; None for 1 / sqrt(head size).
        kernel: `torch.nn.attention.varlen.varlen_attn`, or what computes the same.
    """
    rows = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]  # [tokens, heads, head size]
    found: torch.Tensor = kernel(
        *rows,
        cu_seqlens,
        cu_seqlens,
        longest,
        longest,
        scale=scaling,
        window_size=(-1, 0),  # causal
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return found[None]


def _is_plain(module: torch.nn.Module, kwargs: dict[str, Any]) -> bool:
    """Return whether a layer asks for causal attention without anything added to its scores."""
    causal = kwargs.get("is_causal")
    added = any(kwargs.get(name) is not None for name in ("position_bias", "softcap", "s_aux"))
    return bool(getattr(module, "is_causal", True) if causal is None else causal) and not added


def _one_by_one(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: Sequence[int],
    window: int | None,
    kwargs: dict[str, Any],
) -> torch.Tensor:
    parts = []
    for start, end in pairwise(segments):
        banded = None
        if window is not None and end - start > window:
            distance = torch.arange(end - start, device=query.device)
            back = distance[:, None] - distance[None, :]
            banded = ((back >= 0) & (back < window))[None, None]
        rows = slice(start, end)
        out, _ = sdpa_attention_forward(module, query[:, :, rows], key[:, :, rows], value[:, :, rows], banded, **kwargs)
        parts.append(out)
    return torch.cat(parts, 1)


AttentionInterface.register(SEGMENTED, segmented_attention)
