"""A GGUF file, as llama.cpp reads it, becomes a base model folder: dense bfloat16 weights and a tokenizer.

Weights that stay packed can be neither saved nor trained, so they are unpacked once.
"""

import contextlib
import fcntl
import io
import json
import logging
import shutil
import struct
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragft.errors import PrerequisiteError
from ragft.store.disk import RoomAt, require_room

LOG = logging.getLogger(__name__)
# In the name of what was converted; raised where the same file would become another folder.
VERSION = 1
INSTALL = "pip install gguf"
# A weight that takes a quarter of a byte in the file takes two as bfloat16.
UNPACKED = 8
# `tokenizer.ggml.pre` of byte-level BPE -> that each digit is a piece of its own before words are cut; as llama.cpp
# (src/llama-vocab.cpp) cuts them. transformers knows the names with a pattern of their own and drops this.
DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
# Those that are cut as GPT-2 does, which is what transformers takes for every name that it does not know. A file that
# names none is cut in another way again, which transformers does not have.
AS_GPT2 = ("gpt-2", "phi-2", "mpt", "olmo", "jais")


def convert(file: Path, folder: Path) -> Path:
    """Return ``folder``, with the model of a GGUF file in it; it appears in one step, so it is whole or not there.

    Raises:
        PrerequisiteError: If ``gguf`` is not installed, the file is broken, or transformers does not know its
            architecture, how its weights are packed, or how its tokenizer cuts text.
    """
    metadata = _metadata(file)
    _require_package(file)
    place = folder.parent
    place.mkdir(parents=True, exist_ok=True)
    with (place / ".lock").open("w") as lock, RoomAt(place):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():  # another process was faster
            return folder
        for part in place.glob(".part-*"):  # of a process that was killed
            shutil.rmtree(part)
        require_room(place, UNPACKED * file.stat().st_size, f"{file} cannot be unpacked")
        with tempfile.TemporaryDirectory(dir=place, prefix=".part-") as made:
            _convert(file, metadata, Path(made) / "model")
            (Path(made) / "model").rename(folder)
    return folder


def _metadata(file: Path) -> Mapping[str, Any]:
    """Return what the file says of itself.

    Raises:
        PrerequisiteError: If it cannot be read, is cut off, or is of an architecture that transformers does not know.
    """
    from transformers.integrations.gguf import GGUF_ARCHS, GgufHeader, read_gguf_metadata
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    try:
        metadata: Mapping[str, Any] = read_gguf_metadata(str(file))[0]
        architecture = str(metadata["general.architecture"])
        known = sorted({*GGUF_SUPPORTED_ARCHITECTURES, *GGUF_ARCHS})
        if architecture not in known:
            raise PrerequisiteError(
                f"base {file} is a GGUF file of the architecture {architecture!r}, which transformers cannot read: "
                f"expected one of {', '.join(known)}"
            )
        header = GgufHeader.from_file(str(file))
    except (OSError, ValueError, KeyError, OverflowError, MemoryError, struct.error, IndexError) as error:
        raise PrerequisiteError(f"base {file} is no whole GGUF file ({error}): download it again") from error
    needed = header.data_start + max((info.offset + info.nbytes for info in header.tensors), default=0)
    if not header.tensors or file.stat().st_size < needed:
        raise PrerequisiteError(
            f"base {file} has {file.stat().st_size:,} bytes, its header announces {needed:,} with "
            f"{len(header.tensors)} weights: download it again"
        )
    return metadata


def _require_package(file: Path) -> None:
    from transformers.utils import is_gguf_available

    if not is_gguf_available():
        raise PrerequisiteError(f"base {file} is a GGUF file, and the package gguf is not installed: run `{INSTALL}`")


def _convert(file: Path, metadata: Mapping[str, Any], folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    given: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        # The bars of a work that is done once, and what is said to authors of models.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **given)
            cut_digits_apart(tokenizer, str(metadata.get("tokenizer.ggml.pre", "")), metadata, file)
            model, loaded = AutoModelForCausalLM.from_pretrained(
                file.parent,
                quantization_config=GgufConfig(dequantize=True),
                dtype=torch.bfloat16,
                output_loading_info=True,
                **given,
            )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise PrerequisiteError(f"base {file} cannot be read by transformers: {error}") from error
    if missing := sorted(loaded["missing_keys"]):
        raise PrerequisiteError(
            f"base {file} lacks {len(missing)} weights of its model, such as {missing[0]}: it is a part of a model, or "
            "broken; give a file that holds all of it"
        )
    if tokenizer.chat_template is None:
        LOG.warning("%s has no chat template: questions are asked as plain text (User: ... Assistant:)", file)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _without_added(folder / "tokenizer.json", int(metadata["tokenizer.ggml.tokens"]))
    for name in ("config.json", "generation_config.json"):
        _without_version(folder / name)


def cut_digits_apart(tokenizer: Any, name: str, metadata: Mapping[str, Any], file: Path) -> None:  # noqa: ANN401
    """Give a byte-level tokenizer back the cut before each digit, which transformers loses on reading GGUF.

    Raises:
        PrerequisiteError: If it is not known how the tokenizer called ``name`` cuts text.
    """
    from tokenizers import pre_tokenizers
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    if metadata.get("tokenizer.ggml.model") != "gpt2" or name in GGUF_PRE_TOKENIZER_SPLITS or name in AS_GPT2:
        return
    if name not in DIGITS_APART:
        raise PrerequisiteError(
            f"base {file} has the pre-tokenizer {name!r}, of which is not known how it cuts text: expected one of "
            f"{', '.join(sorted({*DIGITS_APART, *GGUF_PRE_TOKENIZER_SPLITS, *AS_GPT2}))}; convert the "
            "original model instead of its GGUF"
        )
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def _without_added(path: Path, count: int) -> None:
    """Take out tokens beyond the model's own ``count``: transformers adds GPT-2's to a vocabulary that lacks it."""
    values = json.loads(path.read_text(encoding="utf-8"))
    values["added_tokens"] = [token for token in values["added_tokens"] if token["id"] < count]
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False), encoding="utf-8")


def _without_version(path: Path) -> None:
    """Take the version of transformers out of a configuration: it is no property of the model."""
    if path.is_file():
        values = json.loads(path.read_text(encoding="utf-8"))
        values.pop("transformers_version", None)
        path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
