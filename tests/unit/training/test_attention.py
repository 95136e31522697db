"""Examples in one row are as if each were alone."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen3Config

from ragft.training.attention import SEGMENTED

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
CONFIGS = [
    LlamaConfig(**SMALL),
    MistralConfig(**SMALL, sliding_window=5),
    Qwen3Config(**SMALL, head_dim=8, use_sliding_window=True, sliding_window=5, max_window_layers=1),
    GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.3),
]


def row(lengths: list[int]) -> dict[str, Any]:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    tokens = torch.randint(0, 64, (1, ends[-1]), generator=torch.Generator().manual_seed(1))
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    return {"input_ids": tokens, "position_ids": positions, "segments": ends}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.model_type))
def test_joined_examples_give_the_logits_and_gradients_of_each_alone(config: Any) -> None:  # noqa: ANN401
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    joined = row([3, 11, 1, 7])
    weight = next(parameter for name, parameter in model.named_parameters() if "attn" in name)
    alone = torch.cat([model(joined["input_ids"][:, a:b]).logits for a, b in pairwise(joined["segments"])], 1)
    expected = torch.autograd.grad(alone.logsumexp(-1).sum(), weight)[0]
    model.set_attn_implementation(SEGMENTED)
    together = model(**joined, use_cache=False).logits
    assert (together - alone).abs().max() < 1e-4
    found = torch.autograd.grad(together.logsumexp(-1).sum(), weight)[0]
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max().clamp(min=1)
