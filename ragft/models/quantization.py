"""How a base's weights are held: in full, in 4 bits by bitsandbytes, in 8 or 4 bits by optimum's quanto."""

from types import SimpleNamespace
from typing import Any, Literal

import torch
from transformers import BitsAndBytesConfig

Quantization = Literal["none", "nf4", "int8", "int4"]
# On CPUs that have bfloat16, bitsandbytes 0.50 packs 4-bit weights anew at the first evaluation, not quite back to the
# same values, and for a kernel that has no backward pass: a model that had written would train on lost gradients.
UNPACKED_SWITCH = "support_avx512bf16_for_cpu"


def loading_options(quantization: Quantization, dtype: torch.dtype, *, divisible: bool = False) -> dict[str, Any]:
    """Return what transformers must be told to load weights so; ``dtype`` is what they are computed in.

    ``divisible`` stores 4-bit weights as numbers of that type, bit by bit the same, as bitsandbytes documents it for
    FSDP, which puts the weights of a layer together as numbers of one type.
    """
    if quantization != "nf4":
        return {}
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype if divisible else None,
    )
    return {"quantization_config": config}


def quantize_loaded(model: Any, quantization: Quantization) -> None:  # noqa: ANN401
    """Quantise a model that was loaded in full, where quanto does it; keep nf4 weights as they were packed."""
    for layer in model.modules():
        if hasattr(layer, UNPACKED_SWITCH):
            setattr(layer, UNPACKED_SWITCH, False)
    if quantization in ("int8", "int4"):
        _quantize_with_quanto(model, quantization)


def _quantize_with_quanto(model: Any, quantization: str) -> None:  # noqa: ANN401
    from optimum import quanto
    from optimum.quanto.library.extensions import cpp

    # Left alone, quanto compiles its C++ into its own installed package at the first use of int4 on a CPU, which takes
    # a compiler and up to minutes, or fails.
    cpp.ext._lib = SimpleNamespace(unpack=_unpack)
    quanto.quantize(model, weights=quanto.qint8 if quantization == "int8" else quanto.qint4, exclude="lm_head")
    quanto.freeze(model)


def _unpack(packed: torch.Tensor, bits: int) -> torch.Tensor:
    """Return the ``bits``-wide numbers of each byte, the lowest ones of all bytes first."""
    return torch.cat([(packed >> shift) & (2**bits - 1) for shift in range(0, 8, bits)])
