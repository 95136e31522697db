"""Passages that do not fit the base's window are named before they are embedded, with a way out that works."""

import re

import pytest

from entrypoints.steps.shared.bases import require_base
from entrypoints.steps.shared.window_check import warning
from ragft.models.window import read_window
from ragft.types import Dataset, Document, Question

SENTENCE = "The tariff of the northern region was raised in the third quarter after a review of the network. "
LONG = tuple(Document(f"d{i}", f"Page {i}", (SENTENCE * 40,)) for i in range(12))
QUESTIONS = tuple(Question(f"q{i}", f"When was tariff {i} raised?", ("later",), (f"d{i}",)) for i in range(12))
DATASET = Dataset("support", LONG, QUESTIONS)


def test_long_passages_are_said_with_how_many_fit_and_what_to_do() -> None:
    said = warning(DATASET, 1500, 5, "pocket")
    found = re.fullmatch(
        r"warning: with passages of up to 1,500 characters, about (\d\.\d) of the 5 retrieved for a question fit "
        r"pocket's window of 2,048 tokens beside question and answer; the rest would be left out\. "
        r"Prepare with -P chunk_chars=(\d+), retrieve fewer \(-P top_k=(\d)\), or use a base with a larger window\.",
        said,
    )
    assert found is not None, said
    assert 1 <= float(found[1]) < 5
    assert warning(DATASET, int(found[2]), 5, "pocket") == ""
    assert warning(DATASET, 1500, int(found[3]), "pocket") == ""


def test_what_fits_is_not_spoken_of_and_neither_is_a_base_that_is_not_here() -> None:
    assert warning(DATASET, 300, 3, "pocket") == ""
    assert warning(DATASET, 1500, 5, "nobody/has-this-model") == ""
    assert warning(Dataset("empty", (), QUESTIONS), 1500, 5, "pocket") == ""
    assert warning(Dataset("unasked", LONG, ()), 1500, 5, "pocket") == ""


def test_measuring_a_text_that_is_too_long_warns_of_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    reader = read_window(require_base("pocket").folder)
    assert reader.window == 2048
    assert len(reader.tokenizer(SENTENCE * 400)["input_ids"]) > reader.window
    assert "indexing errors" not in capfd.readouterr().err
    assert reader.tokenizer.model_max_length > 1e9


def test_a_question_that_leaves_room_for_no_passage_asks_for_another_base() -> None:
    endless = Dataset("endless", LONG, (Question("q", "Why? " * 2000, ("so",), ("d0",)),))
    assert "about 0.0 of the 5 retrieved" in warning(endless, 1500, 5, "pocket")
    assert warning(endless, 1500, 5, "pocket").endswith("left out. Use a base with a larger window.")
