"""Ten replies of a judge to an 800-token prompt: ten `generate` calls of transformers against one of ours.

Ours reads the prompt once and goes on from its cache ten times in one batch. Both sides sample at temperature 1
and write 100 tokens a reply, on one thread, in turn; printed are CPU seconds, which other processes on the
machine hardly change. `generate(num_return_sequences=10)` is measured too: it reads the prompt ten times in one
batch. Whether both sides draw from the same distribution is tested on 2,000 first tokens each (chi-square).

    python -m benchmarks.judging_repeats [--rounds 3]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.stats import chi2_contingency
from transformers.utils import logging

from benchmarks.training import make_base
from ragft.models import decoding
from ragft.models.loading import LoadedModel, load_base
from ragft.models.reading import pad_left

REPEATS = 10
PROMPT_TOKENS = 800
NEW_TOKENS = 100
DRAWS = 2_000
PEAKED = 0.1


def peer(
    base: LoadedModel,
    prompts: Sequence[Sequence[int]],
    calls: int,
    sequences: int,
    tokens: int,
    temperature: float = 1.0,
) -> torch.Tensor:
    """Return replies [calls x prompts x sequences, tokens] by transformers' own sampling."""
    ids, mask = pad_left(prompts, base.model.device)
    replies = [
        base.model.generate(
            ids, attention_mask=mask, do_sample=True, temperature=temperature, top_k=0, top_p=1.0,
            max_new_tokens=tokens, min_new_tokens=tokens, num_return_sequences=sequences,
        )[:, ids.shape[1] :]
        for _ in range(calls)
    ]  # fmt: skip
    return torch.cat(replies)


def ours(
    base: LoadedModel, prompts: Sequence[Sequence[int]], repeats: int, tokens: int, temperature: float = 1.0
) -> torch.Tensor:
    """Return replies [prompts x repeats, tokens]; nothing stops one early, as on the other side."""
    choose = decoding.sampler(range(len(prompts) * repeats), temperature, tokens)
    replies = decoding.decode(base.model, prompts, repeats=repeats, max_new_tokens=tokens, stop=[], choose=choose)
    return torch.tensor(replies)


def seconds(work: Callable[[], torch.Tensor]) -> float:
    """Return the CPU seconds of one run."""
    began = time.process_time()
    work()
    return time.process_time() - began


def same_distribution(base: LoadedModel, prompt: Sequence[int]) -> tuple[float, int]:
    """Return the p-value of a chi-square test on first tokens, small if the two sides differ, and its cells.

    The temperature is low, so that random weights prefer some tokens clearly.
    """
    eos, base.model.generation_config.eos_token_id = base.model.generation_config.eos_token_id, None
    sides = [peer(base, [prompt], 1, DRAWS, 1, PEAKED), ours(base, [prompt], DRAWS, 1, PEAKED)]
    base.model.generation_config.eos_token_id = eos
    counts = np.array([np.bincount(side.flatten().numpy(), minlength=len(base.tokenizer)) for side in sides])
    often = counts.sum(0) >= 10
    table = np.concatenate([counts[:, often], counts[:, ~often].sum(1, keepdims=True)], 1)
    return float(chi2_contingency(table[:, table.sum(0) > 0]).pvalue), int(often.sum())


def main() -> None:
    """Run the comparison for one prompt at a time and for four."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(str(make_base(Path(folder) / "base")))
        for batch in (4, 1):
            prompts = draw.integers(300, 2000, (batch, PROMPT_TOKENS)).tolist()
            ratios = []
            for number in range(1, rounds + 1):
                calls = seconds(lambda asked=prompts: peer(base, asked, REPEATS, 1, NEW_TOKENS))  # type: ignore[misc]
                wide = seconds(lambda asked=prompts: peer(base, asked, 1, REPEATS, NEW_TOKENS))  # type: ignore[misc]
                once = seconds(lambda asked=prompts: ours(base, asked, REPEATS, NEW_TOKENS))  # type: ignore[misc]
                ratios.append(calls / once)
                print(
                    f"{batch} prompt(s), round {number}: {REPEATS} calls {calls:.2f} s, num_return_sequences "
                    f"{wide:.2f} s, ragft {once:.2f} s: {calls / once:.2f}x and {wide / once:.2f}x",
                    flush=True,
                )
            print(f"  {batch} prompt(s): {statistics.median(ratios):.2f}x (median of {rounds} rounds)")
        p, cells = same_distribution(base, prompts[0][:200])
        print(f"same distribution of {DRAWS} first tokens, {cells} of them often: p = {p:.2f}")


if __name__ == "__main__":
    main()
