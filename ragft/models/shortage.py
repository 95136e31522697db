"""Recognises that a device ran out of memory, and frees what the failed work had taken."""

import gc

import torch

# PyTorch has a class for a GPU's shortage; its allocator on the CPU raises a plain RuntimeError.
_ON_CPU = "DefaultCPUAllocator: can't allocate memory"


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on a GPU or on the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _ON_CPU in str(error)


def give_back() -> None:
    """Free what the failed work held. Call it when its exception, which keeps its frames alive, is gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
