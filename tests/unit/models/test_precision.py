"""A precision that the machine only imitates is not used, and that is said."""

import logging
from pathlib import Path

import pytest
import torch

from ragft.models import precision
from ragft.models.precision import computable


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without a GPU, whose CPU has nothing."""
    precision._has_bfloat16.cache_clear()
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    return monkeypatch


@pytest.fixture(autouse=True)
def forgotten() -> object:
    """What is known of the machine is asked again after each test."""
    yield
    precision._has_bfloat16.cache_clear()


def test_a_cpu_without_bfloat16_falls_back_with_one_sentence(
    cpu: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert [computable("bfloat16") for _ in range(3)] == ["float32"] * 3
    assert caplog.messages == ["this CPU has no bfloat16: computing in float32, which is faster here and more exact"]


@pytest.mark.parametrize("has", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_a_cpu_that_has_it_uses_it(cpu: pytest.MonkeyPatch, has: str) -> None:
    cpu.setattr(torch.cpu, has, lambda: True)
    assert computable("bfloat16") == "bfloat16"


def test_a_gpu_has_it(cpu: pytest.MonkeyPatch) -> None:
    cpu.setattr(torch.cuda, "is_available", lambda: True)
    assert computable("bfloat16") == "bfloat16"


def test_other_precisions_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(precision, "_has_bfloat16")
    assert [computable(name) for name in ("float16", "float32")] == ["float16", "float32"]


@pytest.mark.parametrize(
    ("file", "gpu", "computed"),
    [("nvidia0", True, "bfloat16"), ("nvidia0", False, "auto"), ("tty0", True, "auto")],
)
def test_auto_is_named_by_what_it_is_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, gpu: bool, computed: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    (tmp_path / file).touch()
    assert computable("auto", tmp_path) == computed
