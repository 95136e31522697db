"""Claims on the tasks of a study: rows with an owner and a lease, by the server's clock.

A task is free while nobody owns it, when the lease of its owner has run out, and soon after the owner's connection has
ended. Whoever takes it over ends the connections of the owner before, whose locks go with them: a process that only
slept, and wakes up, can write nothing more.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ragft.store.connection import Cursor, Store, replayed
from ragft.store.kill_points import kill_point
from ragft.store.text import from_postgres, to_postgres

LEASE = timedelta(seconds=60)
RENEWAL = timedelta(seconds=2)
# A server that restarts ends every connection: owners have this long to come back before they count as gone, which is
# longer than they pause between two tries.
TO_COME_BACK = timedelta(seconds=8)
# A task whose owners ended so often comes last: it may be what ended them.
PATIENCE = 3
# Whether a claim's owner is gone, by the lease or by its connection; takes TO_COME_BACK.
_ADRIFT = """NOT EXISTS (
        SELECT FROM pg_stat_activity WHERE pid = connections[1] AND backend_start <= renewed)"""
_GONE = f"""leased_until < clock_timestamp()
    OR greatest(renewed, pg_postmaster_start_time()) < clock_timestamp() - %s AND {_ADRIFT}"""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that takes tasks.

    Attributes:
        name: Host, process and a random part: no other worker has ever had it.
        code: What its results depend on beside their parameters -> the version of that.
        lease: How long a task stays its own without being renewed.
    """

    name: str
    code: Mapping[str, str]
    lease: timedelta = LEASE


@dataclass(frozen=True, slots=True)
class Claim:
    """A task as it stands.

    Attributes:
        task: Key of the task, in its study.
        name: What people call the task.
        owner: Who computes it, or did; "" nobody.
        alive: Whether the owner's lease runs.
        seconds: Since it was claimed, or from then until it was finished; 0.0 where nobody claimed it.
        failure: Why it could not be computed; "" where it can.
    """

    task: str
    name: str
    owner: str
    alive: bool
    seconds: float
    attempts: int
    finished: bool
    failure: str

    @property
    def settled(self) -> bool:
        """Whether nobody will compute it."""
        return self.finished or bool(self.failure)


@dataclass(frozen=True, slots=True)
class Taken:
    """A task that is the worker's own now.

    Attributes:
        before: The owner whom it was taken over from; "" none.
    """

    task: str
    before: str
    attempts: int


@replayed
def offer(store: Store, study: str, tasks: Mapping[str, str], *, again: bool = True) -> None:
    """Make ``tasks``, key -> name, free to be claimed; others stay as they are.

    With ``again`` one that failed is free again.
    """
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO claims (task, study, name) SELECT task, %s, name FROM unnest(%s::text[], %s::text[]) AS new "
            "(task, name) ORDER BY task ON CONFLICT (task) DO UPDATE SET study = EXCLUDED.study, "
            "failure = CASE WHEN %s THEN '' ELSE claims.failure END, "
            "owner = CASE WHEN %s AND claims.failure <> '' THEN '' ELSE claims.owner END "
            "WHERE claims.failure <> '' OR claims.study <> EXCLUDED.study",
            [study, list(tasks), [to_postgres(name) for name in tasks.values()], again, again],
        )


@replayed
def other_code(store: Store, study: str, worker: Worker) -> tuple[str, Mapping[str, str]] | None:
    """Return a worker that computes a task of the study with other code, and its code; None where there is none."""
    with store.transaction() as cursor:
        row = cursor.execute(
            "SELECT owner, code::text FROM claims WHERE study = %s AND finished IS NULL AND failure = '' "
            f"AND owner NOT IN ('', %s) AND NOT ({_GONE}) AND code::jsonb <> %s::jsonb ORDER BY claimed LIMIT 1",
            [study, worker.name, TO_COME_BACK, json.dumps(dict(worker.code))],
        ).fetchone()
    return None if row is None else (row[0], json.loads(row[1]))


