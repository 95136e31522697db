"""What a home's Postgres holds, and how often each row was handed to it, transactions that were lost included."""

import hashlib
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store

# What says nothing of a row: the order in which it was written. Times are left out by their type.
COUNTERS = ("number", "embedder", "collection")
# Who computes what, and in how many tries, is no result.
NOT_RESULTS = ("schema_steps", "store", "claims")
# Of a cell's record, how long it took is left out.
SHOWN = {"study_cells.record": "(record::jsonb - 'seconds' - 'work')::text"}
# Rows that a model computed.
COMPUTED = ("vectors", "retrievals", "answers", "judgements", "study_cells")
# The keys of tables that have more than their first column for it.
KEYS = {"judgements": "key || repeat", "trials": "data || version", "calibrations": "judge || criterion || estimator"}
COUNTING = """
    CREATE FUNCTION count_handed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM nextval(format('%I.%I', TG_TABLE_SCHEMA, 'handed_' || TG_TABLE_NAME)); RETURN NEW; END $$;
"""

Keys = dict[str, frozenset[str]]
Cursor = psycopg.Cursor[tuple[Any, ...]]


def prepare_store(home: Path) -> None:
    """Make the home's store, or recover what a kill left of it; count what is written into it from now on.

    The judge is shown fences made of the store's secret, and would score by a hair otherwise: all homes have one. A
    sequence counts, which a transaction that is lost does not take back.
    """
    with open_store(None, home) as store, store.transaction() as cursor:
        cursor.execute("UPDATE store SET secret = %s", [bytes(32)])
        count_rows(cursor)
    leave_embedded(home)


def count_rows(cursor: Cursor) -> None:
    """Count what is written into the store from now on, by sequences beside its tables."""
    cursor.execute(COUNTING)
    for table in COMPUTED:
        cursor.execute(f"CREATE SEQUENCE handed_{table}")
        cursor.execute(f"CREATE TRIGGER counted BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION count_handed()")


def server_runs(home: Path) -> bool:
    """Return whether the home's Postgres runs."""
    try:
        pid = int((home / "postgres" / "postmaster.pid").read_text().partition("\n")[0])
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return False


def committed(home: Path) -> Keys:
    """Return the rows that are committed; a server that an attempt left running is read as it is, and left so."""
    with suppress(psycopg.OperationalError):  # it was just being stopped
        if connection := _connect(home):
            with connection, connection.cursor() as cursor:
                return keys(cursor)
    with open_store(None, home) as store, store.transaction() as cursor:
        found = keys(cursor)
    leave_embedded(home)
    return found


def _connect(home: Path) -> psycopg.Connection[tuple[Any, ...]] | None:
    deadline = time.monotonic() + 20
    while server_runs(home) and time.monotonic() < deadline:
        with suppress(psycopg.OperationalError, FileNotFoundError, IndexError):
            folder = (home / "postgres" / "postmaster.pid").read_text().splitlines()[4]
            return psycopg.connect(
                make_conninfo(host=folder, port=5432, user="postgres", dbname="postgres"), connect_timeout=5
            )
        time.sleep(0.1)
    return None


def keys(cursor: Cursor) -> Keys:
    """Return table -> the keys of its committed rows."""
    found = {}
    for table, columns in _tables(cursor).items():
        key = KEYS.get(table, columns[0])
        found[table] = frozenset(str(row[0]) for row in cursor.execute(f"SELECT {key} FROM ragft.{table}"))
    return found


def contents(cursor: Cursor) -> dict[str, str]:
    """Return table -> number of rows and a hash of all they say."""
    found = {}
    for table, columns in _tables(cursor).items():
        shown = ", ".join(SHOWN.get(f"{table}.{column}", f"{column}::text") for column in columns)
        rows = sorted(str(row[0]) for row in cursor.execute(f"SELECT ROW({shown})::text FROM ragft.{table}"))
        found[table] = f"{len(rows)} rows, {hashlib.sha256(chr(0).join(rows).encode()).hexdigest()[:16]}"
    return found


def _tables(cursor: Cursor) -> dict[str, list[str]]:
    """Return table -> its columns whose values are the same whenever and in whatever order they were written."""
    cursor.execute(
        "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_schema = 'ragft' AND data_type NOT LIKE 'timestamp%%' AND column_name <> ALL(%s) "
        "AND table_name <> ALL(%s) GROUP BY table_name",
        [list(COUNTERS), list(NOT_RESULTS)],
    )
    found = {str(table): list(columns) for table, columns in cursor}
    assert set(COMPUTED) <= set(found)
    return found


def handed_over(cursor: Cursor) -> dict[str, int]:
    """Return table -> rows that were handed to it, those of lost transactions included."""
    found = {}
    for table in COMPUTED:
        row = cursor.execute(f"SELECT last_value, is_called FROM handed_{table}").fetchone()
        assert row is not None
        found[table] = row[0] if row[1] else 0
    return found


def look(home: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Return the contents and counts of a home that nobody uses; its server runs no longer than that."""
    with open_store(None, home) as store, store.transaction() as cursor:
        found = contents(cursor), handed_over(cursor)
    leave_embedded(home)
    return found


def runs_left_running(home: Path) -> int:
    """Return how many MLflow runs of the home still count as running."""
    with closing(sqlite3.connect(home / "mlflow.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()
        return int(count)
