"""Steps of the schema: applied once, in order, and refused when they come from a newer ragft."""

from pathlib import Path

import psycopg
import pytest

from ragft.errors import PrerequisiteError
from ragft.store.connection import Store
from ragft.store.schema import STEPS, bring_up_to_date
from ragft.store.server import open_store


def test_a_store_is_made_once_and_keeps_its_secret(dsn: str, tmp_path: Path) -> None:
    assert STEPS
    with open_store(dsn, tmp_path) as store:
        secret = store.secret
    with open_store(dsn, tmp_path) as store, store.transaction() as cursor:
        assert store.secret == secret
        assert cursor.execute("SELECT count(*) FROM schema_steps").fetchone() == (len(STEPS),)


def test_two_stores_have_two_secrets(store: Store, postgres: str, tmp_path: Path) -> None:
    with open_store(postgres, tmp_path) as other:
        assert other.secret != store.secret


def test_a_new_step_is_applied_to_an_old_store_and_only_once(store: Store, tmp_path: Path) -> None:
    later = tmp_path / "9998.sql"
    later.write_text("CREATE TABLE later (); CREATE TABLE latest ();")
    for _ in range(2):
        with store.transaction() as cursor:
            assert bring_up_to_date(cursor, "here", [*STEPS, later]) == store.secret
            cursor.execute("SELECT FROM later, latest")


@pytest.mark.parametrize("there", [["0004_probes", "0004_study_cells"], ["0004_study_cells"], ["0004_probes"], []])
def test_a_store_with_two_steps_of_one_number_is_brought_up_to_date(
    store: Store, dsn: str, tmp_path: Path, there: list[str]
) -> None:
    with store.transaction() as cursor:
        cursor.execute("DELETE FROM schema_steps WHERE name IN ('0004_probes', '0005_study_cells')")
        for name in ("0004_probes", "0004_study_cells"):
            if name in there:
                cursor.execute("INSERT INTO schema_steps (name) VALUES (%s)", [name])
            else:
                cursor.execute(f"DROP TABLE {name[5:]}")
    with open_store(dsn, tmp_path) as again, again.transaction() as cursor:
        names = [name for (name,) in cursor.execute("SELECT name FROM schema_steps ORDER BY name")]
        assert names == [step.stem for step in STEPS]
        cursor.execute("SELECT FROM probes, study_cells")


def test_a_step_that_fails_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "9998.sql"
    broken.write_text("CREATE TABLE half_made (); SELECT nonsense;")
    with pytest.raises(psycopg.errors.UndefinedColumn), store.transaction() as cursor:
        bring_up_to_date(cursor, "here", [*STEPS, broken])
    with store.transaction() as cursor:
        assert cursor.execute("SELECT to_regclass('half_made')").fetchone() == (None,)


def test_tables_of_a_newer_version_are_refused(store: Store, dsn: str, tmp_path: Path) -> None:
    with store.transaction() as cursor:
        cursor.execute("INSERT INTO schema_steps (name) VALUES ('9999')")
    with pytest.raises(PrerequisiteError, match=r"newer ragft \(they have step 9999"):
        open_store(dsn, tmp_path)
