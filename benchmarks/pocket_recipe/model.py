"""The pocket model while it is trained: a Llama over trees of text, and its induction-ready start.

The forward pass equals that of transformers' Llama on every path of a tree; `to_llama` writes the
weights under Llama's own names, so the shipped model needs no code of ours.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.pocket_recipe.samples import ASSISTANT, BEGIN, END, PAD, TOPICS, USER, PackedTree

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}" + ASSISTANT + "{{ message['content'] }}{{ eos_token }}"
    "{% else %}" + USER + "{{ message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}" + ASSISTANT + "{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the model."""

    vocabulary: int = 2048
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    pairs: int = 2  # key-value heads
    head: int = 64
    inner: int = 512
    context: int = 2048
    theta: float = 1e6


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows laid end to end: ``tokens``, ``positions``, ``weights`` [T], ``source`` [T] the index of what predicts each.

    ``spans`` holds begin, end of the root segment and end of each row; ``masks`` what the tokens
    after the root may see of their row, as something to add to attention scores.
    """

    tokens: Tensor
    positions: Tensor
    weights: Tensor
    source: Tensor
    topics: Tensor
    spans: tuple[tuple[int, int, int], ...]
    masks: tuple[Tensor, ...]


def make_batch(rows: list[PackedTree], dtype: torch.dtype = torch.float32, device: str = "cpu") -> Batch:
    """Return rows as one batch; masks are of ``dtype``."""
    spans, masks, sources, start = [], [], [], 0
    for row in rows:
        length = len(row.tokens)
        segment = torch.from_numpy(row.segment)
        root = int((segment == 0).sum())
        seen = torch.from_numpy(row.sees)[segment[root:]][:, segment].tril(root)
        masks.append(torch.zeros(length - root, length, dtype=dtype).masked_fill(~seen, -math.inf)[None, None])
        spans.append((start, start + root, start + length))
        sources.append(torch.from_numpy(row.previous).clamp(min=0) + start)
        start += length

    def joined(name: str) -> Tensor:
        return torch.cat([torch.from_numpy(getattr(row, name)) for row in rows]).to(device)

    return Batch(
        joined("tokens"),
        joined("positions"),
        joined("weights"),
        torch.cat(sources).to(device),
        joined("topics"),
        tuple(spans),
        tuple(mask.to(device) for mask in masks),
    )


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward part."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        wide, narrow = shape.heads * shape.head, shape.pairs * shape.head
        self.q_proj = nn.Linear(shape.hidden, wide, bias=False)
        self.k_proj = nn.Linear(shape.hidden, narrow, bias=False)
        self.v_proj = nn.Linear(shape.hidden, narrow, bias=False)
        self.o_proj = nn.Linear(wide, shape.hidden, bias=False)
        self.gate_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.hidden, bias=False)
        self.input_layernorm = nn.Parameter(torch.ones(shape.hidden))
        self.post_attention_layernorm = nn.Parameter(torch.ones(shape.hidden))
        self.shape = shape

    def forward(self, hidden: Tensor, cosine: Tensor, sine: Tensor, batch: Batch) -> Tensor:
        """Return hidden states [T, hidden] after the layer."""
        shape = self.shape
        normed = functional.rms_norm(hidden, (shape.hidden,), self.input_layernorm, 1e-6)
        joined = torch.cat((self.q_proj.weight, self.k_proj.weight, self.v_proj.weight))
        states = functional.linear(normed, joined).view(-1, shape.heads + 2 * shape.pairs, shape.head)
        query = states[:, : shape.heads]
        key, value = states[:, shape.heads :].chunk(2, 1)
        repeats = shape.heads // shape.pairs
        query = _rotate(query, cosine, sine).transpose(0, 1).unsqueeze(0)
        key = _rotate(key, cosine, sine).repeat_interleave(repeats, 1).transpose(0, 1).unsqueeze(0)
        value = value.repeat_interleave(repeats, 1).transpose(0, 1).unsqueeze(0)
        attend = functional.scaled_dot_product_attention
        mixed = []
        for (begin, root, end), mask in zip(batch.spans, batch.masks, strict=True):
            one, rest, row = slice(begin, root), slice(root, end), slice(begin, end)
            mixed.append(attend(query[:, :, one], key[:, :, one], value[:, :, one], is_causal=True))
            if root < end:
                mixed.append(_attend(query[:, :, rest], key[:, :, row], value[:, :, row], mask))
        attended = torch.cat(mixed, 2)[0].transpose(0, 1).reshape(-1, shape.heads * shape.head)
        hidden = hidden + self.o_proj(attended)
        normed = functional.rms_norm(hidden, (shape.hidden,), self.post_attention_layernorm, 1e-6)
        both = functional.linear(normed, torch.cat((self.gate_proj.weight, self.up_proj.weight)))
        gate, up = both.chunk(2, -1)
        after: Tensor = hidden + self.down_proj(functional.silu(gate) * up)
        return after


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Return masked attention, written out: in bf16 on a CPU twice as fast as the fused kernel."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return torch.softmax(scores + mask, -1) @ value


def _rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    half = states.shape[-1] // 2
    turned = torch.cat((-states[..., half:], states[..., :half]), -1)
    return (states * cosine[:, None] + turned * sine[:, None]).to(states.dtype)


class PocketModel(nn.Module):
    """The model in training."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Parameter(torch.zeros(shape.vocabulary, shape.hidden))
        self.blocks = [Block(shape) for _ in range(shape.layers)]
        self.layers = nn.ModuleList(self.blocks)
        self.norm = nn.Parameter(torch.ones(shape.hidden))
        steps = torch.arange(shape.head // 2, dtype=torch.float32) * 2 / shape.head
        self.register_buffer("frequencies", shape.theta**-steps, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """Return hidden states [T, hidden] after the last norm."""
        angles = batch.positions[:, None].float() * self.get_buffer("frequencies")
        angles = torch.cat((angles, angles), -1)
        cosine, sine = angles.cos(), angles.sin()
        hidden = self.embed_tokens[batch.tokens]
        for layer in self.blocks:
            hidden = layer(hidden, cosine, sine, batch)
        return functional.rms_norm(hidden, (self.shape.hidden,), self.norm, 1e-6)

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the weighted mean cross-entropy, and [topics, 2] how many value tokens were right, of how many."""
        hidden = self(batch)
        chosen = batch.weights > 0
        logits = functional.linear(hidden[batch.source[chosen]], self.embed_tokens).float()
        targets, weights, topics = batch.tokens[chosen], batch.weights[chosen], batch.topics[chosen]
        losses = functional.cross_entropy(logits, targets, reduction="none")
        valued = topics >= 0
        right = (logits[valued].argmax(-1) == targets[valued]).float()
        counts = torch.zeros(len(TOPICS), 2, device=right.device)
        counts.index_add_(0, topics[valued], torch.stack((right, torch.ones_like(right)), 1))
        return (losses * weights).sum() / weights.sum(), counts


# Where a hidden state keeps what, at the start: a constant, the token's code, and the codes of the
# tokens 1, 2 and 3 places back.
_CONSTANT = 0
_CODE = slice(1, 96)
_BACK = (slice(96, 160), slice(160, 224), slice(224, 256))
_SCALE = 1.0  # of the residual stream; small, a few steps of Muon would drown the structure
_SLOW = 15  # rotary pairs from here on turn less than a radian within 600 tokens


@torch.no_grad()
def start_inducing(model: PocketModel, seed: int) -> None:
    """Give the model weights that already copy: 'what followed this token the last time?'.

    Layer 0 stores the codes of the three tokens before; layer 1 finds places whose stored codes match
    the present tokens and copies what stands there (induction heads, arXiv 2209.11895). Written for
    4 heads of 64, 2 key-value heads and 256 dimensions.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = model.shape

    def noise(*size: int, std: float) -> Tensor:
        return torch.randn(*size, generator=generator) * std

    for block in model.blocks:
        for linear in (block.q_proj, block.k_proj, block.v_proj, block.gate_proj, block.up_proj):
            linear.weight.copy_(noise(*linear.weight.shape, std=0.03))
        for linear in (block.o_proj, block.down_proj):
            linear.weight.copy_(noise(*linear.weight.shape, std=0.003))
    model.embed_tokens.copy_(noise(shape.vocabulary, shape.hidden, std=0.01 * _SCALE))
    model.embed_tokens[:, _CODE] = noise(shape.vocabulary, 95, std=_SCALE)
    model.embed_tokens[:, _CONSTANT] = 5 * _SCALE
    model.norm.fill_(0.06 / _SCALE)  # so that logits begin moderate
    code = torch.linalg.qr(noise(95, 64, std=1.0))[0].T  # [64, 95], orthonormal rows
    _store_previous(model.blocks[0], code, model.get_buffer("frequencies"))
    _copy_followers(model.blocks[1], code)


def _store_previous(block: Block, code: Tensor, frequencies: Tensor) -> None:
    q, k, v, o = block.q_proj.weight, block.k_proj.weight, block.v_proj.weight, block.o_proj.weight
    constant = 5 / math.sqrt((95 + 25) / 256)  # its value after the norm
    fast, strength = 8, 7.7
    for pair in range(2):
        k[pair * 64 : pair * 64 + 64] = 0
        k[pair * 64 : pair * 64 + fast, _CONSTANT] = strength / constant
        v[pair * 64 : pair * 64 + 64] = 0
        v[pair * 64 : pair * 64 + 64, _CODE] = code
    for head, back in enumerate((1, 2, 3)):
        rows = slice(head * 64, head * 64 + 64)
        q[rows] = 0
        angle = back * frequencies[:fast]
        q[head * 64 : head * 64 + fast, _CONSTANT] = angle.cos() * strength / constant
        q[head * 64 + 32 : head * 64 + 32 + fast, _CONSTANT] = -angle.sin() * strength / constant
        place = _BACK[head]
        width = place.stop - place.start
        o[place, head * 64 : head * 64 + width] = torch.eye(width) * _SCALE / 1.46


def _copy_followers(block: Block, code: Tensor) -> None:
    q, k, v, o = block.q_proj.weight, block.k_proj.weight, block.v_proj.weight, block.o_proj.weight
    slow = 32 - _SLOW
    first = torch.arange(_SLOW, 32)
    second = first + 32
    gain = 1.9
    k[:128] = 0
    one, two = torch.arange(slow), torch.arange(slow, 2 * slow)
    k[first, _BACK[0].start + one] = gain
    k[second, _BACK[0].start + two] = gain
    k[64 + first, _BACK[0].start + one] = gain
    k[64 + second, _BACK[1].start + one] = gain
    for pair in range(2):
        v[pair * 64 : pair * 64 + 64] = 0
        v[pair * 64 : pair * 64 + 64, _CODE] = code
    q[:256] = 0
    for head, strength in ((0, gain), (1, gain / 1.5)):
        q[head * 64 + first, _CODE] = code[one] * strength
        q[head * 64 + second, _CODE] = code[two] * strength
    q[128 + first, _CODE] = code[one] * gain * 1.2
    q[128 + second, _BACK[0].start + one] = gain * 1.2
    q[192 + second, _BACK[0].start + one] = gain
    q[192 + first, _CODE] = code[one] * gain * 0.3
    for head, strength in enumerate((1.0, 0.5, 3.0, 0.3)):
        o[_CODE, head * 64 : head * 64 + 64] = code.T * strength * _SCALE * 1.5


def llama_config(shape: Shape, tokenizer: Tokenizer) -> LlamaConfig:
    """Return the configuration under which transformers loads the model."""
    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.pairs,
        head_dim=shape.head,
        max_position_embeddings=shape.context,
        rope_parameters={"rope_type": "default", "rope_theta": shape.theta},
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(BEGIN),
        eos_token_id=tokenizer.token_to_id(END),
        pad_token_id=tokenizer.token_to_id(PAD),
        dtype="bfloat16",
    )


def to_llama(model: PocketModel, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """Return the model as transformers' own Llama, in float32."""
    llama = LlamaForCausalLM(llama_config(model.shape, tokenizer)).float()
    state = {"model.embed_tokens.weight": model.embed_tokens.detach(), "model.norm.weight": model.norm.detach()}
    for index, block in enumerate(model.blocks):
        prefix = f"model.layers.{index}"
        for name, tensor in block.state_dict().items():
            group = "self_attn." if name[:2] in ("q_", "k_", "v_", "o_") else "mlp." if "_proj" in name else ""
            state[f"{prefix}.{group}{name if '_proj' in name else name + '.weight'}"] = tensor
    missing, unexpected = llama.load_state_dict(state, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise RuntimeError(f"weights do not fit Llama: missing {missing}, unexpected {unexpected}")
    llama.tie_weights()
    return llama.eval()


def export(model: PocketModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the model in bf16 and its tokenizer with chat template, for `from_pretrained`."""
    folder.mkdir(parents=True, exist_ok=True)
    llama = to_llama(model, tokenizer).to(torch.bfloat16)
    llama.generation_config.do_sample = False
    llama.generation_config.max_new_tokens = 96
    llama.save_pretrained(folder)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        model_max_length=model.shape.context,
        clean_up_tokenization_spaces=False,
        additional_special_tokens=[USER, ASSISTANT],
    )
    wrapped.chat_template = CHAT_TEMPLATE
    wrapped.save_pretrained(folder)
