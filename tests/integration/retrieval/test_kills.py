"""kill -9 while passages are embedded, collections frozen or retrievals written: the same command ends the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragft.store.server import open_store
from tests.integration.conftest import StartScript

TABLES = {
    "passages": "SELECT id, document, position, text FROM passages ORDER BY id",
    "vectors": "SELECT e.id, p.id, embedding::text FROM vectors JOIN embedders e ON e.number = embedder "
    "JOIN passages p ON p.number = passage ORDER BY 1, 2",
    "collections": "SELECT c.id, e.id, max_chars, size FROM collections c JOIN embedders e ON e.number = embedder",
    "members": "SELECT c.id, p.id, embedding::text FROM members JOIN collections c ON c.number = collection "
    "JOIN passages p ON p.number = passage ORDER BY 1, 2",
    "retrievals": "SELECT key, passages FROM retrievals ORDER BY key",
}


def contents(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    with open_store(dsn, Path.cwd()) as store, store.transaction() as cursor:
        return {table: cursor.execute(query).fetchall() for table, query in TABLES.items()}


def finished(start_script: StartScript, dsn: str) -> list[Any]:
    output, errors = (process := start_script("build", dsn, "")).communicate(timeout=120)
    assert process.returncode == 0, errors
    found: list[Any] = json.loads(output)
    return found


@pytest.mark.parametrize(
    ("kill_point", "table", "rows_before"),
    [
        ("prepare.embed:1", "passages", 50),
        ("prepare.freeze", "collections", 0),
        ("retrieve.freeze:1", "retrievals", 10),
    ],
)
def test_a_killed_run_is_finished_by_the_same_command(
    start_script: StartScript, new_schema: Callable[[], str], kill_point: str, table: str, rows_before: int
) -> None:
    dsn, undisturbed = new_schema(), new_schema()
    killed = start_script("build", dsn, kill_point)
    assert killed.stderr is not None
    marks = []
    for line in killed.stderr:
        marks.append(line.strip())
        if line.startswith("held at: "):
            break
    assert marks[-1] == f"held at: {kill_point.partition(':')[0]}", marks
    killed.kill()
    killed.wait()
    assert len(contents(dsn)[table]) == rows_before
    assert finished(start_script, dsn) == finished(start_script, undisturbed)
    after = contents(dsn)
    assert all(after.values())
    assert after == contents(undisturbed)


def test_two_processes_that_prepare_the_same_make_it_once(
    start_script: StartScript, new_schema: Callable[[], str]
) -> None:
    dsn, undisturbed = new_schema(), new_schema()
    both = [start_script("build", dsn, "") for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [json.loads(output) for output, _ in outputs] == [finished(start_script, undisturbed)] * 2
    assert contents(dsn) == contents(undisturbed)
