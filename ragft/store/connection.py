"""The open store: one connection to Postgres, which is replaced once if it breaks, its transactions and its locks."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import psycopg

from ragft.errors import PrerequisiteError
from ragft.store.disk import LEAST_BYTES, MIB

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]
P = ParamSpec("P")
R = TypeVar("R")
# A server notices late when a client's machine has vanished.
_SECONDS_TO_TAKE_LOCKS_AGAIN = 15
_SECONDS_BETWEEN_STEPS = 20


class ConnectionLostError(PrerequisiteError):
    """The connection to Postgres broke: what was committed stays, the open transaction is undone."""


class Store:
    """The memory of ragft, open; a context manager that closes the connection.

    Threads may share it: their transactions follow one another. Each process opens its own.

    Attributes:
        place: Host, port, database and schema in words, for messages; never the password.
        schema: The schema of the tables; two schemas of one database are two stores.
        secret: 32 random bytes made once for each store, unknown to whoever writes the data.
    """

    def __init__(self, connection: Connection, place: str, schema: str) -> None:
        self._connection = connection
        self._one_at_a_time = threading.RLock()
        self._open_transactions = 0
        self._held: list[int] = []
        self._connect_again: Callable[[], Connection] | None = None
        self._refused: PrerequisiteError | None = None
        self._may_go_on: Callable[[], None] | None = None
        self._asked = time.monotonic()
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
        self._connect_again = None
        self._connection.close()

    def survive_with(self, connect_again: Callable[[], Connection]) -> None:
        """Replace the connection by what this returns if it breaks; see `replayed`."""
        self._connect_again = connect_again

    def beside(self) -> "Store":
        """Return the same store on a connection of its own, for a thread that must not wait for this one.

        Raises:
            PrerequisiteError: If the server cannot be reached.
        """
        assert self._connect_again is not None, "a store that was closed, or never opened by open_store"
        other = Store(self._connect_again(), "", self.schema)
        other.place, other.secret = self.place, self.secret
        other.survive_with(self._connect_again)
        return other

    @property
    def connection_id(self) -> int:
        """The number of the server's process behind the connection."""
        return self._connection.info.backend_pid

    def refuse(self, error: PrerequisiteError | None) -> None:
        """Let every later transaction fail with ``error``: this process may write nothing more; None: it may again."""
        self._refused = error

    def require_may_write(self) -> None:
        """See that this process may go on; for long work that does not speak to the store.

        Raises:
            PrerequisiteError: If it may write nothing more; see `refuse`.
        """
        if self._refused is not None:
            raise self._refused
        asked, self._asked = self._asked, time.monotonic()
        # It may have slept just now, and the thread that would know had no time yet.
        if self._may_go_on is not None and self._asked - asked > _SECONDS_BETWEEN_STEPS:
            self._may_go_on()

    def ask_after_a_break(self, may_go_on: Callable[[], None] | None) -> None:
        """Call ``may_go_on`` whenever a broken connection was replaced: it raises where this process must stop."""
        self._may_go_on = may_go_on

    def reconnect(self, lost: ConnectionLostError) -> None:
        """Replace the broken connection, and take the locks again that were held.

        Raises:
            PrerequisiteError: If that cannot be done, or another process has taken a lock meanwhile; ``lost`` itself
                inside of a transaction, whose first half is lost.
        """
        with self._one_at_a_time:
            if self._refused is not None:
                raise self._refused
            if self._open_transactions or self._connect_again is None:
                raise lost
            if not self._connection.closed:
                return  # another thread was faster
            log.warning("the connection to Postgres at %s broke: connecting again", self.place)
            connection = self._connect_again()
            self._connection = connection
            # First: a lock that is taken again by a process that must stop would never be given back.
            if self._may_go_on is not None:
                self._may_go_on()
            for key in self._held:
                _take_again(connection, key, lost)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Yield a cursor whose statements are committed together at the end, or not at all.

        Raises:
            ConnectionLostError: If the connection to the server breaks.
            PrerequisiteError: If this process may write nothing more; see `refuse`.
        """
        with self._one_at_a_time:
            if self._refused is not None:
                raise self._refused
            self._open_transactions += 1
            try:
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    yield cursor
            except psycopg.errors.DiskFull as error:
                raise PrerequisiteError(
                    f"the disk of Postgres at {self.place} is full: {first_line(error)}; it needs at least "
                    f"{LEAST_BYTES / MIB:.0f} MiB to go on: make room there and run the same command again, what was "
                    "written before stays"
                ) from error
            except psycopg.OperationalError as error:
                if not self._connection.broken and not self._connection.closed:
                    raise
                raise ConnectionLostError(
                    f"the connection to Postgres at {self.place} broke: {first_line(error)}; "
                    "what was written stays: start the server and run the same command again"
                ) from error
            finally:
                self._open_transactions -= 1

    @contextmanager
    def lock(self, name: str, on_wait: Callable[[str], None] = log.warning) -> Iterator[None]:
        """Hold the lock ``name`` against every other process that uses the same store.

        The lock belongs to the connection, so the server gives it back however the process ends; threads that share
        the store share its locks. When another process holds it, ``on_wait`` is told so once, before waiting.
        """
        key = _lock_key(f"{self.schema}\n{name}")
        if not _try_lock(self, key):
            on_wait(f"another process works on {name}: waiting for it")
            _wait_for_lock(self, key)
        self._held.append(key)
        try:
            yield
        finally:
            self._held.remove(key)
            # A lock of a broken connection is free already. Not by `transaction`, which this process may be refused.
            with self._one_at_a_time, suppress(psycopg.OperationalError):
                if not self._connection.closed:
                    self._connection.execute("SELECT pg_advisory_unlock(%s)", [key])


def replayed(function: Callable[Concatenate[Store, P], R]) -> Callable[Concatenate[Store, P], R]:
    """Run a function of the store once more from its start if the connection broke in it.

    For functions that may run twice: they only read, or they write rows and leave those that are already there.
    """

    @wraps(function)
    def run(store: Store, /, *args: P.args, **kwargs: P.kwargs) -> R:
        # An argument that can be read only once is read first, so that it is there for the second time.
        given: list[Any] = [tuple(value) if isinstance(value, Iterator) else value for value in args]
        try:
            return function(store, *given, **kwargs)
        except ConnectionLostError as lost:
            store.reconnect(lost)
        return function(store, *given, **kwargs)

    return run


@replayed
def _try_lock(store: Store, key: int) -> bool:
    with store.transaction() as cursor:
        return cursor.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone() == (True,)


@replayed
def _wait_for_lock(store: Store, key: int) -> None:
    with store.transaction() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])


def _take_again(connection: Connection, key: int, lost: ConnectionLostError) -> None:
    deadline = time.monotonic() + _SECONDS_TO_TAKE_LOCKS_AGAIN
    while connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone() != (True,):
        if time.monotonic() > deadline:
            connection.close()
            raise PrerequisiteError(f"{lost}; another process took over meanwhile") from lost
        time.sleep(0.1)


def _lock_key(name: str) -> int:
    """Return 63 bits of the name's sha256: what Postgres takes for a lock."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def first_line(error: Exception) -> str:
    """Return the first line of what Postgres said, without the hints and positions that follow."""
    return str(error).strip().partition("\n")[0]
