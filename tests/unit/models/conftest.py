"""Models that every test of this folder shares; none of them changes one."""

from pathlib import Path

import pytest
import torch

from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base
from tests.tiny_model import tiny_base  # noqa: F401 - a fixture

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tiny_base: Path) -> LoadedModel:  # noqa: F811
    return load_base(str(tiny_base), device="cpu")


@pytest.fixture(scope="session")
def generator(tiny: LoadedModel) -> Generator:
    return Generator(tiny)
