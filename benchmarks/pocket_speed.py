"""What the pocket model costs on this machine: ``python -m benchmarks.pocket_speed``.

Fine-tuning, answering and judging as the steps do them, stores included, and each way of loading and training
it once. Times are of this machine and its load; the tokens a second say what was done with them.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.pocket_model import MODEL, Retrieval
from benchmarks.pocket_recipe.evaluation import make_lines
from ragft.judging.backend import LocalJudge
from ragft.judging.g_eval import Item, judge
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_adapter, load_base
from ragft.models.quantization import Quantization
from ragft.pocket.truth import truth_metrics
from ragft.pocket.world import make_dataset
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criterion
from ragft.store.server import open_store
from ragft.training.formats import build_examples
from ragft.training.methods import TrainingSettings
from ragft.training.result import TrainResult
from ragft.training.trainer import TrainingTask, train
from ragft.types import Question

CRITERIA = tuple(load_criterion(name) for name in ("accuracy", "completeness"))
SETTINGS = TrainingSettings(
    method="lora", epochs=3, batch_size=8, gradient_accumulation_steps=1, learning_rate=2e-4, lora_rank=16,
    lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", max_length=1536, seed=0,
)  # fmt: skip
# Ways of fine-tuning: how the base is loaded, which method.
WAYS: dict[str, tuple[Quantization, str]] = {
    "LoRA": ("none", "lora"),
    "QLoRA (nf4)": ("nf4", "qlora"),
    "LoRA on int8": ("int8", "qlora"),
}


@contextmanager
def timed(name: str, asked: str = "") -> Iterator[Callable[[str], None]]:
    """Print how long a block took, and what it says of itself."""
    said: list[str] = []
    wall, cpu = time.monotonic(), time.process_time()
    yield said.append
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    print(f"| {name} | {wall:.1f} | {cpu:.1f} | {asked} | {'; '.join(said)} |", flush=True)


def finetune(base: LoadedModel, method: str, pairs: int, folder: Path) -> TrainResult:
    """Train on closed-book pairs of the data set's train split."""
    questions = [q for q in make_dataset(0).questions if q.split == "train"][:pairs]
    examples = build_examples(questions, "closed_book")
    task = TrainingTask(examples, [], replace(SETTINGS, method=method), load_answer_prompt())
    return train(base, task, folder)


def answer(base: LoadedModel, questions: tuple[Question, ...], messages: list[str]) -> tuple[list[str], float]:
    """Return the answers and the share that is right."""
    texts = [reply.text for reply in Generator(base).generate(messages, 128)]
    right = [truth_metrics(q, text)["truth_right"] for q, text in zip(questions, texts, strict=True)]
    return texts, sum(value or 0.0 for value in right) / len(right)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=7, help="of the answered questions")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    line = next(each for each in make_lines(given.seed, 100) if each.name == "one fact")
    texts = [q.text for q in line.questions]
    shown = Retrieval().top(line.shelf, texts, 5)
    messages = [load_answer_prompt().render(text, passages) for text, passages in zip(texts, shown, strict=True)]
    print("| what | wall seconds | processor seconds | asked | |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name, open_store(None, Path(name)) as store:
        for way, (quantization, method) in WAYS.items():
            base = load_base(str(MODEL), quantization=quantization, device="cpu")
            with timed(f"{way}: 200 closed-book pairs x 3 epochs", "30" if way == "LoRA" else "") as say:
                result = finetune(base, method, 200, Path(name) / way.split()[0] / quantization)
                say(f"{result.tokens_per_second:.0f} tokens/s, loss {result.train_loss:.2f}")
            with timed(f"{way}: 100 answers, 5 passages", "15" if way == "LoRA" else "") as say:
                answers, right = answer(base, line.questions, messages)
                say(f"base right {right:.2f}")
            tuned = load_adapter(base, result.adapter, result.identity)
            say_adapter = answer(tuned, line.questions, messages)[1]
            print(f"| {way}: the adapter's answers | | | | right {say_adapter:.2f} |", flush=True)
            if way == "LoRA":
                items = [Item(q.text, a, q.references) for q, a in zip(line.questions, answers, strict=True)]
        backend = LocalJudge(Generator(load_base(str(MODEL), device="cpu")))
        with timed("judge 100 answers x 2 criteria, one pass", "5"):
            judge(store, backend, CRITERIA, items, estimator="expected_no_rationale", repeats=1)
        with timed("judge 100 answers x 2 criteria, 10 reasoned samples", "60") as say:
            judged = judge(store, backend, CRITERIA, items, repeats=10)
            say(f"{judged.calls} replies")


if __name__ == "__main__":
    main()
