"""Attention over examples laid end to end in one row: no padding, and no example sees another.

PyTorch's own attention runs on each example of the row, so it works on any device. Everything else in
the model (projections, feed-forward layers) sees one long row without a single padding token.
"""

from itertools import pairwise
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

SEGMENTED = "ragft_segmented"


def segmented_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    segments: list[int],
    sliding_window: int | None = None,
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
        sliding_window: How many tokens back a token sees, itself included, in models that have such a limit.
        kwargs: Passed on (scaling, dropout).
    """
    del attention_mask
    parts = []
    for start, end in pairwise(segments):
        banded = None
        if sliding_window is not None and end - start > sliding_window:
            distance = torch.arange(end - start, device=query.device)
            back = distance[:, None] - distance[None, :]
            banded = ((back >= 0) & (back < sliding_window))[None, None]
        rows = slice(start, end)
        out, _ = sdpa_attention_forward(module, query[:, :, rows], key[:, :, rows], value[:, :, rows], banded, **kwargs)
        parts.append(out)
    return torch.cat(parts, 1), None


AttentionInterface.register(SEGMENTED, segmented_attention)
