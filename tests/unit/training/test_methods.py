"""Adapters begin as the base, whatever its weights are."""

from dataclasses import replace

import pytest
import torch

from ragft.models.loading import LoadedModel
from ragft.params.values import METHODS
from ragft.training.methods import CONFIGS, TrainingSettings, attach
from tests.unit.training.conftest import PARAMS

IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.mark.parametrize("method", ["lora", "dora", "ia3"])
def test_a_base_with_empty_rows_can_be_adapted(method: str, base: LoadedModel) -> None:
    layer = base.model.model.layers[0].self_attn.q_proj
    layer.weight.data[3:9] = 0.0
    with torch.no_grad():
        alone = base.model(IDS).logits
    settings = replace(TrainingSettings.from_params(PARAMS), method=method, lora_dropout=0.0)
    adapted = attach(base, settings)
    logits = adapted(IDS).logits
    assert torch.equal(logits, alone)
    logits.sum().backward()
    trained = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    assert trained
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in trained if parameter.grad is not None)


def test_every_method_of_the_parameters_has_its_configuration() -> None:
    assert tuple(CONFIGS) == METHODS
