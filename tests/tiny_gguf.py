"""A base model folder of the tiny Llama as a GGUF file, as llama.cpp's converter writes it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGUFWriter, TokenType
from safetensors.numpy import load_file

Weights = npt.NDArray[np.float32]
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd", "model.norm": "output_norm",
}  # fmt: skip


def write_gguf(
    base: Path, file: Path, *, architecture: str = "llama", pre: str = "smollm", template: bool = True, lacks: str = ""
) -> Path:
    """Write the weights and the tokenizer of a base into a GGUF file and return it; ``lacks`` leaves a weight out."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    writer = GGUFWriter(file, architecture)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    _add_tokenizer(writer, base, pre=pre, template=template)
    for name, weights in load_file(base / "model.safetensors").items():
        if name == lacks:
            continue
        writer.add_tensor(_renamed(name), _as_llama_cpp(name, weights, config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _add_tokenizer(writer: GGUFWriter, base: Path, *, pre: str, template: bool) -> None:
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    special = {token["content"] for token in tokenizer["added_tokens"]}
    tokens = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(tokens.index("<|end|>"))
    writer.add_pad_token_id(tokens.index("<|pad|>"))
    writer.add_add_bos_token(False)
    if template:
        writer.add_chat_template((base / "chat_template.jinja").read_text(encoding="utf-8"))


def _renamed(name: str) -> str:
    plain, _, kind = name.rpartition(".")
    if plain in NAMES:
        return f"{NAMES[plain]}.{kind}"
    _, _, number, rest = plain.split(".", 3)
    return f"blk.{number}.{NAMES[rest]}.{kind}"


def _as_llama_cpp(name: str, weights: Weights, config: dict[str, Any]) -> Weights:
    """Return weights with the halves of each head interleaved, where llama.cpp rotates neighbours."""
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    count = next((number for part, number in heads.items() if part in name), 0)
    if not count:
        return weights
    rows, columns = weights.shape
    halves = weights.reshape(count, 2, rows // count // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, columns))
