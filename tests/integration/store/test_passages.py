"""Passages and vectors: exact search, collections, and everything that is refused before it is written."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ragft.errors import ConfigError, DataError
from ragft.store.connection import Store
from ragft.store.passages import (
    collection_passages,
    embedded,
    find_collection,
    freeze_collection,
    load_passages,
    write_passages,
)
from ragft.store.retrievals import freeze, frozen
from ragft.store.searching import nearest
from ragft.store.server import open_store
from ragft.types import Passage

BLNS = Path(__file__).parents[2] / "data" / "hostile" / "blns.json"
DIMENSION = 16


def passages(count: int = 300) -> list[Passage]:
    texts = [*json.loads(BLNS.read_text(encoding="utf-8")), "\x00", "\ud800"]
    return [Passage(f"{n * 7919 % 10007:064x}", f"d{n % 7} \x00", n, texts[-n - 1]) for n in range(count)]


def vectors(count: int, dimension: int = DIMENSION, seed: int = 0) -> npt.NDArray[np.float32]:
    drawn = np.random.default_rng(seed).normal(size=(count, dimension))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def fill(store: Store, count: int = 300, embedder: str = "e \ud800") -> list[Passage]:
    made = passages(count)
    write_passages(store, made, vectors(count), embedder)
    freeze_collection(store, "c", [p.id for p in made], embedder, 1500)
    return made


def count(store: Store, table: str) -> int:
    with store.transaction() as cursor:
        row = cursor.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])


def test_search_equals_the_search_in_numpy(store: Store) -> None:
    made = fill(store)
    queries = vectors(100, seed=1)
    half = vectors(300).astype(np.float16).astype(np.float64)
    wanted = queries.astype(np.float16).astype(np.float64)
    distances = 1 - wanted @ half.T / np.outer(np.linalg.norm(wanted, axis=1), np.linalg.norm(half, axis=1))
    found = nearest(store, "c", queries, 5)
    assert len(found) == 100
    for row, near in zip(distances, found, strict=True):
        best = sorted(zip(row.round(6), [p.id for p in made], strict=True))[:5]
        assert [d for _, d in near] == pytest.approx([d for d, _ in best], abs=2e-6)
        assert near[0][0] == made[int(row.argmin())]


def test_equal_distances_are_ordered_alike_in_every_store(
    store: Store, new_schema: Callable[[], str], tmp_path: Path
) -> None:
    made = passages(50)
    found = []
    with open_store(new_schema(), tmp_path) as other:
        for each, order in ((store, made), (other, made[::-1])):
            write_passages(each, order, np.repeat(vectors(1), 50, axis=0), "e")
            freeze_collection(each, "c", [p.id for p in order], "e", 1500)
            found.append([passage.id for passage, _ in nearest(each, "c", vectors(1, seed=3), 7)[0]])
    assert len(set(found[0])) == 7
    assert found[0] == found[1]


def test_a_search_sees_its_own_collection_and_embedder_alone(store: Store) -> None:
    made = fill(store, 40)
    write_passages(store, made, vectors(40, seed=9), "other")
    freeze_collection(store, "part", [p.id for p in made[:3]], "other", 1500)
    found = nearest(store, "part", vectors(40, seed=9)[2:3], 10)[0]
    assert {p.id for p, _ in found} == {p.id for p in made[:3]}
    assert found[0][0] == made[2]
    assert found[0][1] == pytest.approx(0, abs=1e-5)


def test_writing_twice_changes_nothing(store: Store) -> None:
    made = fill(store, 40)
    before = [count(store, table) for table in ("passages", "vectors", "members", "collections", "embedders")]
    write_passages(store, made[::-1], vectors(40, seed=5), "e \ud800")
    fill(store, 40)
    assert [count(store, table) for table in ("passages", "vectors", "members", "collections", "embedders")] == before
    assert before == [40, 40, 40, 1, 1]
    assert nearest(store, "c", vectors(40)[4:5], 1)[0][0][0] == made[4]


def test_a_batch_may_hold_a_passage_twice(store: Store) -> None:
    one = passages(1)
    write_passages(store, one * 2, vectors(2), "e")
    freeze_collection(store, "c", [one[0].id] * 2, "e", 10)
    found = find_collection(store, "c")
    assert found is not None
    assert (found.embedder, found.dimension, found.max_chars, found.size) == ("e", DIMENSION, 10, 1)


def test_hostile_text_comes_back(store: Store) -> None:
    made = fill(store, 500)
    assert load_passages(store, [p.id for p in made] + ["missing"]) == {p.id: p for p in made}
    assert collection_passages(store, "c") == sorted(made, key=lambda p: (p.document_id, p.position))
    assert embedded(store, "e \ud800", [p.id for p in made[:9]] + ["missing"]) == {p.id for p in made[:9]}
    assert embedded(store, "another", [p.id for p in made]) == set()
    freeze(store, {"k": made[:5], "none": []})
    freeze(store, {"k": made[5:9]})
    assert frozen(store, ["k", "none", "missing"]) == {"k": tuple(made[:5]), "none": ()}


BAD = {"zero": 0.0, "not finite": np.nan, "not finite ": np.inf, "zero ": 1e-9, " not finite": 1e6}


@pytest.mark.parametrize(("problem", "value"), BAD.items())
def test_vectors_that_cannot_be_searched_are_refused_before_writing(store: Store, problem: str, value: float) -> None:
    drawn = vectors(3)
    drawn[1] = value
    made = passages(3)
    with pytest.raises(DataError, match=f"passage {made[1].id} .*{problem.strip()}"):
        write_passages(store, made, drawn, "e")
    assert count(store, "passages") == 0
    fill(store, 3)
    with pytest.raises(DataError, match=f"query 1: {problem.strip()}"):
        nearest(store, "c", drawn, 1)


def test_vectors_of_another_shape_are_refused_before_writing(store: Store) -> None:
    fill(store, 3)
    with pytest.raises(ConfigError, match=r"gives 8 dimensions, but its vectors in the store have 16"):
        write_passages(store, passages(5), vectors(5, 8), "e \ud800")
    with pytest.raises(ConfigError, match=r"3 passages need as many vectors"):
        write_passages(store, passages(3), vectors(2), "e")
    with pytest.raises(ConfigError, match=r"4001 dimensions; the store holds 1 to 4000"):
        write_passages(store, passages(1), vectors(1, 4001), "wide")
    with pytest.raises(ConfigError, match=r"shape \(2, 8\); collection c has 16"):
        nearest(store, "c", vectors(2, 8), 1)
    assert count(store, "passages") == 3


def test_the_widest_vectors_fit(store: Store) -> None:
    made = passages(2)
    write_passages(store, made, vectors(2, 4000), "wide")
    freeze_collection(store, "wide", [p.id for p in made], "wide", 1500)
    assert nearest(store, "wide", vectors(2, 4000)[1:], 1)[0][0][0] == made[1]


def test_a_collection_needs_all_its_vectors(store: Store) -> None:
    made = fill(store, 3)
    with pytest.raises(DataError, match=r"1 of 4 passages have no vector of e"):
        freeze_collection(store, "more", [*(p.id for p in made), "missing"], "e \ud800", 1500)
    with pytest.raises(DataError, match=r"3 of 3 passages have no vector of unknown"):
        freeze_collection(store, "more", [p.id for p in made], "unknown", 1500)
    assert find_collection(store, "more") is None
    with pytest.raises(ConfigError, match=r"no collection more in the store at .*; run prepare"):
        nearest(store, "more", vectors(1), 1)
