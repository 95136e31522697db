"""Recognises that a device ran out of memory, and frees what work that is over had taken."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from ragft.errors import PrerequisiteError

# PyTorch has a class for its own allocator's shortage on a GPU. Others raise a plain RuntimeError: its allocator on the
# CPU, and, where other processes fill the GPU, the driver and cuBLAS.
_ON_CPU = "DefaultCPUAllocator: can't allocate memory"
_SAID = (_ON_CPU, "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
# cuDNN's attention says only that it failed.
_MAYBE = "mha_graph"
_FULL_BYTES = 2**30


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on a GPU or on the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    said = str(error)
    return any(each in said for each in _SAID) or (_MAYBE in said and _gpu_is_full())


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say of a model that does not fit into a GPU how much is free there.

    Raises:
        PrerequisiteError: In the place of a shortage on a GPU; any other error stays what it is.
    """
    try:
        yield
    except RuntimeError as error:
        if _ON_CPU in str(error) or not is_shortage(error) or not torch.cuda.is_available():
            raise
        raise PrerequisiteError(
            f"{what} does not fit into the GPU's memory{_free()}: end what else uses it, or set CUDA_VISIBLE_DEVICES= "
            "(empty) to work on the CPU"
        ) from error


def _free() -> str:
    """Return how much other processes leave free, as a clause; "" where the GPU is too full even to say that."""
    try:
        free, total = torch.cuda.mem_get_info()
    except RuntimeError:
        return ""
    free += torch.cuda.memory_reserved()  # what this process holds already, half a model perhaps
    return f", of which {free / 2**30:.1f} of {total / 2**30:.0f} GiB are free"


def _gpu_is_full() -> bool:
    try:
        return torch.cuda.is_available() and torch.cuda.mem_get_info()[0] < _FULL_BYTES
    except RuntimeError:
        return True


def give_back() -> None:
    """Free what work that is over held; after a failure, once its exception, which keeps its frames, is gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    # glibc keeps what it freed between other blocks: after training that is most of what training took.
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
