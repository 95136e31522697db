"""Does a second rule, by a model, find abstentions that the rule over English wording misses?

A logistic regression over the embeddings of the answers, from the labels in tests/data/abstention; an answer counts as
an abstention where either says so. Tried ten-fold over the answers that the wording rule was mended on, and once on the
held-out ones.

    OMP_NUM_THREADS=1 python -m benchmarks.abstention > benchmarks/results/abstention.txt
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from ragft.judging.abstention import abstains
from ragft.retrieval.embedders import load_embedder

LABELS = Path(__file__).resolve().parents[1] / "tests" / "data" / "abstention"
CUTS = (0.5, 0.9)


def read(name: str) -> list[dict[str, Any]]:
    """Return labelled answers."""
    return [json.loads(line) for line in (LABELS / name).read_text(encoding="utf-8").splitlines()]


def counted(found: npt.NDArray[np.bool_], labels: npt.NDArray[np.bool_]) -> str:
    """Return how many abstentions were found, and how many answers were taken for one."""
    return f"{(found & labels).sum():>4} of {labels.sum()} found, {(found & ~labels).sum():>2} wrongly"


def report(name: str, rows: Sequence[dict[str, Any]], chances: npt.NDArray[np.float64]) -> None:
    """Print what each rule finds, alone and together."""
    labels = np.array([row["abstained"] for row in rows])
    worded = np.array([abstains(row["answer"], row["question"]) for row in rows])
    print(f"{name}, {len(rows)} answers")
    print(f"  wording alone               {counted(worded, labels)}")
    for cut in CUTS:
        print(f"  model alone, above {cut:.0%}      {counted(chances > cut, labels)}")
        print(f"  either, model above {cut:.0%}     {counted(worded | (chances > cut), labels)}")


def main() -> None:
    """Compare both rules on both sets."""
    embedder = load_embedder("default")
    model = LogisticRegression(C=10, max_iter=5000)
    tuned, held = read("answers.jsonl"), read("held_out.jsonl")
    vectors = [np.asarray(embedder.encode([row["answer"] or " " for row in rows])) for rows in (tuned, held)]
    labels = np.array([row["abstained"] for row in tuned])
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    report("ten-fold", tuned, cross_val_predict(model, vectors[0], labels, cv=folds, method="predict_proba")[:, 1])
    report("held out", held, model.fit(vectors[0], labels).predict_proba(vectors[1])[:, 1])


if __name__ == "__main__":
    main()
