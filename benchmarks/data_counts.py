"""What each real file under tests/data holds: the table of docs/data.md.

python -m benchmarks.data_counts                  every file
python -m benchmarks.data_counts bioasq/10B6      those whose name begins so
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ragft.data.load import load_with_account
from ragft.errors import DataError

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
# Data set, file, its layout, and whether it comes without documents, so that a collection is given beside it.
FILES = (
    ("qasper", "qasper/qasper-4papers-v0.3.json", "original, papers by id", False),
    ("qasper", "qasper_fixture/qasper-sample-small.json", "original, no figures", False),
    ("natural_questions", "natural_questions/simplified-nq-1row.jsonl", "simplified", False),
    ("natural_questions", "natural_questions/NQ-open.efficientqa.dev.1.1.sample.jsonl", "NQ-open", True),
    (
        "natural_questions",
        "natural_questions/NQ-open.efficientqa.dev.1.1.no-annotations.sample.jsonl",
        "NQ-open, no answers",
        True,
    ),
    ("rows", "natural_questions/NQ-open.efficientqa.dev.1.1.sample.jsonl", "NQ-open as rows", False),
    ("natural_questions", "natural_questions/kilt/nq-train-kilt.jsonl", "KILT", True),
    ("natural_questions", "natural_questions/kilt/nq-dev-kilt.jsonl", "KILT", True),
    ("natural_questions", "natural_questions/kilt/nq-test_without_answers-kilt.jsonl", "KILT, no answers", True),
    ("bioasq", "bioasq/10B6_golden.json", "golden", False),
    ("bioasq", "bioasq/training13b_sample.json", "training", False),
    ("bioasq", "bioasq/BioASQ-task11bPhaseA-testset1.json", "phase A, no answers", False),
    ("entity_questions", "entity_questions/P17.dev.json", "a relation", False),
    ("squad", "squad/dev-v2.0.json", "original, 2.0", False),
)
HEAD = ("data set", "file", "layout", "questions", "documents", "left out, and why")


def rows(beginning: str = "") -> Iterator[tuple[str, ...]]:
    """Yield the cells of each file whose name begins so."""
    for dataset, file, layout, alone in FILES:
        if file.startswith(beginning):
            yield (dataset, f"`{file}`", layout, *_counts(dataset, DATA / file, alone))


def table(beginning: str = "") -> str:
    """Return the table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *rows(beginning)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _counts(dataset: str, path: Path, alone: bool) -> tuple[str, str, str]:
    with TemporaryDirectory() as folder:
        beside = ""
        if alone:
            collection = Path(folder) / "collection.jsonl"
            collection.write_text(json.dumps({"id": "1", "text": "A text."}) + "\n", encoding="utf-8")
            beside = str(collection)
        try:
            loaded = load_with_account(dataset, str(path), beside)
        except DataError:
            return "refused", "-", "a test set without answers"
    skipped = sum(map(Counter, loaded.skipped.values()), Counter[str]())
    why = "; ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "nothing"
    documents = "1 given beside it" if alone else str(len(loaded.dataset.documents))
    return str(len(loaded.dataset.questions)), documents, why


if __name__ == "__main__":
    print(table(sys.argv[1] if len(sys.argv) > 1 else ""))
