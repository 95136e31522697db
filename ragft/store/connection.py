"""The open store: one connection to Postgres, its transactions and its locks."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import psycopg

from ragft.errors import PrerequisiteError

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]


class Store:
    """The memory of ragft, open; a context manager that closes the connection.

    Threads may share it: their transactions follow one another. Processes open one each.

    Attributes:
        place: Host, port, database and schema in words, for messages; never the password.
        schema: The schema of the tables; two schemas of one database are two stores.
        secret: 32 random bytes made once for each store, unknown to whoever writes the data.
    """

    def __init__(self, connection: Connection, place: str, schema: str) -> None:
        self._connection = connection
        self._one_at_a_time = threading.RLock()
        self.place = f"{place}, schema {schema}"
        self.schema = schema
        self.secret = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the embedded server runs on until the process ends."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Give a cursor whose statements are committed together at the end, or not at all.

        Raises:
            PrerequisiteError: If the connection to the server breaks.
        """
        with self._one_at_a_time:
            try:
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    yield cursor
            except psycopg.OperationalError as error:
                if not self._connection.broken and not self._connection.closed:
                    raise
                raise PrerequisiteError(
                    f"the connection to Postgres at {self.place} broke: {first_line(error)}; "
                    "what was written stays: start the server and run the same command again"
                ) from error

    @contextmanager
    def lock(self, name: str, on_wait: Callable[[str], None] = log.warning) -> Iterator[None]:
        """Hold the lock ``name`` against every other process that uses the same store.

        The lock belongs to the connection, so the server gives it back however the process ends; threads that share
        the store share its locks. When another process holds it, ``on_wait`` is told so once, before waiting.
        """
        key = _lock_key(f"{self.schema}\n{name}")
        with self.transaction() as cursor:
            row = cursor.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        if row != (True,):
            on_wait(f"another process works on {name}: waiting for it")
            with self.transaction() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        try:
            yield
        finally:
            if not self._connection.closed:
                with self.transaction() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def _lock_key(name: str) -> int:
    """Return 63 bits of the name's sha256: what Postgres takes for a lock."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def first_line(error: Exception) -> str:
    """Return what Postgres said, without the hints and positions that follow."""
    return str(error).strip().partition("\n")[0]
