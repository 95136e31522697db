"""Ten judgements of a message: one `generate` call each, as most judges do it, against ragft's three estimators.

Same model, same messages of about 800 tokens, 100 tokens a reply (random weights seldom end earlier), one thread, in
turn; printed are CPU seconds, which other processes on the machine hardly change. Then what hashes, parser and store
cost beside the model, on the clock. `benchmarks.judging_repeats` shows that both sides draw from one distribution.

    OMP_NUM_THREADS=1 python -m benchmarks.judge [--rounds 3] [--model FOLDER] > benchmarks/results/judge.txt
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from ragft.judging.backend import Ask, Estimator, LocalJudge, Piece, Reply
from ragft.judging.g_eval import Item, judge
from ragft.models.chat import prompt_ids
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base
from ragft.prompts.criterion import load_criterion
from ragft.prompts.judge import render_judge_message
from ragft.store.server import open_store
from tests.tiny_model import fixture_texts, make_tokenizer

REPEATS = 10
REPLY_TOKENS = 100
PROMPT_TOKENS = 800
MESSAGES = 2
OVERHEAD_ROWS = 300


def make_base(folder: Path) -> Path:
    """Write a random Llama of 4 M parameters, the shape of a small CPU model."""
    logging.disable_progress_bar()
    tokenizer = make_tokenizer(2048)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=640, num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, tie_word_embeddings=True, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def messages(loaded: LoadedModel, *, reasoned: bool) -> list[str]:
    """Return judge messages of about 800 tokens, filled with text of the fixture papers."""
    words = " ".join(fixture_texts()).split()
    made = []
    for number in range(MESSAGES):
        start, length = number * 900, 60
        while True:
            text = " ".join(words[start : start + length])
            message = render_judge_message(
                load_criterion("accuracy"), question="What is proposed?", answer=" ".join(words[start : start + 40]),
                references=(text,), secret=b"benchmark", reasoned=reasoned,
            )  # fmt: skip
            if len(prompt_ids(loaded.tokenizer, message)) >= PROMPT_TOKENS:
                made.append(message)
                break
            length += 10
    return made


def by_generate(loaded: LoadedModel, asked: Sequence[str]) -> None:
    """Sample the repeats with transformers, a call for each."""
    torch.manual_seed(0)
    for message in asked:
        ids = torch.tensor([prompt_ids(loaded.tokenizer, message)])
        for _ in range(REPEATS):
            with torch.no_grad():
                loaded.model.generate(
                    input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=1.0, top_k=0,
                    top_p=1.0, max_new_tokens=REPLY_TOKENS, pad_token_id=loaded.tokenizer.pad_token_id,
                )  # fmt: skip


def by_ragft(loaded: LoadedModel, asked: Sequence[str], estimator: Estimator) -> None:
    """Judge with ragft."""
    labels = tuple(load_criterion("accuracy").scores)
    seeds = tuple(range(REPEATS)) if estimator == "sampled" else (0,)
    backend = LocalJudge(Generator(loaded), max_new_tokens=REPLY_TOKENS)
    for _ in backend.replies([Ask(message, labels, seeds) for message in asked], estimator):
        pass


def compare_speed(loaded: LoadedModel, rounds: int) -> None:
    """Print CPU time a message for every way, and the ratio to one call for each repeat."""
    asked, bare = messages(loaded, reasoned=True), messages(loaded, reasoned=False)
    ways: dict[str, Callable[[], None]] = {
        "one generate call a repeat": lambda: by_generate(loaded, asked),
        "ragft sampled": lambda: by_ragft(loaded, asked, "sampled"),
        "ragft expected": lambda: by_ragft(loaded, asked, "expected"),
        "ragft expected_no_rationale": lambda: by_ragft(loaded, bare, "expected_no_rationale"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way()
            seconds[name].append((time.process_time() - began) / len(asked))
    first = seconds["one generate call a repeat"]
    lengths = [len(prompt_ids(loaded.tokenizer, message)) for message in asked]
    print(f"{len(asked)} messages of {min(lengths)} to {max(lengths)} tokens, {REPEATS} repeats, {rounds} rounds")
    for name, own in seconds.items():
        ratios = sorted(slow / quick for slow, quick in zip(first, own, strict=True))
        print(
            f"{name:28s} {statistics.median(own) * 1000:8.1f} ms CPU a message, "
            f"ratio {statistics.median(ratios):6.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )


class InstantJudge:
    """A judge that costs nothing, so that what is left is the overhead."""

    identity = "instant"

    def replies(self, asks: Sequence[Ask], estimator: Estimator) -> Iterator[Piece]:  # noqa: ARG002
        """Yield pieces of 320 replies."""
        draw = random.Random(0)
        rows = [(index, number) for index, ask in enumerate(asks) for number in range(len(ask.seeds))]
        for start in range(0, len(rows), 320):
            reply = Reply(f"Reason: {'it agrees in part. ' * 10}\nScore: {draw.randint(1, 5)}")
            yield [(index, number, reply) for index, number in rows[start : start + 320]]


def measure_overhead() -> None:
    """Print what a row costs beside the judge: two criteria, ten repeats, written durably, and read again."""
    criteria = [load_criterion("accuracy"), load_criterion("completeness")]
    items = [Item(f"Question {n}?", f"Answer {n}. " * 10, (f"Reference {n}.",)) for n in range(OVERHEAD_ROWS)]
    with tempfile.TemporaryDirectory() as home, open_store(None, Path(home)) as store:
        for name in ("first run", "rerun from the store"):
            began, busy = time.monotonic(), time.process_time()
            judged = judge(store, InstantJudge(), criteria, items, repeats=REPEATS)
            spent, used = time.monotonic() - began, time.process_time() - busy
            print(
                f"overhead, {name}: {spent * 1000 / len(items):.2f} ms a row on the clock, "
                f"{used * 1000 / len(items):.2f} of CPU without the server "
                f"({judged.calls} judgements written, {len(items)} rows)"
            )


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="", help="folder of a model; empty: a random Llama of 4 M parameters")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        loaded = load_base(options.model or str(make_base(Path(folder) / "base")))
        compare_speed(loaded, options.rounds)
    measure_overhead()


if __name__ == "__main__":
    main()
