import gc
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrypoints.quick_imports import quick_imports

COMMANDS = Path(__file__).resolve().parents[2] / "entrypoints"


@pytest.fixture(autouse=True)
def nothing_stays_frozen() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_in_the_block_nor_looked_at_after_it() -> None:
    before = gc.get_freeze_count()
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before + 1000


def test_an_import_that_fails_ends_it_too() -> None:
    with pytest.raises(ImportError), quick_imports():
        importlib.import_module("ragft.nowhere")
    assert gc.isenabled()


def test_who_collects_nothing_is_not_made_to() -> None:
    gc.disable()
    with quick_imports():
        pass
    assert not gc.isenabled()


def test_every_command_imports_its_step_so() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in COMMANDS.glob("*.py")}
    steps = {name: text for name, text in texts.items() if "from entrypoints.steps import" in text}
    assert len(steps) >= 10
    for name, text in steps.items():
        assert "        with quick_imports():\n            from entrypoints.steps import" in text, name
