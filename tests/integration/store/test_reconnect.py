"""Postgres goes away in the middle of work: the batch is written again on a new connection, and nothing is lost."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragft.errors import PrerequisiteError
from ragft.store import connection
from ragft.store.answers import find_answers, save_answers
from ragft.store.connection import ConnectionLostError, Store
from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store
from ragft.types import Written
from tests.integration.store.test_server import server_process


def answers(first: int, count: int = 500) -> list[Written]:
    return [Written(f"{n:064x}", "prompt", "text " * 50, 1, 1) for n in range(first, first + count)]


def backend(store: Store) -> int:
    with store.transaction() as cursor:
        row = cursor.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def terminate(other: Store, process: int) -> None:
    with other.transaction() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [process])


@pytest.fixture
def other(dsn: str, tmp_path: Path) -> Iterator[Store]:
    """The same store, opened by somebody else."""
    with open_store(dsn, tmp_path) as opened:
        yield opened


def test_a_terminated_backend_is_not_seen_by_who_reads_and_writes(store: Store, other: Store) -> None:
    for n in range(3):
        terminate(other, backend(store))
        save_answers(store, iter(answers(n * 500)))
        terminate(other, backend(store))
        assert len(find_answers(store, (answer.key for answer in answers(0, (n + 1) * 500)))) == (n + 1) * 500


def test_a_batch_that_was_cut_in_the_middle_is_written_whole(store: Store, other: Store) -> None:
    broken = 0
    for n in range(5):
        before = backend(store)
        cut = threading.Timer(0.01 * n, terminate, [other, before])
        cut.start()
        save_answers(store, answers(n * 3000, 3000))
        cut.join()
        assert len(find_answers(store, [answer.key for answer in answers(0, (n + 1) * 3000)])) == (n + 1) * 3000
        broken += backend(store) != before
    assert broken == 5


def test_a_lock_is_held_over_a_break(store: Store, other: Store) -> None:
    said: list[str] = []
    with store.lock("finetune"):
        terminate(other, backend(store))
        save_answers(store, answers(0, 1))
        waits = threading.Thread(target=lambda: other.lock("finetune", said.append).__enter__())
        waits.start()
        waits.join(1)
        assert waits.is_alive()
        assert said == ["another process works on finetune: waiting for it"]
    waits.join(30)
    assert not waits.is_alive()


def test_a_lock_that_another_process_took_meanwhile_ends_the_step(
    store: Store, other: Store, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SECONDS_TO_TAKE_LOCKS_AGAIN", 1)
    with open_store(dsn, tmp_path) as third, store.lock("finetune"):
        terminate(other, backend(store))
        with (
            third.lock("finetune", lambda _: None),
            pytest.raises(PrerequisiteError, match="another process took over meanwhile"),
        ):
            save_answers(store, answers(0, 1))


def test_half_a_transaction_is_never_replayed(store: Store, other: Store) -> None:
    with pytest.raises(ConnectionLostError, match="run the same command again"), store.transaction() as cursor:
        cursor.execute("CREATE TABLE first_half ()")
        row = cursor.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        terminate(other, row[0])
        save_answers(store, answers(0, 1))
    assert find_answers(store, [answers(0, 1)[0].key]) == {}


def test_a_killed_server_is_started_again_and_no_row_is_lost(tmp_path: Path) -> None:
    with open_store(None, tmp_path) as store:
        for n in range(5):
            server = server_process(tmp_path)
            assert server is not None
            kill = threading.Timer(0.02 * n, server.kill)
            kill.start()
            save_answers(store, answers(n * 3000, 3000))
            kill.join()
            server.wait(30)
            assert len(find_answers(store, [answer.key for answer in answers(0, (n + 1) * 3000)])) == (n + 1) * 3000
    leave_embedded(tmp_path)
    assert server_process(tmp_path) is None
