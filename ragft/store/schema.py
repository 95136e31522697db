"""The tables, made by numbered SQL steps; a store remembers which steps it has.

To change the tables, add a file to ``schema_steps`` with the next number, which no other has. A step that was ever
released is not edited.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path

from ragft.errors import PrerequisiteError
from ragft.store.connection import Cursor

STEPS = tuple(sorted((Path(__file__).parent / "schema_steps").glob("*.sql")))
# Two steps once had the number 4; stores know the second under its old name, whichever of them they have.
RENAMED = {"0004_study_cells": "0005_study_cells"}


def bring_up_to_date(cursor: Cursor, place: str, steps: Sequence[Path] = STEPS) -> bytes:
    """Apply the steps that the schema lacks, in order, and return the store's secret, which is made the first time.

    The caller holds a lock and commits, so that a step is applied once and as a whole.

    Raises:
        PrerequisiteError: If the tables have a step that this version of ragft does not know.
    """
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS schema_steps (name text PRIMARY KEY, "
        "applied timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    for old, new in RENAMED.items():
        cursor.execute("UPDATE schema_steps SET name = %s WHERE name = %s", [new, old])
    applied = {str(name) for (name,) in cursor.execute("SELECT name FROM schema_steps")}
    unknown = sorted(applied - {step.stem for step in steps})
    if unknown:
        raise PrerequisiteError(
            f"the tables at {place} were made by a newer ragft (they have step {unknown[-1]}, this one knows up to "
            f"{steps[-1].stem}); update ragft, or use another database or home"
        )
    for step in steps:
        if step.stem not in applied:
            cursor.execute(step.read_bytes())
            cursor.execute("INSERT INTO schema_steps (name) VALUES (%s)", [step.stem])
    row = cursor.execute("SELECT secret FROM store").fetchone()
    if row is None:
        row = (secrets.token_bytes(32),)
        cursor.execute("INSERT INTO store (secret) VALUES (%s)", row)
    return bytes(row[0])
