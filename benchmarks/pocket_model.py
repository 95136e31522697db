"""Measures the pocket model: ``python -m benchmarks.pocket_model --seed 7 --n 500``.

Every line has new products with new values, retrieval by the default embedder, and the product's own
prompts; the table goes to standard output as Markdown.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from benchmarks.pocket_recipe.evaluation import Line, Rate, make_judge_items, make_lines, passages_for, results_of
from ragft.models.generation import Generator
from ragft.models.loading import load_base
from ragft.pocket.world import Shelf
from ragft.pocket.world_judging import JudgeItem
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criterion
from ragft.prompts.judge import render_judge_message
from ragft.prompts.reply import read_score
from ragft.retrieval.embedding import Embedder

MODEL = Path(__file__).parents[1] / "ragft" / "pocket" / "model"
CRITERIA = ("accuracy", "completeness")


class Retrieval:
    """Nearest passages of a shelf by the default embedder."""

    def __init__(self) -> None:
        self._embedder = Embedder()
        self._vectors: dict[int, tuple[list[str], npt.NDArray[np.float32]]] = {}

    def top(self, shelf: Shelf, questions: Sequence[str], k: int) -> list[tuple[str, ...]]:
        """Return the k nearest passages of each question, nearest first."""
        if id(shelf) not in self._vectors:
            texts = [text for document in shelf.documents() for text in document.paragraphs]
            self._vectors[id(shelf)] = texts, self._embedder.encode(texts)
        texts, vectors = self._vectors[id(shelf)]
        near = np.argsort(-(self._embedder.encode(questions, question=True) @ vectors.T), axis=1)[:, :k]
        return [tuple(texts[i] for i in row) for row in near]


def answer_lines(generator: Generator, lines: Sequence[Line], tops: Sequence[int]) -> list[Rate]:
    """Return the results of every line, retrieval lines for each number of passages."""
    prompt = load_answer_prompt()
    retrieval = Retrieval()
    results: list[Rate] = []
    for line in lines:
        for k in tops if line.name == "one fact" else (5,):
            texts = [q.text for q in line.questions]
            found = retrieval.top(line.shelf, texts, k) if line.passages == "retrieved" else [()] * len(texts)
            shown = [passages_for(line, i, passages) for i, passages in enumerate(found)]
            messages = [prompt.render(text, passages) for text, passages in zip(texts, shown, strict=True)]
            answers = [reply.text for reply in generator.generate(messages, 96)]
            label = f"{line.name}, top {k}" if line.passages == "retrieved" else line.name
            found_here = results_of(line, shown, answers, label)
            for result in found_here:
                print(row(result), flush=True)
            results += found_here
    return results


def row(result: Rate) -> str:
    """Return a result as a row of the table."""
    low, high = result.interval
    return f"| {result.name} | {result.share:.3f} | {low:.3f} to {high:.3f} | {result.n} |"


def judge_rows(generator: Generator, items: Sequence[JudgeItem], sampled: int) -> list[str]:
    """Return Spearman's correlation with the programmatic grades, one pass and 10 reasoned samples."""
    truth: list[float] = []
    one_pass: list[float] = []
    reasoned: list[float] = []
    reasoned_truth: list[float] = []
    unread = 0
    for name in CRITERIA:
        criterion = load_criterion(name)
        grades = [float(getattr(item.grade, name)) for item in items]
        labels = list(criterion.scores)
        probabilities, _ = generator.score_distribution(_messages(items, name, reasoned=False), "Score:", labels)
        numbers = np.array(list(criterion.scores.values()))
        one_pass += [float(np.dot(p, numbers)) for p in probabilities]
        truth += grades
        part = items[:sampled]
        seeds = [list(range(10 * i, 10 * i + 10)) for i in range(len(part))]
        replies = generator.sample(_messages(part, name, reasoned=True), "", 10, 120, 1.0, seeds)
        for grade, drawn in zip(grades, replies, strict=False):
            scores = [s for s in (read_score(reply.text, criterion) for reply in drawn) if s is not None]
            unread += len(drawn) - len(scores)
            if scores:
                reasoned.append(sum(scores) / len(scores))
                reasoned_truth.append(grade)
    rows = [_correlation("judge, one pass (expectation)", one_pass, truth)]
    if reasoned:
        rows.append(_correlation(f"judge, 10 reasoned samples, {unread} unread", reasoned, reasoned_truth))
    return rows


def _messages(items: Sequence[JudgeItem], name: str, *, reasoned: bool) -> list[str]:
    criterion = load_criterion(name)
    return [
        render_judge_message(
            criterion,
            question=item.question,
            answer=item.answer,
            references=item.references,
            secret=b"pocket",
            reasoned=reasoned,
        )
        for item in items
    ]


def _correlation(name: str, scores: Sequence[float], truth: Sequence[float]) -> str:
    value = stats.spearmanr(scores, truth).statistic
    rng = random.Random(0)
    drawn = []
    for _ in range(500):
        places = [rng.randrange(len(scores)) for _ in scores]
        drawn.append(stats.spearmanr([scores[i] for i in places], [truth[i] for i in places]).statistic)
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    line = f"| {name}: Spearman | {value:.3f} | {low:.3f} to {high:.3f} | {len(scores)} |"
    print(line, flush=True)
    return line


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--n", type=int, default=500, help="questions a line")
    parser.add_argument("--sampled", type=int, default=200, help="answers judged with 10 reasoned samples")
    parser.add_argument("--model", default=str(MODEL))
    parser.add_argument("--part", choices=["all", "answers", "judge"], default="all")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    generator = Generator(load_base(given.model, device="cpu"))
    print("| what | measured | 95 % interval | n |\n|---|---|---|---|", flush=True)
    if given.part != "judge":
        answer_lines(generator, make_lines(given.seed, given.n), (3, 5))
    if given.part != "answers":
        judge_rows(generator, make_judge_items(given.seed, given.n), given.sampled)


if __name__ == "__main__":
    main()
