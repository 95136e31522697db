"""Finished cells of studies, by the hash of everything that made them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ragft.store.connection import Cursor, Store, replayed
from ragft.store.kill_points import kill_point

Record = dict[str, Any]


@replayed
def finished_cells(store: Store, keys: Iterable[str]) -> set[str]:
    """Return those of ``keys`` whose cell is finished."""
    with store.transaction() as cursor:
        return {key for (key,) in cursor.execute("SELECT key FROM study_cells WHERE key = ANY(%s)", [list(keys)])}


@replayed
def load_cell(store: Store, key: str) -> Record | None:
    """Return the record of a finished cell, None where there is none."""
    with store.transaction() as cursor:
        row = cursor.execute("SELECT record::text FROM study_cells WHERE key = %s", [key]).fetchone()
    return None if row is None else json.loads(row[0])


def save_cell(cursor: Cursor, key: str, record: Mapping[str, Any]) -> None:
    """Write a finished cell, in the transaction that ends its claim; one that is already there stays as it is."""
    text = json.dumps(record, ensure_ascii=True, allow_nan=False)
    cursor.execute("INSERT INTO study_cells (key, record) VALUES (%s, %s) ON CONFLICT DO NOTHING", [key, text])
    kill_point("study.cell")


@replayed
def recorded_work(store: Store) -> list[list[Record]]:
    """Return what the newest finished cells did and how long it took, as a list of stages per cell."""
    with store.transaction() as cursor:
        cursor.execute("SELECT (record->'work')::text FROM study_cells ORDER BY made DESC LIMIT 200")
        return [json.loads(text) for (text,) in cursor if text]
