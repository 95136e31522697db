"""A real store for each test: the embedded server, a schema of its own."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ragft.store.connection import Store
from ragft.store.embedded import embedded_dsn
from ragft.store.server import open_store

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> str:
    return embedded_dsn(tmp_path_factory.mktemp("judging"))


@pytest.fixture
def new_schema(postgres: str) -> Callable[[], str]:
    """Return a function that makes an empty schema and gives the connection string of a store in it."""

    def make() -> str:
        name = f"judging_{next(_numbers)}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return make_conninfo(postgres, options=f"-csearch_path={name}")

    return make


@pytest.fixture
def store(new_schema: Callable[[], str], tmp_path: Path) -> Iterator[Store]:
    with open_store(new_schema(), tmp_path) as opened:
        yield opened
