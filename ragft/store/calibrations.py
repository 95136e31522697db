"""How judges compare with people, by judge, criterion, estimator and data."""

import json
from collections.abc import Mapping
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
