"""Criterion files: the built-in ones, and what is wrong with a user's."""

from pathlib import Path

import pytest

from ragft.errors import ConfigError
from ragft.prompts.criterion import BUILT_IN, Criterion, load_criteria, load_criterion, parse_criterion, read_steps

NAMES = sorted(entry.name.removesuffix(".md") for entry in BUILT_IN.iterdir() if entry.name.endswith(".md"))
GOOD = """---
name: tone
direction: lower
sees: [question]
scores:
  "1": {value: 0, means: Kind}
  "2": {value: 1, means: Rude}
---
How rude the answer is.

## Steps
1. Read it.
2. Grade it.
"""


def test_the_criteria_of_the_study_and_of_the_tools_are_built_in() -> None:
    assert NAMES == [
        "accuracy",
        "answer_relevancy",
        "completeness",
        "faithfulness",
        "hallucination",
        "style",
        "supported",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_built_in_loads(name: str) -> None:
    criterion = load_criterion(name)
    assert criterion.name == name
    assert len(criterion.steps) >= 3
    assert all(criterion.meanings[label] for label in criterion.scores)
    # One habit for all: the highest label is the best answer, whatever number it stands for.
    assert criterion.scores[max(criterion.scores)] == criterion.best
    assert criterion.scores[min(criterion.scores)] == criterion.worst


@pytest.mark.parametrize("name", ["accuracy", "completeness"])
def test_the_published_scale(name: str) -> None:
    criterion = load_criterion(name)
    assert dict(criterion.scores) == {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}
    assert (criterion.worst, criterion.best, criterion.range) == (1, 5, 4)


def test_hallucination_is_worst_at_one() -> None:
    criterion = load_criterion("hallucination")
    assert (criterion.worst, criterion.best, criterion.range) == (1.0, 0.0, 1.0)


def test_what_the_judge_may_see() -> None:
    seen = {name: set(load_criterion(name).sees) for name in NAMES}
    assert "reference" not in seen["faithfulness"] | seen["style"] | seen["answer_relevancy"]
    assert "passages" in seen["faithfulness"] & seen["hallucination"]


def test_a_users_file(tmp_path: Path) -> None:
    path = tmp_path / "tone.md"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    criterion = load_criterion(str(path))
    assert criterion == parse_criterion(GOOD, source="tone")
    assert (criterion.worst, criterion.best) == (1, 0)
    assert criterion.steps == ("Read it.", "Grade it.")
    assert criterion.render().endswith("How rude the answer is.\n1. Read it.\n2. Grade it.\n1 = Kind\n2 = Rude")


def test_steps_may_be_left_to_the_judge() -> None:
    criterion = parse_criterion(GOOD.split("\n## Steps", maxsplit=1)[0], source="tone")
    assert criterion.steps == ()
    assert criterion.with_steps(["Read it.", "Grade it."]) == parse_criterion(GOOD, source="tone")


def test_every_part_counts_in_the_hash() -> None:
    changes = [
        ("Read it", "Read all"), ("How rude", "How kind"), ("Rude", "Bad"), ("value: 1", "value: 2"),
        ("lower", "higher"),
        ("[question]", "[question, reference]"), ("name: tone", "name: mood"), ('"2"', '"3"'),
    ]  # fmt: skip
    hashes = {parse_criterion(GOOD.replace(old, new), source="x").sha256 for old, new in changes}
    assert len(hashes | {parse_criterion(GOOD, source="x").sha256}) == len(changes) + 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("---\nname", "name", "expected YAML between"),
        ("How rude the answer is.", "", "then the definition"),
        ("1. Read it.\n2. Grade it.", "Read it.", "no line like"),
        ("name: tone", "name: my tone", "'my tone'"),
        ("name: tone", "name: {a: b}", "expected letters"),
        ("name: tone", "name: [", "cannot be read"),
        ("name: tone\n", "name: tone\nname: mood\n", "name stands twice"),
        ("name: tone\n", "name: tone\ncolour: red\n", "'colour'"),
        ("direction: lower\n", "", "direction holds None"),
        ("lower", "down", "'down'"),
        ("[question]", "[answer, question]", "'answer'"),
        ("[question]", "question", "expected a list"),
        ('"2"', '"1"', "1 stands twice"),
        ('"2"', "yes", "label True"),
        ('"2"', '"very rude"', "one word"),
        ('"2"', "1", "stands twice|alike"),
        ("value: 1", "value: .nan", "expected {value"),
        ("value: 1", "value: true", "expected {value"),
        ("value: 1", "value: 0", "same number"),
        ("{value: 1, means: Rude}", "1", "expected {value"),
        ('  "2": {value: 1, means: Rude}\n', "", "at least two"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match=message) as caught:
        parse_criterion(GOOD.replace(old, new), source="my/tone.md")
    assert "my/tone.md" in str(caught.value)


BOMB = "\n".join(["l0: &l0 [x, x]", *(f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}]" for n in range(1, 21))])


@pytest.mark.parametrize(
    "line",
    [BOMB, "sees: &seen [question]", "sees: *seen", "<<: *more", "scores: &s {a: *s}"],
    ids=lambda line: line[:12],
)
def test_yaml_that_refers_to_itself_is_refused(line: str) -> None:
    """Twenty levels of two aliases each are a million entries: 8.5 seconds, with a few more all memory."""
    with pytest.raises(ConfigError, match=r"my/tone.md: .*anchor or alias.*write it out"):
        parse_criterion(GOOD.replace("name: tone", f"{line}\nname: tone"), source="my/tone.md")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x: " + "[" * 20_000, "nested deeper than 10"),
        ("x: " + "{a: " * 20_000, "nested deeper than 10"),
        ("x: 2026-99-99", "cannot be read"),
        ("x: !!python/name:os.system", "cannot be read"),
    ],
    ids=lambda text: text[:12],
)
def test_yaml_that_cannot_be_read_is_said_in_a_line(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"my/tone.md: its YAML .*{message}") as caught:
        parse_criterion(GOOD.replace("name: tone", f"{line}\nname: tone"), source="my/tone.md")
    assert len(str(caught.value)) < 500


def test_a_criterion_s_meaning_may_hold_those_signs_in_quotes() -> None:
    found = parse_criterion(GOOD.replace("means: Rude", "means: '*Rude* & worse'"), source="x")
    assert "*Rude* & worse" in found.meanings.values()


def test_an_enormous_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.md"
    path.write_text(GOOD + "x" * 100_000)
    with pytest.raises(ConfigError, match=r"long.md has 100,\d+ bytes, expected at most 100,000"):
        load_criterion(str(path))


@pytest.mark.parametrize("names", ["accuracy,", ",accuracy", " accuracy , ", "accuracy"])
def test_a_comma_too_many_is_no_criterion(names: str) -> None:
    assert [criterion.name for criterion in load_criteria(names)] == ["accuracy"]


@pytest.mark.parametrize(
    ("names", "message"),
    [("", "names none"), (" , ", "names none"), ("accuracy,style,accuracy", "names accuracy twice")],
)
def test_a_list_that_names_none_or_one_twice_is_refused(names: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"criteria is '{names}', which {message}"):
        load_criteria(names)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="accuracy, answer_relevancy"):
        load_criterion("acuracy")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.md").write_bytes(b"\xff\xfe")
    for name in ("missing.md", "latin.md"):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_criterion(str(tmp_path / name))


def test_steps_are_the_numbered_lines() -> None:
    assert read_steps("Steps:\n1. Look  twice.\n\n 2) Grade.\n- no step\n3.\n4.x") == ("Look twice.", "Grade.")


def test_labels_that_differ_in_case_only_cannot_be_told_apart() -> None:
    with pytest.raises(ConfigError, match="alike"):
        parse_criterion(GOOD.replace('"1"', '"a"').replace('"2"', '"A"'), source="x")


def test_a_criterion_is_frozen() -> None:
    criterion: Criterion = load_criterion("accuracy")
    with pytest.raises(AttributeError):
        criterion.name = "other"  # type: ignore[misc]
