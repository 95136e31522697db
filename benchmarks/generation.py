"""Answers to 64 prompts of uneven length: ragft's batches against `generate` one by one, and in batches.

Same model, greedy, 60 tokens an answer, one thread, in turn; printed are CPU seconds, which other processes on the
machine hardly change. `generate` in batches pads each batch of 8 neighbours to its longest, as a loop over a data set
does. Answers must be the same; where they are not, the first different token must be a near-tie of the logits.

    OMP_NUM_THREADS=1 python -m benchmarks.generation [--rounds 3] > benchmarks/results/generation.txt
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers.utils import logging

from benchmarks.training import make_base
from ragft.models import decoding
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base
from ragft.models.reading import pad_left

PROMPTS = 64
NEW_TOKENS = 60
BATCH = 8
NEAR_TIE = 1e-3

Replies = list[list[int]]


def by_transformers(base: LoadedModel, prompts: Sequence[Sequence[int]], batch: int) -> Replies:
    """Return the replies of transformers' generate, ``batch`` prompts at a time in their given order."""
    replies: Replies = []
    for start in range(0, len(prompts), batch):
        ids, mask = pad_left(prompts[start : start + batch], base.model.device)
        made = base.model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=None, pad_token_id=0
        )
        replies += made[:, ids.shape[1] :].tolist()
    return replies


def by_ragft(base: LoadedModel, prompts: Sequence[Sequence[int]]) -> Replies:
    """Return the replies in ragft's own batches."""
    replies: dict[int, list[int]] = {}
    for batch in Generator(base).batches(prompts, NEW_TOKENS, repeats=1):
        asked = [prompts[index] for index in batch]
        made = decoding.decode(base.model, asked, repeats=1, max_new_tokens=NEW_TOKENS, stop=[], choose=decoding.greedy)
        replies.update(zip(batch, made, strict=True))
    return [replies[index] for index in range(len(prompts))]


def timed(work: Callable[[], Replies]) -> tuple[float, Replies]:
    """Return CPU seconds and what came out."""
    began = time.process_time()
    replies = work()
    return time.process_time() - began, replies


def differences(base: LoadedModel, prompts: Sequence[Sequence[int]], ours: Replies, theirs: Replies) -> list[float]:
    """Return, for each pair of replies that differ, how far apart the logits of the two tokens are there."""
    gaps = []
    for prompt, mine, other in zip(prompts, ours, theirs, strict=True):
        place = next((i for i, (a, b) in enumerate(zip(mine, other, strict=True)) if a != b), None)
        if place is not None:
            with torch.no_grad():
                logits = base.model(torch.tensor([[*prompt, *mine[:place]]])).logits[0, -1]
            gaps.append(float((logits[mine[place]] - logits[other[place]]).abs()))
    return gaps


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    draw = np.random.default_rng(0)
    lengths = np.clip(draw.lognormal(np.log(250), 0.8, PROMPTS), 20, 1400).astype(int)
    prompts = [draw.integers(300, 2000, length).tolist() for length in lengths]
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(str(make_base(Path(folder) / "base")))
        ratios: dict[str, list[float]] = {"one by one": [], "in batches": []}
        for number in range(1, rounds + 1):
            single, expected = timed(lambda: by_transformers(base, prompts, 1))
            batched, _ = timed(lambda: by_transformers(base, prompts, BATCH))
            own, made = timed(lambda: by_ragft(base, prompts))
            ratios["one by one"].append(single / own)
            ratios["in batches"].append(batched / own)
            print(
                f"round {number}: generate one by one {single:.1f} s, in batches of {BATCH} {batched:.1f} s, "
                f"ragft {own:.1f} s: {single / own:.2f}x and {batched / own:.2f}x",
                flush=True,
            )
        for name, found in ratios.items():
            print(f"against generate {name}: {statistics.median(found):.2f}x (median of {rounds} rounds)")
        gaps = differences(base, prompts, made, expected)
        worst = max(gaps, default=0.0)
        print(f"{PROMPTS - len(gaps)} of {PROMPTS} replies equal; largest gap of logits where not: {worst:.1e}")
        if worst > NEAR_TIE:
            raise SystemExit("replies differ at more than a near-tie")


if __name__ == "__main__":
    main()
