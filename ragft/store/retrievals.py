"""Retrieved passages, frozen: the same question to the same collection always gets what is kept here."""

from collections.abc import Iterable, Mapping, Sequence

from ragft.store.connection import Store, replayed
from ragft.store.kill_points import kill_point
from ragft.store.passages import load_passages
from ragft.types import Passage


@replayed
def frozen(store: Store, keys: Iterable[str]) -> dict[str, tuple[Passage, ...]]:
    """Return those of ``keys`` that are frozen, each with its passages, nearest first."""
    with store.transaction() as cursor:
        cursor.execute("SELECT key, passages FROM retrievals WHERE key = ANY(%s)", [list(keys)])
        found: dict[str, list[str]] = dict(cursor.fetchall())
    passages = load_passages(store, {passage for ids in found.values() for passage in ids})
    return {key: tuple(passages[passage] for passage in ids) for key, ids in found.items()}


@replayed
def freeze(store: Store, retrieved: Mapping[str, Sequence[Passage]]) -> None:
    """Write what was retrieved under each key in one transaction; what is already frozen stays as it is."""
    rows = sorted((key, [passage.id for passage in passages]) for key, passages in retrieved.items())
    with store.transaction() as cursor:
        cursor.executemany(
            "INSERT INTO retrievals (key, passages) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            rows,
        )
        kill_point("retrieve.freeze")
