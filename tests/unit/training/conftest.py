"""A small base, examples of uneven length, and settings that train in a second."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ragft.models.loading import LoadedModel, load_base
from ragft.params.training import FinetuneParams
from ragft.prompts.answer import AnswerPrompt, load_answer_prompt
from ragft.training.formats import TrainingExample
from ragft.training.methods import TrainingSettings
from ragft.training.result import Measure, TrainResult
from ragft.training.trainer import TrainingTask, train
from ragft.training.watch import WatchCallback
from tests.tiny_model import tiny_base  # noqa: F401 - a fixture

torch.set_num_threads(1)
PARAMS = FinetuneParams(epochs=3, batch_size=5, learning_rate=2e-3, lora_rank=4, lora_alpha=8, lora_dropout=0.1)
EXAMPLES = tuple(
    TrainingExample(
        question_id=str(number),
        question=f"What is entry {number}? " + "Say more. " * (number % 4 * 3),
        passages=tuple(f"Passage {place} of {number}. " * place for place in range(number % 3)),
        answer=f"It is {number * 7}" + " and so on" * (number % 5) + ".",
    )
    for number in range(14)
)


@dataclass
class Job:
    """A training to run with changes: 14 examples, 3 steps an epoch, 9 steps."""

    base: LoadedModel
    prompt: AnswerPrompt = field(default_factory=load_answer_prompt)
    settings: TrainingSettings = field(default_factory=lambda: TrainingSettings.from_params(PARAMS))
    told: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def train(
        self,
        folder: Path,
        examples: Sequence[TrainingExample] = EXAMPLES,
        dev: Sequence[TrainingExample] = EXAMPLES[:3],
        on_progress: Any = None,  # noqa: ANN401
        measure: Measure | None = None,
        parent: Path | None = None,
        *,
        processes: int = 1,
        batch_tokens: int = 0,
        shard: bool = False,
        **changes: Any,  # noqa: ANN401
    ) -> TrainResult:
        """Train with changed settings; what is logged is in ``told`` afterwards."""
        self.told = []
        settings = replace(self.settings, **changes)
        return train(
            self.base,
            TrainingTask(examples, dev, settings, self.prompt, processes, batch_tokens, shard),
            folder,
            on_log=lambda step, metrics: self.told.append((step, dict(metrics))),
            on_progress=on_progress,
            lineage={"samples": len(examples)},
            measure=measure,
            parent=parent,
        )


def weights(result: TrainResult) -> dict[str, torch.Tensor]:
    return load_file(result.adapter / "adapter_model.safetensors")


def farthest(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """Return the largest difference, relative to the largest number."""
    assert one.keys() == two.keys()
    scale = max(float(each.abs().max()) for each in one.values())
    return max(float((two[name] - each).abs().max()) for name, each in one.items()) / scale


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The gradients of the first step of each training, once they are clipped."""
    found: list[dict[str, torch.Tensor]] = []

    def keep(_: Any, __: Any, state: Any, ___: Any, model: Any, **____: Any) -> None:  # noqa: ANN401
        if state.global_step == 0:
            found.append({name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None})

    monkeypatch.setattr(WatchCallback, "on_pre_optimizer_step", keep)
    return found


@pytest.fixture(scope="session")
def job(tiny_base: Path) -> Job:  # noqa: F811
    """Jobs share one base: training leaves it as it was, which a test proves."""
    return Job(load_base(str(tiny_base), device="cpu"))


@pytest.fixture
def base(tiny_base: Path) -> LoadedModel:  # noqa: F811
    return load_base(str(tiny_base), device="cpu")


@pytest.fixture
def prompt() -> AnswerPrompt:
    return load_answer_prompt()


@pytest.fixture
def examples() -> list[TrainingExample]:
    return list(EXAMPLES)
