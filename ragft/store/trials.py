"""The ledger of test sets: which versions were compared on each, since the best of many looks better than it is."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ragft.store.connection import Store, replayed
from ragft.store.text import from_postgres, to_postgres


@dataclass(frozen=True, slots=True)
class Trial:
    """A version that was compared on a test set, once or often.

    Attributes:
        version: Its identity, whatever it is called: the digest of its adapter.
        name: What it was called when it was compared last.
        outcome: Of the last comparison, or its value where a tune tried it; empty when that was not finished.
        comparison: sha256 of the last comparison; empty when that was not finished, or a tune's.
        first: When it was compared first, UTC.
    """

    version: str
    name: str
    outcome: str
    comparison: str
    first: datetime


@replayed
def begin_trial(store: Store, data: str, version: str, name: str) -> list[Trial]:
    """Count ``version`` among those compared on ``data`` (data set and split), and return all, first tried first.

    It is counted before its scores are looked at, so that a comparison that is stopped counts too.
    """
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO trials (data, version, name, outcome, comparison) VALUES (%s, %s, %s, '', '') "
            "ON CONFLICT (data, version) DO UPDATE SET name = EXCLUDED.name, last = clock_timestamp()",
            [to_postgres(data), version, to_postgres(name)],
        )
    return find_trials(store, data)


@replayed
def settle_trial(store: Store, data: str, version: str, outcome: str, comparison: str) -> None:
    """Write what came out of a trial that was begun."""
    with store.transaction() as cursor:
        cursor.execute(
            "UPDATE trials SET outcome = %s, comparison = %s, last = clock_timestamp() "
            "WHERE data = %s AND version = %s",
            [outcome, comparison, to_postgres(data), version],
        )


@replayed
def find_trials(store: Store, data: str) -> list[Trial]:
    """Return the versions that were compared on ``data``, first tried first."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT version, name, outcome, comparison, first FROM trials WHERE data = %s ORDER BY first, version",
            [to_postgres(data)],
        )
        return [
            Trial(version, from_postgres(name), outcome, comparison, first.astimezone(UTC))
            for version, name, outcome, comparison, first in cursor
        ]
