"""What comes out of a training, and what else is measured on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragft.models.loading import LoadedModel

ADAPTER = "adapter"
HISTORY = "history.json"  # written last: the adapter is finished


@dataclass(frozen=True)
class Measure:
    """What is measured before training and after each epoch, besides the losses.

    Attributes:
        key: Identity of what is asked; part of the training's key, since the history of a training holds its results.
        run: A function from the model, ready to generate, to metrics.
    """

    key: str
    run: Callable[[LoadedModel], Mapping[str, float]]


@dataclass(frozen=True)
class TrainResult:
    """What came out of training.

    Attributes:
        adapter: Folder of the adapter with tokenizer, lineage and manifest.
        identity: Hash of the adapter's weights, configuration and tokenizer.
        key: Hash of base, examples and settings: the same key gives the same adapter.
        train_loss: Mean over all optimiser steps, including those before a resume.
        dev_losses: Before training and after each epoch; token-weighted; empty without dev examples.
        tokens_per_second: Real tokens (there is no padding) through forward and backward passes.
        peak_memory_bytes: GPU memory allocated, or resident memory of the whole process on a CPU.
        resumed_from: Step of the checkpoint from which training went on; 0 for none.
        batch: Examples in one forward pass: fewer than asked for if memory was short.
        batch_tokens: Most tokens in one forward pass, which then decide in place of ``batch``: fewer than asked for if
            memory was short; 0 for no limit.
        reused: True when the adapter was already there and nothing was trained.
    """

    adapter: Path
    identity: str
    key: str
    steps: int
    examples: int
    too_long: int
    dropped_passages: int
    dropped_golden: int
    trainable_parameters: int
    all_parameters: int
    train_loss: float
    dev_losses: tuple[float, ...]
    tokens: int
    answer_tokens: int
    tokens_per_second: float
    peak_memory_bytes: int
    seconds: float
    padding_free: bool
    batch: int
    batch_tokens: int = 0
    resumed_from: int = 0
    passed_over: tuple[str, ...] = ()
    reused: bool = False

    def metrics(self) -> dict[str, float]:
        """Return what a run logs once about it; no name is that of a curve, whose last step it would hide."""
        names = (
            "steps examples too_long dropped_passages dropped_golden batch trainable_parameters all_parameters "
            "tokens answer_tokens tokens_per_second peak_memory_bytes seconds"
        )
        values = {name: float(getattr(self, name)) for name in names.split()}
        values["train_loss_mean"] = self.train_loss
        if self.batch_tokens:
            values["batch_tokens"] = float(self.batch_tokens)
        if self.dev_losses:
            values |= {"dev_loss_before": self.dev_losses[0], "dev_loss_after": self.dev_losses[-1]}
        return values


def result_of(adapter: Path, identity: str, measured: Mapping[str, Any]) -> TrainResult:
    """Return the result of a finished training from what was measured of it, as its lineage keeps it."""
    sequences = {name: tuple(measured[name]) for name in ("dev_losses", "passed_over")}
    return TrainResult(adapter=adapter, identity=identity, **{**measured, **sequences})
