"""Own data of any size: what is too large is refused by name, the rest goes through a bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ragft.data import rows
from ragft.errors import DataError

REFUSE = """
import resource, sys
from ragft.data import rows
from pathlib import Path
from ragft.errors import DataError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
try:
    rows.read(*map(Path, sys.argv[1:]))
except DataError as error:
    print(error.problems[0])
print((peak() - before) // 1024)
"""

COMPARE = """
import random, resource
import datasketch
from ragft.data.leakage import compare, links
from ragft.types import Document, Question
WORDS = 1_000_000
def documents():
    rng = random.Random(0)
    for n in range(400):
        yield Document(f"d{n}", "", (" ".join(str(rng.randrange(WORDS)) for _ in range(8000)),))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
questions = [Question(f"q{n}", f"What is number {n}?", ("a",), (f"d{n}",)) for n in range(400)]
list(compare(questions[:50], documents()).groups)
before = peak()
found = compare(questions, documents())
print(len(found.groups["document"]), (peak() - before) // 1024)
"""


def run(script: str, *words: str | Path) -> list[str]:
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def question(folder: Path) -> Path:
    path = folder / "q.jsonl"
    path.write_text(json.dumps({"question": "A?", "answer": "a"}) + "\n", encoding="utf-8")
    return path


def test_a_text_of_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "big.txt").touch()
    os.truncate(texts / "big.txt", 1_000_000_000)
    said, grown = run(REFUSE, question(tmp_path), texts)
    assert said.startswith(f"{texts / 'big.txt'}: is longer than 32 MB, ")
    assert said.endswith("divide it into smaller ones")
    assert int(grown) < 50


@pytest.mark.parametrize(
    ("name", "begins", "place"),
    [
        ("docs.jsonl", b'{"id": 1, "text": "Short."}\n{"id": 2, "text": "', "record 2 (line 2)"),
        ("docs.json", b'[{"id": 1, "text": "', "record 1 (line 1)"),
        ("docs.csv", b'id,text\n1,Short.\n2,"', "record 2 (line 3)"),
    ],
)
def test_a_record_of_a_hundred_megabytes_is_refused_and_never_held(
    name: str, begins: bytes, place: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(begins)
        for _ in range(100):
            file.write(b"word " * 200_000)
        file.write(b'"')
    said, grown = run(REFUSE, question(tmp_path), path)
    path.unlink()
    assert said.startswith(f"{path}, {place}: is longer than 32 MB, ")
    # Held whole, it would be 100 MB of bytes and 100 MB of text.
    assert int(grown) < 90


def test_the_rows_behind_one_that_is_too_long_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_BYTES", 100)
    path = tmp_path / "q.jsonl"
    long = {"question": "word " * 100, "answer": "a"}
    last = {"question": 3, "answer": "a"}
    path.write_text(f"{json.dumps(long)}\n{json.dumps(last)}\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        rows.read(path)
    first, second = caught.value.problems
    assert first.startswith(f"{path}, record 1 (line 1): is longer than")
    assert second == f"{path}, record 2 (line 2): field 'question' is 3, expected a text"


@pytest.mark.slow
def test_documents_are_compared_without_being_held() -> None:
    """Four hundred documents of 55 kB, all different and asked about: 22 MB of text, three million runs of words."""
    ((groups, grown),) = [line.split() for line in run(COMPARE)]
    assert groups == "400"
    assert int(grown) < 80
