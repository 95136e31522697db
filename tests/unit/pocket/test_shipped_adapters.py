"""The shipped weights take adapters however they are loaded."""

from pathlib import Path

import pytest

from benchmarks.pocket_model import MODEL
from benchmarks.pocket_speed import WAYS, finetune
from ragft.models.generation import Generator
from ragft.models.loading import adapter_is_active, load_adapter, load_base, without_adapter

pytestmark = pytest.mark.slow

MESSAGE = "Answer the question.\n\nQuestion: What is the monthly price of Golden Falcon?"


@pytest.mark.parametrize("way", WAYS)
def test_the_pocket_model_is_fine_tuned(way: str, tmp_path: Path) -> None:
    quantization, method = WAYS[way]
    base = load_base(str(MODEL), quantization=quantization, device="cpu")
    before = Generator(base).generate([MESSAGE], 24)[0].text
    result = finetune(base, method, 16, tmp_path)
    assert result.steps == 6
    assert result.train_loss > 0
    tuned = load_adapter(base, result.adapter, result.identity)
    assert adapter_is_active(tuned)
    assert Generator(without_adapter(tuned)).generate([MESSAGE], 24)[0].text == before
