"""No file of the JSON test suite is a data set: every loader refuses each, with file and place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragft.data.answers import read_answers
from ragft.data.load import FORMATS, load
from ragft.errors import DataError
from ragft.types import Question
from tests.unit.data.layouts import DATA

SUITE = sorted((DATA / "hostile" / "json_test_suite").glob("*.json"))
NAUGHTY: list[str] = json.loads((DATA / "hostile" / "blns.json").read_text(encoding="utf-8"))
ROW = '{"question": "A?", "answer": "a"}\n'


def read_documents(path: Path, folder: Path) -> object:
    questions = folder / "questions.jsonl"
    questions.write_text(ROW, encoding="utf-8")
    return load("rows", str(questions), str(path))


READERS: dict[str, Callable[[Path, Path], object]] = {
    **{name: lambda path, _, name=name: load(name, str(path)) for name in FORMATS},  # type: ignore[misc]
    "documents": read_documents,
    "answers": lambda path, _: read_answers(path),
}


@pytest.mark.parametrize("reader", READERS)
def test_each_file_is_refused_with_its_name_and_a_place(reader: str, tmp_path: Path) -> None:
    assert len(SUITE) == 95 + 188 + 35
    for path in SUITE:
        with pytest.raises(DataError) as caught:
            READERS[reader](path, tmp_path)
        assert caught.value.problems, path.name
        for problem in caught.value.problems:
            assert problem.startswith((f"{path}: holds no record", f"{path}, record ")), path.name


def valid_values() -> dict[str, str]:
    return {
        path.name: path.read_text(encoding="utf-8").replace("\n", " ") for path in SUITE if path.name.startswith("y_")
    }


def read_row(text: str, folder: Path) -> Question | tuple[str, ...]:
    path = folder / "rows.jsonl"
    path.write_text(text + "\n" + ROW, encoding="utf-8")
    try:
        return load("rows", str(path)).questions[0]
    except DataError as error:
        return error.problems


def is_filled_text(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, str) and bool(value.strip())


@pytest.mark.parametrize(
    ("field", "fits"),
    [
        ("question", is_filled_text),
        (
            "references",
            lambda value: (
                isinstance(value, str)
                or (_all_texts(value) and (not any(map(str.strip, value)) or all(map(str.strip, value))))
            ),
        ),
        ("evidence", lambda value: value is None or isinstance(value, str) or _all_texts(value)),
        ("answerable", lambda value: value is None or isinstance(value, bool)),
        ("kind", lambda value: value is None or isinstance(value, str)),
        ("id", lambda value: value is None or is_filled_text(value) or type(value) is int),
        ("anything else", lambda _: True),
    ],
)
def test_valid_values_are_taken_or_refused_by_the_type_of_the_field(
    field: str, fits: Callable[[Any], bool], tmp_path: Path
) -> None:
    taken = refused = 0
    for name, text in valid_values().items():
        others = {"question": "A?", "references": "a"}
        others.pop(field, None)
        rest = "".join(f', "{key}": "{value}"' for key, value in others.items())
        found = read_row(f'{{"{field}": {text}{rest}}}', tmp_path)
        if fits(json.loads(text)):
            assert isinstance(found, Question), (name, found)
            taken += 1
        else:
            assert isinstance(found, tuple), name
            assert all("rows.jsonl, record 1 (line 1): " in problem for problem in found), name
            refused += 1
    assert taken + refused == 95
    assert taken > 0


def _all_texts(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def test_naughty_strings_come_through_unchanged(tmp_path: Path) -> None:
    texts = [text for text in NAUGHTY if text.strip()]
    assert len(texts) > 500
    path = tmp_path / "rows.jsonl"
    rows = [{"id": f"q{i}", "question": text, "references": [text], "evidence": text} for i, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for question, text in zip(load("rows", str(path)).questions, texts, strict=True):
        assert (question.text, question.references, question.evidence) == (
            text.strip(),
            (text.strip(),),
            (text.strip(),),
        )


def test_nul_and_lone_surrogates_come_through_and_have_an_identity(tmp_path: Path) -> None:
    found = read_row(json.dumps({"question": "\0\ud800 ש", "answer": "\udfff\0"}), tmp_path)
    assert isinstance(found, Question)
    assert (found.text, found.references) == ("\0\ud800 ש", ("\udfff\0",))
    assert len(load("rows", str(tmp_path / "rows.jsonl")).sha256) == 64
