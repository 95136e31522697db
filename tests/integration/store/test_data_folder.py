"""What lies in the embedded server's folder is used, refused or set aside, and never lost."""

from pathlib import Path

import pytest

from ragft.errors import PrerequisiteError
from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store


def test_a_database_whose_making_was_killed_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    with open_store(None, tmp_path) as store:
        assert len(store.secret) == 32
    leave_embedded(tmp_path)
    assert len(list(tmp_path.glob("postgres.half-made-*"))) == 1


def test_a_database_with_tables_is_never_set_aside(tmp_path: Path) -> None:
    secrets = set()
    for _ in range(2):
        with open_store(None, tmp_path) as store:
            secrets.add(store.secret)
        leave_embedded(tmp_path)
        (tmp_path / "postgres" / "ragft_initialised").unlink()
    assert len(secrets) == 1
    assert list(tmp_path.glob("postgres.half-made-*")) == []


@pytest.mark.parametrize("version", ["17", "19", ""])
def test_a_database_of_another_postgres_is_refused_and_stays(tmp_path: Path, version: str) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "PG_VERSION").write_text(f"{version}\n")
    (folder / "kept").write_text("everything")
    with pytest.raises(PrerequisiteError, match=rf"made by Postgres {version}.*brings 18.*RAGFT_DSN.*pg_dumpall"):
        open_store(None, tmp_path)
    assert (folder / "kept").read_text() == "everything"
    assert (folder / "PG_VERSION").read_text() == f"{version}\n"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["postgres"]
