"""How judges compare with people, by judge, criterion, estimator and data."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ragft.store.connection import Store, replayed


@replayed
def find_calibrations(store: Store, *, judge: str, estimator: str, data: str) -> dict[str, dict[str, Any]]:
    """Return criterion (its hash) -> record."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT criterion, record::text FROM calibrations WHERE judge = %s AND estimator = %s AND data = %s",
            [judge, estimator, data],
        )
        return {criterion: json.loads(record) for criterion, record in cursor}


@replayed
def save_calibration(
    store: Store, record: Mapping[str, Any], *, judge: str, criterion: str, estimator: str, data: str
) -> None:
    """Write a record; an earlier one of the same judge, criterion, estimator and data is replaced."""
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO calibrations (judge, criterion, estimator, data, record) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT (judge, criterion, estimator, data) DO UPDATE "
            "SET record = excluded.record, made = clock_timestamp()",
            [judge, criterion, estimator, data, json.dumps(dict(record), ensure_ascii=True, allow_nan=False)],
        )


@replayed
def calibrated_since(store: Store, cell: str, *, criteria: Iterable[str], estimator: str, data: str) -> bool:
    """Return whether a judge was calibrated under one of the criteria (names) after the study cell with this key."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT FROM calibrations JOIN study_cells ON calibrations.made > study_cells.made "
            "WHERE key = %s AND calibrations.record->>'criterion' = ANY(%s) AND estimator = %s AND data = %s LIMIT 1",
            [cell, list(criteria), estimator, data],
        )
        return cursor.fetchone() is not None
