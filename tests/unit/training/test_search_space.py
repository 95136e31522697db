import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragft.errors import ConfigError
from ragft.params.searches import TuneParams
from ragft.params.training import FinetuneParams
from ragft.training.search_space import EXAMPLE, TUNABLE, Choice, Range, read_space


def test_ranges_and_lists_are_read_with_the_types_of_their_parameters() -> None:
    space = read_space(" learning_rate = 1e-5..1e-3 ; lora_rank=8, 16,32;epochs=1..5;format=closed_book,retrieved ; ")
    assert space.dimensions == (
        Range("epochs", 1, 5),
        Choice("format", ("closed_book", "retrieved")),
        Range("learning_rate", 1e-5, 1e-3),
        Choice("lora_rank", (8, 16, 32)),
    )
    assert [each.log for each in space.dimensions if isinstance(each, Range)] == [False, True]
    assert space.size == math.inf
    assert read_space("epochs=1..5;lora_rank=8,16").size == 10


@pytest.mark.parametrize(
    ("text", "log"),
    [("1e-5..1e-4", True), ("1e-5..9e-5", False), ("0..1e-3", False), ("0.001,0.1", None)],
)
def test_a_wide_range_above_0_is_searched_on_a_log_scale(text: str, log: bool | None) -> None:
    (dimension,) = read_space(f"learning_rate={text}").dimensions
    assert (dimension.log if isinstance(dimension, Range) else None) == log


def test_one_space_has_one_name_however_it_is_written() -> None:
    ways = ("epochs=1..5;learning_rate=1e-5..1e-3", "learning_rate=0.00001..0.001 ;; epochs = 1 .. 5;")
    assert {str(read_space(way)) for way in ways} == {"epochs=1..5;learning_rate=1e-05..0.001"}


@pytest.mark.parametrize(
    ("space", "named"),
    [
        ("", "space is '', expected parameters of finetune with their values, such as learning_rate=1e-5..1e-3"),
        (" ; ", "expected parameters of finetune"),
        ("epochs", "space has the part 'epochs': expected name=a..b or name=a,b,c, such as learning_rate=1e-5..1e-3"),
        ("epochs=1..5;=3", "the part '=3': expected name=a..b"),
        ("epochs=", "the part 'epochs=': expected name=a..b"),
        ("epochs=1..5;epochs=2,3", "the part 'epochs=2,3': epochs stands there twice"),
        ("lr=1e-5..1e-3", "finetune has no parameter lr; to tune are samples, method"),
        ("seed=0..9", "seed is not tuned; to tune are samples, method"),
        ("top_k=1,3", "top_k is not tuned"),
        ("epochs=1..five", "'five' is none, expected whole numbers, as a..b or a,b,c"),
        ("epochs=1.5..3", "'1.5' is none, expected whole numbers"),
        ("learning_rate=1e-5..", "'' is none, expected numbers, as a..b or a,b,c"),
        ("learning_rate=1e-5..1e-4..1e-3", "'1e-4..1e-3' is none, expected numbers"),
        ("format=closed_book..raft", "format has no range, expected some of closed_book, retrieved"),
        ("format=closed_book,open_book", "format is 'open_book', expected one of: closed_book, retrieved"),
        ("learning_rate=1e-5..2", "the part 'learning_rate=1e-5..2': learning_rate is 2.0, expected at most 1.0"),
        ("lora_rank=0,8", "lora_rank is 0, expected at least 1"),
        ("learning_rate=nan..1", "learning_rate is nan, expected a finite number"),
        ("learning_rate=1e-3..1e-5", "the range is empty, expected the smaller number first: 1e-05..0.001"),
        ("epochs=3..3", "one value is nothing to choose from: leave it out, and add -P epochs=3"),
        ("epochs=3", "one value is nothing to choose from: leave it out, and add -P epochs=3"),
        ("epochs=3,3,4", "name each value once"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_is_expected(space: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_space(space)
    assert named in str(caught.value)


@given(st.lists(st.text(st.sampled_from("epochslearning_rate=.,;1e-5 3\x00²"), max_size=12), max_size=4))
def test_any_text_is_read_or_refused(parts: list[str]) -> None:
    text = ";".join(parts)
    try:
        space = read_space(text)
    except ConfigError as error:
        assert str(error).startswith("space ")
    else:
        assert read_space(str(space)) == space


def test_the_example_is_the_usual_space_and_every_tunable_parameter_is_one_of_finetune() -> None:
    assert TuneParams().space == EXAMPLE
    assert set(TUNABLE) <= set(FinetuneParams.__dataclass_fields__)


def test_values_are_trained_with_as_they_are_shown() -> None:
    space = read_space("learning_rate=1.23446e-5..1e-3;epochs=1..5;format=closed_book,raft")
    assert space.nearest({"learning_rate": 4.096984860316585e-05, "epochs": 3, "format": "raft"}) == {
        "epochs": 3,
        "format": "raft",
        "learning_rate": 4.097e-05,
    }
    # What is rounded stays within its range.
    assert space.nearest({"learning_rate": 1.23446e-5, "epochs": 1, "format": "raft"})["learning_rate"] == 1.23446e-5


def test_a_finite_space_lists_its_points_and_any_space_its_corners() -> None:
    space = read_space("epochs=1..3;lora_rank=8,16")
    points = [(point["epochs"], point["lora_rank"]) for point in space.points()]
    assert points == [(1, 8), (1, 16), (2, 8), (2, 16), (3, 8), (3, 16)]
    assert [corner["epochs"] for corner in read_space("epochs=1..9").corners()] == [1, 3, 5, 9]
    shares = [corner["unknown_share"] for corner in read_space("unknown_share=-1..1").corners()]
    assert shares == [-1, -0.5, 0, 1]


@pytest.mark.parametrize("split", ["test", "confirm", "test_seen", "train", ""])
def test_nothing_but_dev_chooses(split: str) -> None:
    with pytest.raises(ConfigError, match=f"split is '{split}', expected dev: what chooses hyperparameters cannot say"):
        TuneParams(split=split)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"trials": 0}, "trials is 0, expected at least 1"),
        ({"objective": "accuracy"}, "objective is 'accuracy', expected one of: dev_loss, right, answer_f1"),
        ({"sampler_seed": -1}, "sampler_seed is -1, expected at least 0"),
    ],
)
def test_a_bad_tune_is_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TuneParams(**values)  # type: ignore[arg-type]
    assert named in str(caught.value)
