"""Data that several steps ask for are read once, and again when their file changed."""

import os
from pathlib import Path

from entrypoints.steps.sources import read_dataset
from entrypoints.steps.workspace import Workspace, say
from ragft.params import PrepareParams
from ragft.store.connection import Store


def test_data_are_read_once_and_again_when_a_file_changed(store: Store, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, store, say)
    path = tmp_path / "own.jsonl"
    path.write_text('{"question": "What is the fee?", "answer": "8 euros."}\n', encoding="utf-8")
    params = PrepareParams(dataset="rows", path=str(path))

    first, again = read_dataset(params, workspace), read_dataset(params, workspace)
    path.write_text('{"question": "What is the fee?", "answer": "9 euros."}\n', encoding="utf-8")
    os.utime(path, ns=(0, 0))
    changed = read_dataset(params, workspace)

    assert first is again
    assert first.name == "own"
    assert changed.questions[0].references == ("9 euros.",)
    assert changed.sha256 != first.sha256
