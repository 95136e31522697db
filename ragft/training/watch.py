"""Who is told of training, what stops it, and when a checkpoint is made and when it counts."""

import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ragft.errors import DivergedError
from ragft.models.fingerprint import write_manifest
from ragft.models.loading import LoadedModel
from ragft.store.kill_points import kill_point
from ragft.training.checkpoints import KEPT, SECONDS_BETWEEN, checkpoints_newest_first

OnLog = Callable[[int, Mapping[str, float]], None]
"""Called with (optimiser step, metrics): train_loss, learning_rate, grad_norm; dev_loss at the start and epoch ends."""
MEASURED = "measured"
OnProgress = Callable[[int, int], None]
"""Called with (optimiser steps done, all of them)."""


@dataclass(frozen=True)
class Watch:
    """The callbacks of one training, and the learning rate for messages about it.

    Attributes:
        measure: Given the model before training and after each epoch; its metrics go to ``on_log``.
    """

    on_log: OnLog
    on_progress: OnProgress
    learning_rate: float
    measure: Callable[[LoadedModel], Mapping[str, float]] | None = None

    def require_finite(self, value: float, what: str, step: int) -> None:
        """Stop training when a number is infinite or not a number.

        Raises:
            DivergedError: Naming the number, the step and what to change.
        """
        if not math.isfinite(value):
            raise DivergedError(
                f"the {what} became {value} at step {step} with learning_rate {self.learning_rate}: training stopped "
                "and no adapter was saved; use a smaller learning_rate, or dtype float32 where it was float16"
            )


def named(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return what a log entry of the trainer says, under our names; empty for its summary at the end."""
    if MEASURED in logs:
        return dict(logs[MEASURED])
    if "eval_loss" in logs:
        return {"dev_loss": float(logs["eval_loss"])}
    if "loss" not in logs:
        return {}
    names = {"loss": "train_loss", "learning_rate": "learning_rate", "grad_norm": "grad_norm"}
    return {ours: float(logs[theirs]) for theirs, ours in names.items() if theirs in logs}


class WatchCallback(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """Tells the caller, decides when to evaluate and to save, and marks checkpoints as whole."""

    def __init__(self, watch: Watch, *, has_dev: bool, measure: Callable[[], Mapping[str, float]] | None) -> None:
        self._watch = watch
        self._has_dev = has_dev
        self._measure = measure
        self._saved = self._began = time.monotonic()
        self.step_seconds = 0.0

    def on_train_begin(self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any) -> None:  # noqa: ANN401
        """Tell the steps before a resume again, so that a new run has the whole curve."""
        for entry in state.log_history:
            if metrics := named(entry):
                self._watch.on_log(int(entry["step"]), metrics)
        self._watch.on_progress(state.global_step, state.max_steps)
        if state.global_step == 0:
            self._take_measure(state)

    def _take_measure(self, state: TrainerState) -> None:
        """Measure the model, report the result, and keep it in the trainer's own history, which checkpoints hold."""
        if self._measure is not None:
            found = dict(self._measure())
            state.log_history.append({MEASURED: found, "step": state.global_step, "epoch": state.epoch})
            self._watch.on_log(state.global_step, found)

    def on_step_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Start the clock: evaluation, logging and saving are not training time."""
        self._began = time.monotonic()

    def on_step_end(self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ANN401
        """Stop the clock, and ask for a checkpoint when the last one is two minutes old."""
        self.step_seconds += time.monotonic() - self._began
        self._watch.on_progress(state.global_step, state.max_steps)
        control.should_save = time.monotonic() - self._saved > SECONDS_BETWEEN

    def on_epoch_end(self, _args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ANN401
        """Measure, and ask for a dev loss, and for a checkpoint unless this was the last epoch."""
        self._take_measure(state)
        control.should_evaluate = self._has_dev
        control.should_save = state.global_step < state.max_steps

    def on_log(
        self,
        _args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: Mapping[str, float],
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Pass the metrics on, and stop training when one is not finite, before a checkpoint could hold it."""
        metrics = named(logs)
        for what, value in metrics.items():
            self._watch.require_finite(value, what.replace("_", " "), state.global_step)
        if metrics:
            self._watch.on_log(state.global_step, metrics)

    def on_save(self, args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any) -> None:  # noqa: ANN401
        """Write the manifest that makes the checkpoint count, then forget all but the two newest."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        kill_point("finetune.checkpoint")  # its files are there, and it does not count yet
        write_manifest(folder)
        for old in checkpoints_newest_first(folder.parent)[KEPT:]:
            shutil.rmtree(old)
        self._saved = time.monotonic()
