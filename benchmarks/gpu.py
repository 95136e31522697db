"""What one CUDA device does with a model of Mistral-7B's shape: LoRA, QLoRA, and batched generation.

The weights are random, built from a configuration (nothing is downloaded; about 15 GB on disk for the run). LoRA of
rank 16 on all linear layers, bfloat16, full rows of 4,096 tokens with a loss on every token, two of them in a forward
pass and 16 such passes in a step. Activations are kept. Where they do not fit, the two rows go one after the other, and
only where one alone does not fit is anything computed twice. MFU counts 4N FLOP a token (forward, and backward through
activations; the frozen weights have no gradient) against the device's dense bfloat16 peak. The best published
single-GPU LoRA recipe known to us reaches 43 % on an H100, sequence 4,096.

    python -m benchmarks.gpu [--steps 6] [--batch 2] [--accumulation 16] > benchmarks/results/gpu.txt
"""

import argparse
import gc
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import MistralConfig, MistralForCausalLM
from transformers.utils import logging

from ragft import shortage
from ragft.models import decoding
from ragft.models.loading import LoadedModel, load_base, without_adapter
from ragft.models.quantization import Quantization
from ragft.training.encoding import EncodedExample
from ragft.training.loop import Loop
from ragft.training.methods import TrainingSettings, attach
from ragft.training.watch import Watch
from tests.tiny_model import make_tokenizer

SEQUENCE = 4_096
WARM_UP = 2
# How memory is saved, where it must be, the cheapest way first: by a row in a pass, then by computing twice.
ONE_ROW = {"row_tokens": SEQUENCE}
SAVINGS: tuple[dict[str, Any], ...] = ({}, ONE_ROW, {**ONE_ROW, "activation_checkpointing": True})
# Dense bfloat16 FLOP a second, from the makers' data sheets.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40": 181e12, "A6000": 155e12, "4090": 165e12}


def make_base(folder: Path) -> Path:
    """Write a random model of Mistral-7B's shape."""
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = MistralForCausalLM._from_config(MistralConfig(sliding_window=None), dtype=torch.bfloat16)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def train(base: LoadedModel, method: str, options: argparse.Namespace, peak: float, parameters: int) -> float:
    """Print and return tokens a second of one method, with the first saving that fits into memory."""
    settings = TrainingSettings(
        method=method, epochs=1, batch_size=options.batch, gradient_accumulation_steps=options.accumulation,
        learning_rate=1e-4, lora_rank=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear",
        max_length=SEQUENCE, seed=0,
    )  # fmt: skip
    for saving in SAVINGS:
        try:
            speed, joined = measured(base, replace(settings, **saving), options.steps)
            break
        except RuntimeError as error:
            if not shortage.is_shortage(error):
                raise
        shortage.give_back()
        print(f"{method:6} {saving or 'nothing saved'}: does not fit")
    else:
        raise SystemExit(f"{method} does not fit into this device")
    memory = torch.cuda.max_memory_allocated() / 2**30
    share = f"{speed * 4 * parameters / peak:.1%} of peak" if peak else "peak unknown"
    how = f"batch {options.batch} x {options.accumulation}, {saving or 'nothing saved'}"
    print(f"{method:6} {how}: {speed:8.0f} tokens/s, {share}, {memory:.1f} GiB, no padding: {joined}")
    return speed


def measured(base: LoadedModel, settings: TrainingSettings, steps: int) -> tuple[float, bool]:
    """Return tokens a second, and whether rows were joined without padding."""
    batch = settings.batch_size * settings.gradient_accumulation_steps
    draw = np.random.default_rng(0)
    rows = [tuple(draw.integers(10, 1000, SEQUENCE).tolist()) for _ in range(steps * batch)]
    times: list[float] = []

    def step(_done: int, _of: int) -> None:
        torch.cuda.synchronize()
        times.append(time.perf_counter())

    adapted = replace(base, model=attach(base, settings))
    torch.cuda.reset_peak_memory_stats()
    try:
        with tempfile.TemporaryDirectory() as folder:
            watch = Watch(lambda *_: None, step, settings.learning_rate)
            loop = Loop(adapted, [EncodedExample(row, row) for row in rows], [], settings, Path(folder), watch)
            loop.run(None)
    finally:
        without_adapter(adapted)
    return batch * SEQUENCE * (len(times) - 1 - WARM_UP) / (times[-1] - times[WARM_UP]), loop.padding_free


def generate(base: LoadedModel, batch: int) -> float:
    """Print and return tokens a second of greedy decoding, 500 tokens read and 128 written a prompt."""
    prompts = np.random.default_rng(0).integers(10, 1000, (batch, 500)).tolist()
    torch.cuda.reset_peak_memory_stats()
    for timed in (False, True):
        torch.cuda.synchronize()
        began = time.perf_counter()
        decoding.decode(
            base.model, prompts, repeats=1, max_new_tokens=128 if timed else 8, stop=[], choose=decoding.greedy
        )
        torch.cuda.synchronize()
    speed = batch * 128 / (time.perf_counter() - began)
    print(f"generate, batch {batch:2d}: {speed:8.0f} tokens/s, {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
    return speed


def load(folder: Path, quantization: Quantization) -> LoadedModel:
    """Return the base, the one before forgotten."""
    gc.collect()
    torch.cuda.empty_cache()
    return load_base(str(folder), quantization=quantization)


def main() -> None:
    """Run everything, or say that it cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--accumulation", type=int, default=16)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device")
        return
    logging.disable_progress_bar()
    device = torch.cuda.get_device_name()
    peak = next((flops for name, flops in PEAKS.items() if name in device), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = make_base(Path(folder) / "base")
        base = load(path, "none")
        parameters = sum(parameter.numel() for parameter in base.model.parameters())
        print(f"{device}, PyTorch {torch.__version__}, {parameters / 1e9:.2f} G parameters, sequence {SEQUENCE}")
        lora = train(base, "lora", options, peak, parameters)
        one, many = generate(base, 1), generate(base, 32)
        print(f"generation, batch 32 against batch 1: {many / one:.1f}x")
        del base
        base = load(path, "nf4")
        qlora = train(base, "qlora", options, peak, parameters)
        print(f"QLoRA against LoRA: {qlora / lora:.2f}x")


if __name__ == "__main__":
    main()
