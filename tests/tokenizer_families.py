"""Tokenizer files of three families, written by hand: which control tokens they mark special, and which they list."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

BYTES = tuple(sorted(pre_tokenizers.ByteLevel.alphabet()))
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


@dataclass(frozen=True)
class Family:
    """What tells a family's tokenizer.json and tokenizer_config.json from another's.

    Attributes:
        controls: Special tokens that stand in ``added_tokens_decoder``; ``listed`` are those that the
            configuration names as well.
        pieces: The ordinary vocabulary.
        normalized: True where the control tokens are looked for after ``normalizer`` changed the text.
    """

    controls: tuple[str, ...]
    listed: Mapping[str, str]
    template: str
    pieces: tuple[str, ...] = BYTES
    normalizer: Any = None
    pre_tokenizer: Any = None
    decoder: Any = None
    model: Any = None
    normalized: bool = False


LLAMA_3 = Family(
    controls=(
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|python_tag|>",
    ),
    listed={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    template=(
        "{{ '<|begin_of_text|>' }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + "
        "m.content + '<|eot_id|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
    pre_tokenizer=BYTE_LEVEL,
    decoder=BYTE_LEVEL,
)
MISTRAL = Family(
    controls=("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
    listed={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    template=(
        "{{ '<s>' }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
        "{% else %}{{ m.content + '</s>' }}{% endif %}{% endfor %}"
    ),
    pieces=("▁", *(chr(code) for code in range(0x21, 0x7F)), *(f"<0x{byte:02X}>" for byte in range(256))),
    normalizer={
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ],
    },
    decoder={
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
    model={"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True},
)
CHATML = Family(
    controls=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    listed={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    template=(
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    normalizer={"type": "NFC"},
    pre_tokenizer=BYTE_LEVEL,
    decoder=BYTE_LEVEL,
)
# The same, but the tokens are looked for in the folded text: full-width letters spell them too.
FOLDED_CHATML = Family(
    CHATML.controls,
    CHATML.listed,
    CHATML.template,
    normalizer={"type": "NFKC"},
    pre_tokenizer=BYTE_LEVEL,
    decoder=BYTE_LEVEL,
    normalized=True,
)
FAMILIES = {"llama 3": LLAMA_3, "mistral": MISTRAL, "chatml": CHATML, "folded chatml": FOLDED_CHATML}


def load_family(family: Family, folder: Path) -> Any:  # noqa: ANN401 - any tokenizer
    """Write the family's two files and return the tokenizer that transformers makes of them."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": family.normalized, "special": True}
    added = [{"id": number, "content": token, **flags} for number, token in enumerate(family.controls)]
    vocabulary = {token: number for number, token in enumerate((*family.controls, *family.pieces))}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [], "fuse_unk": False, "byte_fallback": False}
    content = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": family.normalizer,
        "pre_tokenizer": family.pre_tokenizer,
        "post_processor": None,
        "decoder": family.decoder,
        "model": {**model, **(family.model or {})},
    }
    decoder = {str(token["id"]): {"content": token["content"], **flags} for token in added}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": decoder,
        "chat_template": family.template,
        **family.listed,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return AutoTokenizer.from_pretrained(folder)
