"""The blind sheet: what it shows, what it hides, and what comes back from a spreadsheet."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ragft.errors import ConfigError, DataError
from ragft.judging.g_eval import Item
from ragft.judging.sheet import is_sheet, read_sheets, row_id, write_sheet
from ragft.prompts.criterion import load_criterion

SECRET = b"k" * 32
CRITERIA = [load_criterion("accuracy"), load_criterion("hallucination")]
ITEMS = [Item(f"Question {n}?", f"Answer {n}", (f"Reference {n}", "other"), ("A passage.",)) for n in range(20)]


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def filled(path: Path, target: Path, *grades: str, separator: str = ",", annotator: str = "") -> Path:
    head, *rows = rows_of(path)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(head)
    writer.writerows([*row[:5], *grades, annotator] for row in rows)
    target.write_text(text.getvalue(), encoding="utf-8-sig")
    return target


def test_the_sheet_shows_the_item_and_hides_where_it_came_from(tmp_path: Path) -> None:
    assert write_sheet(tmp_path / "sheet.csv", ITEMS, CRITERIA, SECRET) == 20
    head, *rows = rows_of(tmp_path / "sheet.csv")
    assert head[:5] == ["row", "question", "reference", "passages", "answer"]
    assert head[5].startswith("accuracy (1 = Poor Accuracy / ")
    assert head[-1] == "annotator"
    assert all(re.fullmatch("r[0-9a-f]{12}", row[0]) for row in rows)
    assert {row[4] for row in rows} == {item.answer for item in ITEMS}
    assert all(row[5:] == ["", "", ""] for row in rows)


def test_the_order_tells_nothing_and_equal_answers_are_one_row(tmp_path: Path) -> None:
    write_sheet(tmp_path / "one.csv", ITEMS, CRITERIA, SECRET)
    assert write_sheet(tmp_path / "two.csv", [*ITEMS[::-1], *ITEMS], CRITERIA, SECRET) == 20
    assert rows_of(tmp_path / "one.csv") == rows_of(tmp_path / "two.csv")
    order = [row[4] for row in rows_of(tmp_path / "one.csv")[1:]]
    assert order not in ([item.answer for item in ITEMS], [item.answer for item in ITEMS[::-1]])
    write_sheet(tmp_path / "other.csv", ITEMS, CRITERIA, b"o" * 32)
    assert [row[4] for row in rows_of(tmp_path / "other.csv")[1:]] != order


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_filled_sheet_comes_back(tmp_path: Path, separator: str) -> None:
    write_sheet(tmp_path / "sheet.csv", ITEMS, CRITERIA, SECRET)
    paths = [
        filled(tmp_path / "sheet.csv", tmp_path / "ann.csv", "4", "1", separator=separator),
        filled(tmp_path / "sheet.csv", tmp_path / "x.csv", " 5 ", "n/a", separator=separator, annotator="Bo"),
    ]
    ratings = read_sheets(paths, CRITERIA)
    assert ratings.annotators == ("ann", "Bo")
    assert ratings.numbers["accuracy"][row_id(SECRET, ITEMS[3])] == (4.0, 5.0)
    # Label 1 of hallucination stands for the number 1.0, label 5 for 0.0.
    assert ratings.numbers["hallucination"][row_id(SECRET, ITEMS[3])] == (1.0, None)
    assert len(ratings.numbers["accuracy"]) == 20


def test_a_word_that_a_spreadsheet_wrote_large_is_the_same_label(tmp_path: Path) -> None:
    criterion = replace(CRITERIA[0], scores={"yes": 1.0, "no": 0.0}, meanings={"yes": "it is", "no": "it is not"})
    write_sheet(tmp_path / "sheet.csv", ITEMS, [criterion], SECRET)
    head, *rows = rows_of(tmp_path / "sheet.csv")
    lines = [head, *([*row[:5], ("Yes", "NO", "no")[n % 3], ""] for n, row in enumerate(rows))]
    with (tmp_path / "ann.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([line[: len(head)] for line in lines])
    said = read_sheets([tmp_path / "ann.csv"], [criterion]).numbers["accuracy"]
    assert sorted(number for (number,) in said.values()) == 13 * [0.0] + 7 * [1.0]  # type: ignore[type-var]


def test_every_bad_cell_is_named_at_once(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.csv", ITEMS[:2], CRITERIA, SECRET)
    bad = filled(tmp_path / "sheet.csv", tmp_path / "bad.csv", "6", "good")
    with pytest.raises(DataError) as caught:
        read_sheets([bad], CRITERIA)
    assert len(caught.value.problems) == 4
    assert "bad.csv, line" in caught.value.problems[0]
    assert "'6', expected one of 1, 2, 3, 4, 5" in caught.value.problems[0]


def test_one_person_rates_a_row_once(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.csv", ITEMS[:1], CRITERIA, SECRET)
    twice = [filled(tmp_path / "sheet.csv", tmp_path / f"{n}.csv", "4", "", annotator="Bo") for n in range(2)]
    with pytest.raises(DataError, match=r"Bo rated row .* twice"):
        read_sheets(twice, CRITERIA)


def test_awkward_text_is_shown_and_never_run(tmp_path: Path) -> None:
    answers = ["=HYPERLINK(1)", "+1", "-1", "@x", "a\x00b", "\ud800", 'say "hi",\nnow', "مرحبا"]
    write_sheet(tmp_path / "sheet.csv", [Item("q", answer, ("r",)) for answer in answers], CRITERIA, SECRET)
    shown = {row[4] for row in rows_of(tmp_path / "sheet.csv")[1:]}
    assert shown == {"'=HYPERLINK(1)", "'+1", "'-1", "'@x", "a\ufffdb", "?", 'say "hi",\nnow', "مرحبا"}


def test_at_most_so_many_answers_are_chosen_and_stay_the_same(tmp_path: Path) -> None:
    assert write_sheet(tmp_path / "some.csv", ITEMS, CRITERIA, SECRET, most=7) == 7
    write_sheet(tmp_path / "all.csv", ITEMS, CRITERIA, SECRET)
    assert rows_of(tmp_path / "some.csv")[1:] == rows_of(tmp_path / "all.csv")[1:8]


def test_a_sheet_is_known_by_its_columns(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.csv", ITEMS, CRITERIA, SECRET)
    filled(tmp_path / "sheet.csv", tmp_path / "other.csv", "4", "1", separator=";")
    (tmp_path / "table.csv").write_text("question,answer,human\na,b,1\n", encoding="utf-8")
    assert [is_sheet(tmp_path / name) for name in ("sheet.csv", "other.csv", "table.csv")] == [True, True, False]


def test_a_sheet_that_people_wrote_in_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    write_sheet(path, ITEMS, CRITERIA, SECRET)
    assert write_sheet(path, ITEMS, CRITERIA, SECRET) == 20
    filled(path, path, "4", "1")
    content = path.read_bytes()
    with pytest.raises(ConfigError, match=r"another file is that people may have written in"):
        write_sheet(path, ITEMS, CRITERIA, SECRET)
    assert path.read_bytes() == content


def test_what_a_spreadsheet_makes_of_a_label_is_read_or_named(tmp_path: Path) -> None:
    write_sheet(tmp_path / "sheet.csv", ITEMS, CRITERIA, SECRET)
    head, *rows = rows_of(tmp_path / "sheet.csv")
    cells = ["4,00", "4.0", "04", "2026-04-03", "3. Apr", "3,5", "", "4"]
    lost = [*[row[0] for row in rows[:7]], "1.23E+47"]
    text = "\n".join(
        [
            "\t".join(head),
            *("\t".join([key, "q", "r", "p", "a", cell, "", ""]) for key, cell in zip(lost, cells, strict=True)),
        ]
    )
    for encoding in ("utf-16", "utf-8-sig"):
        path = tmp_path / f"{encoding}.csv"
        path.write_text(text, encoding=encoding)
        assert is_sheet(path)
        with pytest.raises(DataError) as caught:
            read_sheets([path], CRITERIA)
        date = ", not a date, which a spreadsheet program made of it"
        assert [problem.split(", accuracy: ")[1] for problem in caught.value.problems] == [
            f"'2026-04-03', expected one of 1, 2, 3, 4, 5{date}",
            f"'3. Apr', expected one of 1, 2, 3, 4, 5{date}",
            "'3,5', expected one of 1, 2, 3, 4, 5",
            "row is '1.23E+47', expected the id that the sheet gave it",
        ]
        path.write_text("\n".join(text.split("\n")[:4]), encoding=encoding)
        assert [*read_sheets([path], CRITERIA).numbers["accuracy"].values()] == [(4.0,), (4.0,), (4.0,)]


def test_a_sheet_in_an_old_encoding_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("row;question;reference;passages;answer\nr1;Café?;r;p;a\n".encode("cp1252"))
    with pytest.raises(DataError, match="save it as CSV UTF-8"):
        read_sheets([path], CRITERIA)


def test_rows_with_more_cells_than_headings_are_named_at_once(tmp_path: Path) -> None:
    """A comma in an answer without quotes shifts all cells behind it by one, and 4 would be a person's name."""
    write_sheet(tmp_path / "sheet.csv", ITEMS, CRITERIA, SECRET)
    head = (tmp_path / "sheet.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    shifted, good = "r0123456789ab,q,r,p,Yes, it is,4,1,", "r0123456789ac,q,r,p,Yes,4,1,"
    path = tmp_path / "ann.csv"
    path.write_text("\n".join([head, shifted, good, shifted]), encoding="utf-8-sig")
    with pytest.raises(DataError) as caught:
        read_sheets([path], CRITERIA)
    says = "has 9 cells, the heading 8: put a cell that holds ',' in quotes"
    assert list(caught.value.problems) == [f"{path}, line 2 {says}", f"{path}, line 4 {says}"]
