"""Trains one optimiser step, in each process that torchrun starts, and keeps the gradients of the first process."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from ragft.models.loading import load_base
from ragft.prompts.answer import load_answer_prompt
from ragft.training.encoding import encode
from ragft.training.loop import Loop
from ragft.training.methods import TrainingSettings, attach
from ragft.training.watch import Watch
from tests.unit.training.conftest import EXAMPLES, PARAMS

GLOBAL_BATCH = 6


class Keep(TrainerCallback):  # type: ignore[misc] # transformers is untyped
    """Keeps the gradients as the optimiser is about to see them, and ends training."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:  # noqa: ANN401
        """Save them from the first process; all have the same."""
        if os.environ.get("RANK", "0") == "0":
            found = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
            torch.save({name.removeprefix("module."): grad.clone() for name, grad in found.items()}, self._out)

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """End."""
        control.should_training_stop = True


base_folder, folder, out = map(Path, sys.argv[1:])
torch.set_num_threads(1)
base = load_base(str(base_folder), device="cpu")
processes = int(os.environ.get("WORLD_SIZE", "1"))
settings = replace(TrainingSettings.from_params(PARAMS), lora_dropout=0.0, batch_size=GLOBAL_BATCH // processes)
# As many examples as one step takes, so that it is made of the same ones however they are shared out.
encoded = encode(EXAMPLES[:GLOBAL_BATCH], base, load_answer_prompt(), settings.max_length, 0)
adapted = replace(base, model=attach(base, settings, None))
loop = Loop(adapted, encoded.examples, (), settings, folder, Watch(print, print, 1e-3))
assert loop.padding_free
loop._trainer.add_callback(Keep(out))
loop.run(None)