@replayed
def take(
    store: Store, tasks: Sequence[str], worker: Worker, connections: Sequence[int], gone: Sequence[str] = ()
) -> Taken | None:
    """Claim the first of ``tasks`` that is free; None where none is.

    Args:
        store: The open store.
        tasks: Keys in the order in which they should be computed.
        worker: Who claims.
        connections: The worker's, as `Store.connection_id` names them: the one that renews, then the one that works.
        gone: Workers that are known to have ended: their tasks are free.
    """
    with store.transaction() as cursor:
        row = cursor.execute(
            f"""
            WITH free AS (
                SELECT task, owner, connections, renewed
                FROM claims JOIN unnest(%s::text[]) WITH ORDINALITY AS asked (task, place) USING (task)
                WHERE finished IS NULL AND failure = '' AND (owner = ANY(%s) OR {_GONE})
                ORDER BY attempts >= {PATIENCE}, place LIMIT 1 FOR UPDATE OF claims SKIP LOCKED
            )
            UPDATE claims SET owner = %s, code = %s, connections = %s, attempts = attempts + 1,
                claimed = clock_timestamp(), renewed = clock_timestamp(), leased_until = clock_timestamp() + %s
            FROM free WHERE claims.task = free.task
            RETURNING claims.task, free.owner, attempts, free.connections, free.renewed
            """,
            [
                list(tasks),
                ["", worker.name, *gone],
                TO_COME_BACK,
                worker.name,
                json.dumps(dict(worker.code)),
                list(connections),
                worker.lease,
            ],
        ).fetchone()
        if row is None:
            return None
        task, before, attempts, ended, renewed = row
        if before not in ("", worker.name):
            _end(cursor, ended, renewed)
        kill_point("claims.take")
    return Taken(task, before if before != worker.name else "", attempts)


def _end(cursor: Cursor, connections: Sequence[int], renewed: object) -> None:
    """End the connections of an owner that is gone or asleep; a later one may have been given the same number."""
    cursor.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s) AND backend_start <= %s "
        "AND usename = current_user AND pid <> pg_backend_pid()",
        [list(connections), renewed],
    )


@replayed
def renew(store: Store, tasks: Sequence[str], worker: Worker, connections: Sequence[int]) -> set[str]:
    """Renew the leases of a worker's tasks, and return those that are still its own."""
    with store.transaction() as cursor:
        cursor.execute(
            "UPDATE claims SET renewed = clock_timestamp(), leased_until = clock_timestamp() + %s, connections = %s "
            "WHERE task = ANY(%s) AND owner = %s RETURNING task",
            [worker.lease, list(connections), list(tasks), worker.name],
        )
        return {task for (task,) in cursor}


@replayed
def give_back(store: Store, tasks: Sequence[str], worker: Worker) -> None:
    """Make those of a worker's tasks free that are not finished."""
    with store.transaction() as cursor:
        cursor.execute(
            "UPDATE claims SET owner = '', leased_until = NULL WHERE task = ANY(%s) AND owner = %s "
            "AND finished IS NULL AND failure = ''",
            [list(tasks), worker.name],
        )


@replayed
def fail(store: Store, task: str, worker: Worker, reason: str) -> None:
    """Say why a worker's task cannot be computed; nobody takes it until it is offered again."""
    with store.transaction() as cursor:
        cursor.execute(
            "UPDATE claims SET failure = %s, finished = NULL WHERE task = %s AND owner = %s",
            [to_postgres(reason), task, worker.name],
        )


@replayed
def finish(store: Store, task: str, worker: Worker, write: Callable[[Cursor], None] | None = None) -> bool:
    """Say that a worker's task is done; False where it is not its own any more, and then nothing is written.

    ``write`` puts what came of the task into the same transaction; it may run twice.
    """
    with store.transaction() as cursor:
        cursor.execute(
            "UPDATE claims SET finished = coalesce(finished, clock_timestamp()) WHERE task = %s AND owner = %s",
            [task, worker.name],
        )
        if cursor.rowcount != 1:
            return False
        if write is not None:
            write(cursor)
    return True


@replayed
def adrift(store: Store, tasks: Sequence[str]) -> list[str]:
    """Return those of ``tasks`` whose owner has no connection now: it comes back, or they are free before long."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT task FROM claims WHERE task = ANY(%s) AND finished IS NULL AND failure = '' AND owner <> '' "
            f"AND {_ADRIFT}",
            [list(tasks)],
        )
        return [task for (task,) in cursor]


@replayed
def claims_on(store: Store, tasks: Sequence[str]) -> list[Claim]:
    """Return the tasks as they stand, in their order."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT task, name, owner, coalesce(leased_until > clock_timestamp(), false), coalesce(extract(epoch FROM "
            "coalesce(finished, clock_timestamp()) - claimed), 0), attempts, finished IS NOT NULL, failure "
            "FROM claims JOIN unnest(%s::text[]) WITH ORDINALITY AS asked (task, place) USING (task) ORDER BY place",
            [list(tasks)],
        )
        return [
            Claim(task, from_postgres(name), owner, alive, float(seconds), attempts, finished, from_postgres(failure))
            for task, name, owner, alive, seconds, attempts, finished, failure in cursor
        ]
