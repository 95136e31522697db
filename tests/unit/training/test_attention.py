"""Examples in one row are as if each were alone."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen3Config

from ragft.training import attention, trainer
from ragft.training.attention import SEGMENTED
from ragft.training.trainer import TrainingTask
from tests.unit.training.conftest import Job

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
    cu_seqlens = torch.tensor(ends, dtype=torch.int32)
    return {"input_ids": tokens, "position_ids": positions, "segments": ends, "cu_seqlens": cu_seqlens}


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


def reference(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """Return what `varlen_attn` documents for causal attention, [tokens, heads, size], on any device."""
    ends = cu_seq_q.tolist()
    assert cu_seq_q.dtype is torch.int32
    assert ends == cu_seq_k.tolist()
    assert max_q == max_k == max(b - a for a, b in pairwise(ends))
    assert window_size == (-1, 0)
    assert enable_gqa == (query.shape[1] != key.shape[1])
    parts = []
    for start, end in pairwise(ends):
        q, k, v = (each[start:end].transpose(0, 1)[None] for each in (query, key, value))
        out = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=scale, enable_gqa=enable_gqa
        )
        parts.append(out[0].transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.model_type))
def test_the_variable_length_kernel_is_given_the_row_as_it_documents(
    config: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its stand-in computes on the CPU, in float32; a layer whose window cuts a segment goes without it."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=SEGMENTED).eval()
    joined = row([3, 11, 1, 7])
    weight = next(parameter for name, parameter in model.named_parameters() if "attn" in name)

    def logits_and_gradients() -> tuple[torch.Tensor, torch.Tensor]:
        logits = model(**joined, use_cache=False).logits
        return logits.detach(), torch.autograd.grad(logits.logsumexp(-1).sum(), weight)[0]

    one_by_one = logits_and_gradients()
    calls: list[tuple[int, ...]] = []

    def kernel(*given: Any, **options: Any) -> torch.Tensor:  # noqa: ANN401
        calls.append(tuple(given[0].shape))
        return reference(*given, **options)

    monkeypatch.setattr(attention, "HALF", (torch.float32,))
    monkeypatch.setattr(attention, "capability", lambda _: (9, 0))
    monkeypatch.setattr(attention, "varlen_attn", kernel)
    together = logits_and_gradients()
    expected = {"mistral": 0, "qwen3": 1}.get(config.model_type, 2)
    assert calls == [(22, 4, 8)] * expected
    for found, known in zip(together, one_by_one, strict=True):
        assert (found - known).abs().max() < 1e-5 * known.abs().max()


USUAL: dict[str, Any] = {
    "generation": (9, 0), "dtype": torch.bfloat16, "sizes": (128, 128), "window_cuts": False, "dropout": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"generation": (8, 0), "dtype": torch.float16, "sizes": (256, 256)}, True),
        ({"generation": None}, False),
        ({"generation": (7, 5)}, False),
        ({"dtype": torch.float32}, False),
        ({"sizes": (264, 264)}, False),
        ({"sizes": (12, 12)}, False),
        ({"sizes": (192, 128)}, False),
        ({"window_cuts": True}, False),
        ({"dropout": 0.1}, False),
    ],
)
def test_the_variable_length_kernel_is_taken_where_it_computes_the_same(changes: dict[str, Any], allowed: bool) -> None:
    assert attention.takes_varlen(**{**USUAL, **changes}) is allowed


def test_the_key_of_a_training_names_the_kernel_where_it_may_be_taken(job: Job) -> None:
    assert attention.capability(torch.device("cpu")) is None
    task = TrainingTask((), (), replace(job.settings, lora_dropout=0.0), job.prompt)
    for device, dtype in (("cpu", "float32"), ("cpu", "bfloat16"), ("cuda:0", "float32"), ("cuda:0", "bfloat16")):
        added = ["varlen_attn"] if (device, dtype) == ("cuda:0", "bfloat16") else []
        assert trainer._added(replace(job.base, device=device, dtype=dtype), task, None, None) == ["", "", *added]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_kernel_gives_the_logits_and_gradients_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    for config in CONFIGS:
        torch.manual_seed(0)
        for kernel, loop in on_gpu(config, monkeypatch):
            assert (kernel - loop).abs().max() < 5e-2 * loop.abs().max()


def on_gpu(config: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, torch.Tensor]]:  # noqa: ANN401
    """Return what the kernel and the loop give: logits, then the gradient of a layer's weight."""
    model = AutoModelForCausalLM.from_config(config, attn_implementation=SEGMENTED, dtype=torch.bfloat16).cuda().eval()
    joined = {name: each.cuda() if torch.is_tensor(each) else each for name, each in row([3, 11, 1, 7]).items()}
    weight = next(parameter for name, parameter in model.named_parameters() if "attn" in name)
    found = []
    for generation in (torch.cuda.get_device_capability(), None):
        monkeypatch.setattr(attention, "capability", lambda _, at=generation: at)
        logits = model(**joined, use_cache=False).logits.float()
        found.append((logits.detach(), torch.autograd.grad(logits.logsumexp(-1).sum(), weight)[0].float()))
    return list(zip(*found, strict=True))
