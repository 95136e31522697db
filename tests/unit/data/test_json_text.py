import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.data import json_text
from ragft.data.json_text import parse, read_json
from ragft.data.record_files import Problems, Repeated

SUITE = sorted((Path(__file__).parents[2] / "data" / "hostile" / "json_test_suite").glob("*.json"))

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, min_size=1, max_size=3), min_size=1, max_size=5)


def read(path: Path) -> tuple[list[Any], list[str]]:
    problems = Problems()
    return [record.value for record in read_json(path, problems)], problems.found


def read_bytes(data: bytes, folder: Path, name: str = "file.json") -> tuple[list[Any], list[str]]:
    path = folder / name
    path.write_bytes(data)
    return read(path)


def test_the_suite_is_whole() -> None:
    counts = {kind: sum(path.name.startswith(f"{kind}_") for path in SUITE) for kind in "yni"}
    assert counts == {"y": 95, "n": 188, "i": 35}


def test_valid_texts_are_read_as_python_reads_them() -> None:
    for path in SUITE:
        if path.name.startswith("y_"):
            expected = json.loads(path.read_text(encoding="utf-8"))
            expected = expected if isinstance(expected, list) else [expected]
            values, problems = read(path)
            assert values == expected, path.name
            assert bool(problems) == (not values), path.name


def test_invalid_texts_are_problems_that_name_the_file() -> None:
    silent = []
    for path in SUITE:
        if path.name.startswith("n_"):
            _, problems = read(path)
            silent += [] if problems else [path.name]
            assert all(str(path) in problem for problem in problems)
    # Two values one after the other are records here; as no row is a text, every loader refuses it.
    assert silent == ["n_structure_object_with_trailing_garbage.json"]


def test_undefined_texts_are_read_or_refused_without_a_crash() -> None:
    read_ones = [path.name for path in SUITE if path.name.startswith("i_") and not read(path)[1]]
    assert "i_number_too_big_pos_int.json" in read_ones
    assert "i_string_1st_surrogate_but_2nd_missing.json" in read_ones
    assert "i_number_huge_exp.json" not in read_ones
    assert "i_string_UTF-16LE_with_BOM.json" not in read_ones


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused_with_their_line(constant: str, tmp_path: Path) -> None:
    values, problems = read_bytes(f'{{"a": 1}}\n{{"a": {constant}}}\n{{"a": 3}}\n'.encode(), tmp_path)
    assert values == [{"a": 1}, {"a": 3}]
    assert len(problems) == 1
    assert "record 2 (line 2)" in problems[0]


def test_ids_beyond_the_floats_keep_every_digit(tmp_path: Path) -> None:
    values, problems = read_bytes(b'{"id": -9007199254740993}\n{"id": 13591449469826568799}\n', tmp_path)
    assert values == [{"id": -9007199254740993}, {"id": 13591449469826568799}]
    assert not problems


def test_a_number_longer_than_python_reads_is_a_problem(tmp_path: Path) -> None:
    _, problems = read_bytes(b'{"id": ' + b"9" * 5000 + b"}", tmp_path)
    assert "5000 digits" in problems[0]


