"""When an error says that memory ran out, and what is said of a model that does not fit."""

import platform

import psutil
import pytest
import torch

from ragft import shortage
from ragft.errors import PrerequisiteError

# What PyTorch raised on an H200 that other processes had filled.
DRIVER = "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://docs.nvidia.com/cuda/"
CUBLAS = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
CUDNN = "Expected mha_graph.execute(handle, variant_pack, workspace_ptr.get()).is_good() to be true, but got false."


def gpu(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 140 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 2**29)


@pytest.mark.parametrize("said", [DRIVER, CUBLAS, "DefaultCPUAllocator: can't allocate memory: you tried to"])
def test_a_shortage_is_known_by_what_it_says(said: str) -> None:
    assert shortage.is_shortage(RuntimeError(said))
    assert not shortage.is_shortage(ValueError(said))
    assert not shortage.is_shortage(RuntimeError("CUDA error: device-side assert triggered"))


def test_attention_that_failed_is_a_shortage_only_where_the_gpu_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, free=50 * 2**20)
    assert shortage.is_shortage(RuntimeError(CUDNN))
    gpu(monkeypatch, free=50 * 2**30)
    assert not shortage.is_shortage(RuntimeError(CUDNN))


def test_a_model_that_does_not_fit_is_named_with_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, free=2**29)
    said = r"the base big does not fit .* 1\.0 of 140 GiB are free: end"
    with pytest.raises(PrerequisiteError, match=said), shortage.told("the base big"):
        raise RuntimeError(DRIVER)
    with pytest.raises(RuntimeError, match="shape"), shortage.told("the base big"):
        raise RuntimeError("shape mismatch")


def test_a_gpu_too_full_to_ask_is_full_and_the_host_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> tuple[int, int]:
        raise RuntimeError(DRIVER)

    gpu(monkeypatch, free=0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)
    assert shortage.is_shortage(RuntimeError(CUDNN))
    with pytest.raises(PrerequisiteError, match="into the GPU's memory: end"), shortage.told("the base big"):
        raise RuntimeError(DRIVER)
    on_the_host = "DefaultCPUAllocator: can't allocate memory: you tried to"
    with pytest.raises(RuntimeError, match="DefaultCPU"), shortage.told("the base big"):
        raise RuntimeError(on_the_host)


def test_what_work_held_goes_back_to_the_machine() -> None:
    def held() -> int:
        return psutil.Process().memory_info().rss

    # Small blocks come from the heap, where one that stays keeps all below it.
    blocks = [bytearray(50_000) for _ in range(4_000)]
    stays, before = bytearray(50_000), held()
    del blocks
    shortage.give_back()
    if platform.libc_ver()[0] == "glibc":  # another C library frees in its own way, and must only not fail here
        assert before - held() > 150_000_000
    assert stays
