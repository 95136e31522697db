"""LoRA on examples of uneven length: transformers' Trainer padding each batch to its longest, against ragft.

Same base, adapter, examples, batches and seed, one thread, in turn. Prints real tokens (no padding counted)
a CPU second, which other processes on the machine hardly change, the ratio, and the largest difference
between the losses of the two sides' optimiser steps, which is rounding. With --budget: ragft with 8 examples in one
forward pass against ragft with the same steps in passes of at most 1,536 tokens, and the peak memory of each.

    python -m benchmarks.training [--rounds 3] [--budget]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    DataCollatorForSeq2Seq,
    LlamaConfig,
    LlamaForCausalLM,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

from ragft import shortage
from ragft.models.loading import LoadedModel, load_base
from ragft.training import memory
from ragft.training.encoding import IGNORED, EncodedExample
from ragft.training.loop import Loop
from ragft.training.methods import TrainingSettings, attach
from ragft.training.watch import Watch
from tests.tiny_model import make_tokenizer

BATCH = 8
STEPS = 12
SETTINGS = TrainingSettings(
    method="lora", epochs=1, batch_size=BATCH, gradient_accumulation_steps=1, learning_rate=2e-4, lora_rank=16,
    lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", max_length=1536, seed=0,
)  # fmt: skip


@dataclass
class TimedTraining:
    """CPU seconds from the first step to the last, and the losses of the steps."""

    began: float = 0.0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    def step(self, done: int, _of: int) -> None:
        """Start the clock before the first step and read it after each."""
        if done == 0:
            self.began = time.process_time()
        self.seconds = time.process_time() - self.began

    def loss(self, _step: int, metrics: Mapping[str, float]) -> None:
        """Keep a step's loss."""
        self.losses.append(metrics["train_loss"])


class Told(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """Tells a run what happens in transformers' Trainer."""

    def __init__(self, run: TimedTraining) -> None:
        self._run = run

    def on_train_begin(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Pass on the beginning."""
        self._run.step(0, state.max_steps)

    def on_step_end(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Pass on the step."""
        self._run.step(state.global_step, state.max_steps)

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, float], **_: Any) -> None:  # noqa: ANN401
        """Pass on the loss."""
        if "loss" in logs:
            self._run.loss(0, {"train_loss": logs["loss"]})


