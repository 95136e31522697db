"""In which precision this machine can compute at a useful speed."""

import functools
import logging
import platform

LOG = logging.getLogger(__name__)


def computable(dtype: str) -> str:
    """Return ``dtype``, or float32 for a bfloat16 that the CPU only imitates; that is said once.

    An imitated bfloat16 is slower than float32 and as inexact as a real one.
    """
    return "float32" if dtype == "bfloat16" and not _has_bfloat16() else dtype


@functools.cache
def _has_bfloat16() -> bool:
    import torch

    if torch.cuda.is_available():
        return True
    if platform.machine() in ("aarch64", "arm64"):
        found = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    else:
        found = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if not found:
        LOG.warning("this CPU has no bfloat16: computing in float32, which is faster here and more exact")
    return found
