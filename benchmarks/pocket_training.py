"""Measures how fast the pocket model trains: ``python -m benchmarks.pocket_training``.

Each setting trains the same first steps in a process of its own. Tokens a second of wall-clock time say
what a machine gives; tokens a second of processor time say what a setting costs, on a busy machine too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.pocket_recipe.recipe import Plan, TrainingProcess, train
from benchmarks.pocket_recipe.tokens import train_tokenizer

MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
# name -> processes, threads, bf16, compiled, allocator settings
SETTINGS = {
    "1 process x 1 thread, fp32": (1, 1, False, False, False),
    "1 process x 1 thread, bf16": (1, 1, True, False, False),
    "1 process x 1 thread, bf16, allocator": (1, 1, True, False, True),
    "1 process x 2 threads, bf16, allocator": (1, 2, True, False, True),
    "2 processes x 1 thread, bf16, allocator": (2, 1, True, False, True),
    "1 process x 1 thread, bf16, torch.compile": (1, 1, True, True, False),
}


def measure(name: str, tokens: int) -> None:
    """Train in this process and print what it cost as JSON."""
    processes, threads, bf16, compiled, _ = SETTINGS[name]
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), tokens=tokens, processes=processes, threads=threads, bf16=bf16, save_every=1e9)
        wall = time.monotonic()
        if processes > 1:
            before = os.times()
            train(plan)
            after = os.times()
            busy = sum(after[:4]) - sum(before[:4])
        else:
            training = TrainingProcess(plan, train_tokenizer(rows=300))
            if compiled:
                training.model.compile(dynamic=True)
            training.run(plan.step_tokens)  # the first step allocates, or compiles
            wall, busy = time.monotonic(), -time.process_time()
            training.run(tokens)
            busy += time.process_time()
        print(json.dumps({"wall": tokens / (time.monotonic() - wall), "cpu": tokens / busy}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokens", type=int, default=60_000)
    parser.add_argument("--setting", choices=SETTINGS, help="measure this one in this process")
    given = parser.parse_args(arguments)
    if given.setting:
        measure(given.setting, given.tokens)
        return
    print("| setting | tokens/s | tokens per processor second |\n|---|---|---|", flush=True)
    for name, (_, threads, _, _, allocator) in SETTINGS.items():
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        environment |= MALLOC if allocator else {}
        command = [sys.executable, "-m", "benchmarks.pocket_training", "--setting", name, "--tokens", str(given.tokens)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"| {name} | failed: {done.stderr.strip().splitlines()[-1][:80]} | |", flush=True)
            continue
        found = json.loads(done.stdout.strip().splitlines()[-1])
        print(f"| {name} | {found['wall']:.0f} | {found['cpu']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