def make_base(folder: Path) -> Path:
    """Write a random Llama of 4 M parameters, the shape of a small CPU model."""
    tokenizer = make_tokenizer(2048)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=640, num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=1536, tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def uneven_examples(count: int, median: int, seed: int = 0) -> list[EncodedExample]:
    """Return random tokens in lognormal lengths (sigma 1, at most 1,536), a tenth of each the answer."""
    draw = np.random.default_rng(seed)
    lengths = np.clip(draw.lognormal(np.log(median), 1.0, count), 16, 1536).astype(int)
    made = []
    for length in lengths:
        tokens = draw.integers(300, 2000, length).tolist()
        answer = max(4, length // 10)
        made.append(EncodedExample(tuple(tokens), (*[IGNORED] * (length - answer), *tokens[-answer:])))
    return made


def run_trainer(base: LoadedModel, examples: Sequence[EncodedExample]) -> TimedTraining:
    """Train with transformers' Trainer, each batch padded to its longest example."""
    model = attach(base, SETTINGS)
    run = TimedTraining()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=2e-4,
            lr_scheduler_type="linear", seed=0, use_cpu=True, report_to="none", save_strategy="no", logging_steps=1,
            disable_tqdm=True, dataloader_pin_memory=False,
        )  # fmt: skip
        rows = [{"input_ids": list(e.input_ids), "labels": list(e.labels)} for e in examples]
        collator = DataCollatorForSeq2Seq(base.tokenizer, padding="longest")
        trainer = Trainer(
            model=model, args=arguments, train_dataset=rows, data_collator=collator, callbacks=[Told(run)]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    model.unload()
    return run


def run_ragft(base: LoadedModel, examples: Sequence[EncodedExample], row_tokens: int = 0) -> TimedTraining:
    """Train with ragft's loop, at most ``row_tokens`` at once where it is not 0."""
    settings = replace(SETTINGS, row_tokens=row_tokens)
    adapted = replace(base, model=attach(base, SETTINGS))
    run = TimedTraining()
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(run.loss, run.step, SETTINGS.learning_rate)
        loop = Loop(adapted, examples, [], settings, Path(folder), watch)
        loop.run(None)
    adapted.model.unload()
    if not loop.padding_free:
        raise SystemExit("the model was trained with padding: nothing to compare")
    return run


def padding_share(examples: Sequence[EncodedExample]) -> float:
    """Return the share of padding in batches of neighbours, which random batches have too."""
    lengths = np.array([len(example.input_ids) for example in examples]).reshape(-1, BATCH)
    return float(1 - lengths.sum() / (lengths.max(1) * BATCH).sum())


def compare(base: LoadedModel, median: int, rounds: int) -> float:
    """Print both sides for one distribution of lengths and return the median ratio."""
    examples = uneven_examples(BATCH * STEPS, median)
    tokens = sum(len(example.input_ids) for example in examples)
    share = padding_share(examples)
    print(f"lognormal lengths, median {median}: {tokens} tokens, {share:.0%} of a padded batch is padding")
    ratios = []
    for number in range(1, rounds + 1):
        theirs, ours = run_trainer(base, examples), run_ragft(base, examples)
        gap = max(abs(a - b) for a, b in zip(theirs.losses, ours.losses, strict=True))
        ratios.append(theirs.seconds / ours.seconds)
        print(
            f"  round {number}: Trainer {tokens / theirs.seconds:5.0f}, ragft {tokens / ours.seconds:5.0f} tokens/s, "
            f"{ratios[-1]:.2f}x; largest difference of a step's loss {gap:.1e}",
            flush=True,
        )
    return statistics.median(ratios)


def compare_budget(base: LoadedModel, median: int, rounds: int) -> None:
    """Print speed and peak memory with 8 examples a pass and with at most 1,536 tokens a pass."""
    examples = uneven_examples(BATCH * STEPS, median)
    tokens = sum(len(example.input_ids) for example in examples)
    largest = max(sum(len(e.input_ids) for e in examples[i : i + BATCH]) for i in range(0, len(examples), BATCH))
    print(f"lognormal lengths, median {median}: {tokens} tokens, about {largest} in the largest step")
    ratios, saved = [], []
    for number in range(1, rounds + 1):
        sides = []
        for most in (0, SETTINGS.max_length):
            shortage.give_back()
            memory.reset_peak("cpu")
            idle = memory.peak_bytes("cpu")
            run = run_ragft(base, examples, most)
            sides.append((run, (memory.peak_bytes("cpu") - idle) / 2**20))
        (fixed, above), (budget, below) = sides
        gap = max(abs(a - b) for a, b in zip(fixed.losses, budget.losses, strict=True))
        ratios.append(fixed.seconds / budget.seconds)
        saved.append(above / below)
        print(
            f"  round {number}: {tokens / fixed.seconds:5.0f} and {tokens / budget.seconds:5.0f} tokens/s, "
            f"{ratios[-1]:.2f}x; training took {above:.0f} and {below:.0f} MiB; largest difference of a step's loss "
            f"{gap:.1e}",
            flush=True,
        )
    print(f"  speed {statistics.median(ratios):.2f}x, memory {1 / statistics.median(saved):.2f}x (medians)")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", action="store_true")
    options = parser.parse_args()
    rounds = options.rounds
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(str(make_base(Path(folder) / "base")))
        if options.budget:
            compare_budget(base, 250, rounds)
            return
        for median in (60, 250):
            print(f"  ratio {compare(base, median, rounds):.2f}x (median of {rounds} rounds)")


if __name__ == "__main__":
    main()
