"""Locks between processes that share a store, and transactions of threads that share a connection."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ragft.store.connection import Store
from ragft.store.server import open_store


def test_a_second_process_waits_and_says_so(store: Store, dsn: str, tmp_path: Path) -> None:
    said: list[str] = []
    waiting, order = threading.Event(), list[str]()

    def wait_for_it() -> None:
        def tell(line: str) -> None:
            said.append(line)
            waiting.set()

        with open_store(dsn, tmp_path) as second, second.lock("prepare \ud800", tell):
            order.append("second")

    thread = threading.Thread(target=wait_for_it)
    with store.lock("prepare \ud800", said.append):
        thread.start()
        assert waiting.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert said == ["another process works on prepare \ud800: waiting for it"]


def test_other_names_and_other_stores_do_not_wait(store: Store, new_schema: Callable[[], str], tmp_path: Path) -> None:
    said: list[str] = []
    with (
        open_store(new_schema(), tmp_path) as other,
        store.lock("a", said.append),
        store.lock("b", said.append),
        other.lock("a", said.append),
    ):
        assert said == []


def test_a_lock_is_free_again_after_an_error(store: Store, dsn: str, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(KeyError), store.lock("x"):
        raise KeyError
    with open_store(dsn, tmp_path) as other, other.lock("x", said.append):
        pass
    assert said == []


def test_a_lock_is_free_again_when_its_holder_is_gone(store: Store, dsn: str, tmp_path: Path) -> None:
    gone, reached = open_store(dsn, tmp_path), False
    with gone.lock("x"):
        gone.close()
    # The server may need a moment to notice, so that this waits for an instant or not at all.
    with store.lock("x", lambda _: None):
        reached = True
    assert reached


def test_threads_may_share_a_store(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute("CREATE TABLE counted (n integer)")

    def count() -> None:
        for _ in range(20):
            with store.transaction() as cursor:
                cursor.execute("INSERT INTO counted VALUES (1)")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM counted").fetchone() == (80,)
