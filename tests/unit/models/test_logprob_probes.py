"""What tells an engine that serves the adapter from one that does not, or serves another."""

import json
import math
import random
from dataclasses import replace

import pytest

from ragft.errors import DataError
from ragft.models.logprob_probes import Probes, agree

RANDOM = random.Random(1)
ALONE = tuple(tuple(-RANDOM.uniform(0, 12) for _ in range(10)) for _ in range(4))
MOVES = tuple(tuple(RANDOM.gauss(0, 1.5) for _ in range(10)) for _ in range(4))
PROBES = Probes(
    fingerprint="f",
    adapter="a",
    dtype="float32",
    ids=tuple(tuple(range(15)) for _ in range(4)),
    answers=(10,) * 4,
    alone=ALONE,
    adapted=tuple(tuple(a + m for a, m in zip(x, y, strict=True)) for x, y in zip(ALONE, MOVES, strict=True)),
)


def engine(scale: float = 1.0, noise: float = 0.0, offset: float = 0.0) -> tuple[list[list[float]], list[list[float]]]:
    """Return what an engine says that applies so much of the adapter, rounds so, and holds a base so far away."""

    def rounded(rows: list[list[float]]) -> list[list[float]]:
        return [[value + offset + RANDOM.gauss(0, noise) for value in row] for row in rows]

    moved = [[a + scale * m for a, m in zip(x, y, strict=True)] for x, y in zip(ALONE, MOVES, strict=True)]
    return rounded([list(row) for row in ALONE]), rounded(moved)


@pytest.mark.parametrize(("dtype", "noise"), [("float32", 0.003), ("bfloat16", 0.08)])
def test_an_engine_with_the_same_weights_is_believed(dtype: str, noise: float) -> None:
    found = agree(PROBES, *engine(noise=noise), dtype)
    assert found.problem == ""
    assert found.share == pytest.approx(1.0, abs=0.05)
    assert found.tokens == 40


@pytest.mark.parametrize("noise", [0.003, 0.08])
@pytest.mark.parametrize(
    ("scale", "told"),
    [
        (0.0, "does not apply the adapter"),
        (0.5, "or a part of it"),
        (0.85, "or a part of it"),
        (1.2, "or a part of it"),
        (2.0, "applies another"),
        (-1.0, "does not apply"),
    ],
)
def test_one_that_does_not_apply_it_is_found_with_both_figures(scale: float, noise: float, told: str) -> None:
    found = agree(PROBES, *engine(scale, noise), "bfloat16")
    assert told in found.problem
    assert f"{found.moved_here:.3g} nats a token here and by {found.moved_there:.3g} in the engine" in found.problem
    assert found.share == pytest.approx(scale, abs=0.1)


def test_an_engine_that_agrees_on_the_base_is_held_to_it_with_the_adapter() -> None:
    alone, adapted = engine(noise=0.001)
    other = [[value + RANDOM.gauss(0, 0.1) for value in row] for row in adapted]
    assert "where precision can make 0.03" in agree(PROBES, alone, other, "bfloat16").problem


def test_another_base_is_found_first() -> None:
    assert "than the base itself: 0.4 nats" in agree(PROBES, *engine(offset=0.4), "bfloat16").problem


def test_what_is_no_number_is_never_believed() -> None:
    alone, adapted = engine()
    adapted[0][0] = math.nan
    assert agree(PROBES, alone, adapted, "float32").problem


def test_an_adapter_that_moves_less_than_rounding_cannot_be_told() -> None:
    still = replace(PROBES, adapted=tuple(tuple(value + 1e-3 for value in row) for row in ALONE))
    alone, _ = engine(noise=0.08)
    assert "cannot be told" in agree(still, alone, alone, "bfloat16").problem
    same = replace(PROBES, adapted=ALONE)
    assert "cannot be told" in agree(same, alone, alone, "bfloat16").problem


def test_a_base_has_no_effect_to_show() -> None:
    base = replace(PROBES, adapter="", adapted=ALONE)
    alone, _ = engine(noise=0.002)
    assert agree(base, alone, alone, "float32").problem == ""


def test_they_travel_as_text_and_nonsense_is_told() -> None:
    assert Probes.from_json(PROBES.to_json(), source="x") == PROBES
    broken = json.loads(PROBES.to_json())
    broken["alone"] = broken["alone"][:3]
    for text in ("", "[]", "{}", json.dumps(broken)):
        with pytest.raises(DataError, match=r"the tag of v holds no probes.*entrypoints.fingerprint"):
            Probes.from_json(text, source="the tag of v")
