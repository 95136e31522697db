"""Memory of prepare on a document file larger than memory should be.

Writes a file of documents, prepares questions about some of them, and prints the peak resident memory of the whole
process above what it was with the store open. The embedder is a stand-in of random vectors: a gigabyte is about
700,000 passages, hours of MiniLM on two cores, and its memory does not depend on their number.

python -m benchmarks.large_documents --megabytes 1000
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
import numpy.typing as npt

from entrypoints.steps.shared import preparation
from entrypoints.steps.shared.workspace import Workspace, say
from ragft.params.data import PrepareParams
from ragft.store.server import open_store
from ragft.training.memory import peak_bytes, reset_peak

CHARACTERS = 20_000
QUESTIONS = 200


class RandomEmbedder:
    """Gives any text a vector, at once."""

    def __init__(self, name: str) -> None:
        self.id = f"random {name}"
        self.dimension = 384
        self._rng = np.random.default_rng(0)

    def encode(self, texts: Sequence[str], *, question: bool = False) -> npt.NDArray[np.float32]:
        """Return one vector for each text."""
        del question
        return self._rng.normal(size=(len(texts), self.dimension)).astype(np.float32)


def write(folder: Path, megabytes: int) -> int:
    """Write documents of random words and questions about some of them; return how many documents."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(5000)]
    size = count = 0
    with (folder / "documents.jsonl").open("w", encoding="utf-8") as out:
        while size < megabytes * 1_000_000:
            paragraphs = [" ".join(rng.choices(words, k=200)) for _ in range(CHARACTERS // 1400)]
            line = json.dumps({"id": f"d{count}", "title": f"Document {count}", "text": paragraphs}) + "\n"
            out.write(line)
            size, count = size + len(line), count + 1
    with (folder / "questions.jsonl").open("w", encoding="utf-8") as out:
        for number in range(min(QUESTIONS, count)):
            asked = " ".join(rng.choices(words, k=8))
            row = {"id": f"q{number}", "question": f"{asked}?", "answer": words[number], "document": f"d{number}"}
            out.write(json.dumps(row) + "\n")
    return count


def main() -> None:
    """Prepare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    megabytes = parser.parse_args().megabytes
    with TemporaryDirectory() as name:
        folder = Path(name)
        count = write(folder, megabytes)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        preparation.open_embedder = RandomEmbedder  # type: ignore[assignment, attr-defined]
        params = PrepareParams(
            dataset="rows",
            path=str(folder / "questions.jsonl"),
            documents=str(folder / "documents.jsonl"),
            name="large",
        )
        with open_store(None, folder / "home") as store:
            reset_peak("cpu")
            before, started = peak_bytes("cpu"), time.monotonic()
            preparation.prepare(params, Workspace(folder, store, say))
            above = (peak_bytes("cpu") - before) / 2**20
            print(f"{megabytes} MB, {count} documents: {above:,.0f} MiB above, {time.monotonic() - started:,.0f} s")


if __name__ == "__main__":
    main()