def test_deep_nesting_is_a_problem(tmp_path: Path) -> None:
    for data in (b"[" * 100_000, b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
        _, problems = read_bytes(data, tmp_path)
        assert "nested too deep" in problems[0]
    _, problems = read_bytes(b'{"a": 1}\n{"a": ' + b"[" * 100_000 + b'\n{"a": 2}\n', tmp_path)
    assert "record 2 (line 2)" in problems[0]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    for data in (b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n', b'\xef\xbb\xbf[{"a": 1}, {"a": 2}]'):
        assert read_bytes(data, tmp_path) == ([{"a": 1}, {"a": 2}], [])


def test_bad_bytes_are_named_with_their_line(tmp_path: Path) -> None:
    values, problems = read_bytes(b'{"a": 1}\n{"a": "\xff"}\n{"a": 2}\n', tmp_path)
    assert values == [{"a": 1}, {"a": 2}]
    assert "record 2 (line 2): is not UTF-8 (byte 0xff)" in problems[0]
    _, problems = read_bytes(b'[\n{"a": 1},\n{"a": "\xff"}\n]', tmp_path)
    assert "(line 3): is not UTF-8 (byte 0xff)" in problems[0]
    _, problems = read_bytes('{"a": 1}'.encode("utf-16"), tmp_path)
    assert "looks like UTF-16" in problems[0]


def test_a_broken_first_line_does_not_hide_the_others(tmp_path: Path) -> None:
    values, problems = read_bytes(b'{"a": 1\n{"a": 2}\nnonsense\n{"a": 4}\n', tmp_path, "rows.jsonl")
    assert values == [{"a": 2}, {"a": 4}]
    assert [problem.split(": ")[0].split(", ")[-1] for problem in problems] == [
        "record 1 (line 1)",
        "record 3 (line 3)",
    ]


def test_a_key_that_comes_twice_is_marked(tmp_path: Path) -> None:
    (value,), problems = read_bytes(b'{"a": 1, "b": 2, "a": 3}', tmp_path)
    assert value == {"a": 3, "b": 2}
    assert isinstance(value, Repeated)
    assert value.keys_twice == ("a",)
    assert not problems


@pytest.mark.parametrize("text", ["", "  \n ", "[]", "[ ]"])
def test_a_file_without_a_record_is_a_problem(text: str, tmp_path: Path) -> None:
    values, problems = read_bytes(text.encode(), tmp_path)
    assert values == []
    assert problems == [f"{tmp_path / 'file.json'}: holds no record"]


def test_compressed_files_are_read_and_cut_ones_are_problems(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a": 1}\n{"a": 2}\n')
    assert read_bytes(packed, tmp_path, "rows.jsonl.gz") == ([{"a": 1}, {"a": 2}], [])
    for data in (packed[:-9], b"plain", packed[:-1] + b"\x01"):
        assert "is not a whole gzip file" in read_bytes(data, tmp_path, "rows.jsonl.gz")[1][-1]


def test_a_folder_in_place_of_a_file_is_a_problem(tmp_path: Path) -> None:
    assert "cannot be opened" in read(tmp_path)[1][0]


@given(objects=OBJECTS, indent=st.sampled_from([None, 1, 2]), escape=st.booleans(), block=st.sampled_from([1, 7, 4096]))
def test_every_way_to_write_records_reads_the_same(
    objects: list[dict[str, Any]],
    indent: int | None,
    escape: bool,
    block: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    texts = [json.dumps(value, indent=indent, ensure_ascii=escape) for value in objects]
    path = tmp_path_factory.getbasetemp() / "records.json"
    with pytest.MonkeyPatch.context() as patch:
        # Windows of a few bytes cut every value, number and character somewhere.
        patch.setattr(json_text, "BLOCK_BYTES", block)
        for joined in ("\n".join(texts), "[" + ",\n".join(texts) + "]\n"):
            # Lone surrogates can be written only as escapes.
            path.write_bytes(joined.encode("utf-8", "surrogatepass") if escape else joined.encode("utf-8", "replace"))
            expected = [json.loads(text.encode("utf-8", "replace")) for text in texts] if not escape else objects
            assert read(path) == (expected, [])


def test_lines_are_counted_across_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "BLOCK_BYTES", 5)
    path = tmp_path / "list.json"
    path.write_text('[\n\n{"a":\n1},\n\n{"b": 2}\n, 3]', encoding="utf-8")
    problems = Problems()
    assert [record.place.rsplit("(")[-1] for record in read_json(path, problems)] == ["line 3)", "line 6)", "line 7)"]


def test_parse_takes_one_value_only() -> None:
    assert parse(' {"a": [1, 2.5]} ') == {"a": [1, 2.5]}
    for text in ("", "{} {}", "[1,]", "NaN", "[" * 100_000):
        with pytest.raises(ValueError, match=r"JSON|nested"):
            parse(text)


@pytest.mark.parametrize("layout", ["lines", "list"])
def test_reading_keeps_one_record_in_memory(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    row = json.dumps({"id": "x", "text": "word " * 2000})
    count = 2000
    with path.open("w", encoding="utf-8") as file:
        file.write("[" if layout == "list" else "")
        file.writelines(row + (",\n" if layout == "list" and i < count - 1 else "\n") for i in range(count))
        file.write("]" if layout == "list" else "")
    assert path.stat().st_size > 20_000_000
    tracemalloc.start()
    records = sum(1 for _ in read_json(path, Problems()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert records == count
    assert peak < 8_000_000


def test_small_records_do_not_copy_the_window_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "BLOCK_BYTES", 10_000)
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"id": number} for number in range(20_000)]), encoding="utf-8")
    copies = 0
    forget = json_text._Window.forget

    def counted(window: json_text._Window) -> None:
        nonlocal copies
        copies += 1
        forget(window)

    monkeypatch.setattr(json_text._Window, "forget", counted)
    assert sum(1 for _ in read_json(path, Problems())) == 20_000
    assert 0 < copies <= 2 * path.stat().st_size / 10_000
