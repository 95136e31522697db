"""Do two more rules find right answers that the rule for short answers misses, without calling wrong ones right?

By part: a line that stands in a reference as whole words, and holds at least a share of what the reference says beyond
the question. By meaning: a line whose embedding is near that of a reference. Both are tried on what the rule does not
call right, of the answers of SmolLM2 and its adapters that were graded by reading (tests/data/graded).

    OMP_NUM_THREADS=1 python -m benchmarks.short_answers > benchmarks/results/short_answers.txt
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ragft.judging.abstention import abstains
from ragft.judging.overlap import normalised_words
from ragft.judging.short_answers import gives, stands_in
from ragft.retrieval.embedders import load_embedder

GRADED = Path(__file__).resolve().parents[1] / "tests" / "data" / "graded"
SHARES = (0.25, 0.5, 0.67)
NEAR = (0.7, 0.8, 0.9)
Row = dict[str, Any]


def missed(name: str) -> tuple[int, list[Row]]:
    """Return how many answers were graded, and those that the rule neither calls right nor an abstention."""
    rows: list[Row] = [json.loads(line) for line in (GRADED / name).read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["line"] = next((line for line in row["answer"].splitlines() if line.strip()), "")
    left = [
        row
        for row in rows
        if row["line"]
        and not any(gives(row["line"], each, row["question"]) for each in row["references"])
        and not abstains(row["answer"], row["question"])
    ]
    return len(rows), left


def part_of(row: Row) -> float:
    """Return the largest share of a reference, beyond the question, that the line gives as a piece of it."""
    asked, said = set(normalised_words(row["question"])), normalised_words(row["line"])
    shares = [0.0]
    for reference in row["references"]:
        words = normalised_words(reference)
        told = {word for word in words if word not in asked}
        if told and set(said) - asked and stands_in(said, words):
            shares.append(len(told & set(said)) / len(told))
    return max(shares)


def nearness(rows: Sequence[Row]) -> list[float]:
    """Return for each line the cosine of its embedding with the nearest reference's."""
    embedder = load_embedder("default")
    return [
        float((embedder.encode(row["references"]) @ embedder.encode([row["line"]])[0]).max())  # of length 1
        for row in rows
    ]


def main() -> None:
    """Print for both files what each rule would find, and what it would find wrongly."""
    for name in ("answers.jsonl", "held_out.jsonl", "other_articles.jsonl"):
        graded, rows = missed(name)
        right = sum(row["label"] == "right" for row in rows)
        print(f"{name}: {graded} graded; of {len(rows)} that the rule does not call right, {right} are")
        near = nearness(rows)
        rules: list[tuple[str, Sequence[float], Callable[[float], str], Sequence[float]]] = [
            ("part", [part_of(row) for row in rows], lambda cut: f"at least {cut:.0%} of a reference", SHARES),
            ("meaning", near, lambda cut: f"cosine at least {cut:g}", NEAR),
        ]
        for rule, values, said, cuts in rules:
            for cut in cuts:
                found = [row["label"] for row, value in zip(rows, values, strict=True) if value >= cut]
                good = found.count("right")
                print(f"  by {rule}, {said(cut)}: {good} found, {len(found) - good} wrongly")


if __name__ == "__main__":
    main()
