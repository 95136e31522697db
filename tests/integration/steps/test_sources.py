"""Data that several steps ask for are read once, and again when their file changed."""

import os
from pathlib import Path

from entrypoints.steps.shared.sources import read_dataset, read_loaded
from entrypoints.steps.shared.workspace import Workspace, say
from ragft.params.data import PrepareParams
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


def test_what_was_left_out_is_kept_with_the_data(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    rows = [
        '{"question": "A?", "answer": "a"}',
        '{"question": "B?", "answer": ""}',
        '{"question": "A?", "answer": "a"}',
    ]
    path.write_text("\n".join(rows), encoding="utf-8")
    loaded = read_loaded(PrepareParams(dataset="rows", path=str(path)), Workspace(tmp_path, store, say))
    assert loaded.dataset.name == "own"
    assert loaded.lines() == [
        "1 of 2 questions have no answer in the documents (answerable: false, or an empty answer): right is whoever "
        "says so",
        f"left out of {path}: 1, the same question again: record 3 (line 3)",
    ]
