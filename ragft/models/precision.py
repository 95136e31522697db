"""In which precision this machine can compute at a useful speed."""

import functools
import logging
import platform
from pathlib import Path

LOG = logging.getLogger(__name__)
# What Linux shows of a GPU: NVIDIA's, AMD's, and one behind Windows.
_GPU_FILES = ("nvidia[0-9]*", "kfd", "dxg")


def computable(dtype: str, devices: Path = Path("/dev")) -> str:
    """Return the precision that is computed in, which a key of results names: ``dtype``, with two exceptions.

    auto is bfloat16 where there is a GPU, and stays auto elsewhere. A bfloat16 that the CPU only imitates is float32,
    which is said once: imitated it is slower and as inexact as a real one.
    """
    if dtype == "auto":
        return "bfloat16" if _may_have_gpu(devices) and _has_gpu() else "auto"
    return "float32" if dtype == "bfloat16" and not _has_bfloat16() else dtype


def _may_have_gpu(devices: Path) -> bool:
    """Return False where no GPU can be, so that torch need not be imported to ask."""
    return platform.system() != "Linux" or any(any(devices.glob(pattern)) for pattern in _GPU_FILES)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@functools.cache
def _has_bfloat16() -> bool:
    import torch

    if _has_gpu():
        return True
    if platform.machine() in ("aarch64", "arm64"):
        found = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    else:
        found = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if not found:
        LOG.warning("this CPU has no bfloat16: computing in float32, which is faster here and more exact")
    return found
