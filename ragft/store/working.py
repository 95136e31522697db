"""A worker at its work: a thread renews its claims, on a connection of its own, until the work is done."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from ragft.errors import PrerequisiteError
from ragft.store import claims
from ragft.store.claims import Taken, Worker
from ragft.store.connection import Cursor, Store


class LostClaimError(PrerequisiteError):
    """Another worker took over what this one was computing: nothing more of it may be written here."""


class Working:
    """Takes tasks for a worker and keeps them its own; a context manager that gives back what is not finished.

    When a claim is lost all the same, since this process slept for longer than its lease, the store refuses every
    transaction with `LostClaimError` until `drop` is called.
    """

    def __init__(self, store: Store, worker: Worker) -> None:
        self.worker = worker
        self._store = store
        self._beside = store.beside()
        self._held: set[str] = set()
        self._one_at_a_time = threading.RLock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="renew claims")

    def __enter__(self) -> Self:
        self._store.ask_after_a_break(self._renew)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._store.ask_after_a_break(None)
        with self._one_at_a_time:
            # Where the server is gone the leases run out.
            with suppress(PrerequisiteError):
                claims.give_back(self._beside, sorted(self._held), self.worker)
            self._beside.close()

    def take(self, tasks: Sequence[str], gone: Sequence[str] = ()) -> Taken | None:
        """Claim the first of ``tasks`` that is free; None where none is.

        ``gone`` are workers that are known to have ended.
        """
        with self._one_at_a_time:
            taken = claims.take(self._beside, tasks, self.worker, self._connections, gone)
            if taken is not None:
                self._held.add(taken.task)
        return taken

    def finish(self, task: str, write: Callable[[Cursor], None] | None = None) -> None:
        """Say that a task is done; ``write`` puts what came of it into the same transaction.

        Raises:
            LostClaimError: If it is another worker's meanwhile; nothing was written.
        """
        with self._one_at_a_time:
            if not claims.finish(self._beside, task, self.worker, write):
                self._lose({task})
                self._store.require_may_write()
            self._held.discard(task)

    def fail(self, task: str, reason: str) -> None:
        """Say why a task cannot be computed; other workers leave it alone."""
        with self._one_at_a_time:
            claims.fail(self._beside, task, self.worker, reason)
            self._held.discard(task)

    def drop(self) -> None:
        """Give back what is held; after a lost claim, go on with other tasks."""
        with self._one_at_a_time:
            claims.give_back(self._beside, sorted(self._held), self.worker)
            self._held.clear()
            self._store.refuse(None)

    @property
    def _connections(self) -> tuple[int, int]:
        return self._beside.connection_id, self._store.connection_id

    def _keep(self) -> None:
        while not self._done.wait(claims.RENEWAL.total_seconds()):
            # Where the server is away, the next round tries again; a lost claim is told to the thread that works.
            with suppress(PrerequisiteError):
                self._renew()

    def _renew(self) -> None:
        """Renew what is held.

        Raises:
            LostClaimError: If something is not this worker's any more.
        """
        with self._one_at_a_time:
            if self._done.is_set() or not self._held:
                return
            kept = claims.renew(self._beside, sorted(self._held), self.worker, self._connections)
            if lost := self._held - kept:
                self._lose(lost)
                self._store.require_may_write()

    def lost(self) -> LostClaimError | None:
        """Return the error of a claim that was lost, which is asked now; None where all are still held."""
        try:
            self._renew()
            self._store.require_may_write()
        except LostClaimError as error:
            return error
        return None

    def _lose(self, tasks: set[str]) -> None:
        # Whatever else goes wrong, nothing more is written.
        self._store.refuse(LostClaimError("another worker took over what this process was computing"))
        self._held -= tasks
        self._store.refuse(self._error(tasks))

    def _error(self, tasks: set[str]) -> LostClaimError:
        taken = claims.claims_on(self._beside, sorted(tasks))
        whose = ", ".join(f"{each.owner or 'another worker'} took over {each.name}" for each in taken)
        return LostClaimError(
            f"{whose or 'another worker took over'}: this process was not heard of for "
            f"{self.worker.lease.total_seconds():.0f} s, so it may write nothing more of that"
        )
