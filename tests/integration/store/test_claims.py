"""Claims on a real Postgres: who gets which task, and what a worker may do that was taken for dead."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from ragft.store import claims
from ragft.store.claims import Worker, claims_on, fail, finish, give_back, offer, other_code, renew, take
from ragft.store.connection import Store
from ragft.store.server import open_store
from ragft.store.study_cells import finished_cells, load_cell, save_cell
from ragft.store.working import LostClaimError, Working

STUDY = "a study"
TASKS = {"k1": "first cell", "k2": "second\x00cell", "k3": "third cell"}
CODE = {"ragft": "1", "torch": "2"}
ONE, TWO = Worker("one:1:a", CODE), Worker("two:2:b", CODE)
HASTY = Worker("hasty:3:c", CODE, timedelta(milliseconds=300))


@pytest.fixture
def stores(dsn: str, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """A function that opens the same store once more."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(open_store(dsn, tmp_path))


@pytest.fixture
def asleep(stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Store]:
    """A store whose worker renews nothing, as a process that sleeps, and that of another; tasks are offered."""
    monkeypatch.setattr(claims, "RENEWAL", timedelta(hours=1))
    late, early = stores(), stores()
    offer(early, STUDY, TASKS)
    return late, early


def connections(store: Store) -> tuple[int, int]:
    return store.connection_id, store.connection_id


def test_tasks_are_taken_once_and_in_their_order(store: Store) -> None:
    offer(store, STUDY, TASKS)
    order = ["k3", "k1", "k2"]
    taken = [take(store, order, worker, connections(store)) for worker in (ONE, TWO)]
    assert [each and each.task for each in taken] == ["k3", "k1"]
    assert finish(store, "k3", ONE)
    third, none = take(store, order, ONE, connections(store)), take(store, order, TWO, connections(store))
    assert third is not None
    assert (third.task, third.before, third.attempts) == ("k2", "", 1)
    # Its own task, which was not finished, is the next for who asks again.
    assert none is not None
    assert (none.task, none.attempts, none.before) == ("k1", 2, "")
    assert take(store, order, Worker("three:3:c", CODE), connections(store)) is None
    standing = claims_on(store, order)
    assert [each.name for each in standing] == ["third cell", "first cell", "second\x00cell"]
    assert [(each.owner, each.finished, each.alive) for each in standing[:2]] == [
        (ONE.name, True, True),
        (TWO.name, False, True),
    ]
    assert all(0 <= each.seconds < 60 for each in standing)


def test_offering_again_frees_what_failed_and_nothing_else(store: Store) -> None:
    offer(store, STUDY, TASKS)
    for task in ("k1", "k2"):
        assert take(store, [task], ONE, connections(store))
    fail(store, "k1", ONE, "it diverged\x00")
    assert claims_on(store, ["k1"])[0].failure == "it diverged\x00"
    assert claims_on(store, ["k1"])[0].settled
    assert take(store, ["k1"], TWO, connections(store)) is None
    fail(store, "k2", TWO, "not its own")
    assert not claims_on(store, ["k2"])[0].failure
    offer(store, STUDY, TASKS)
    assert take(store, ["k2"], TWO, connections(store)) is None
    taken = take(store, ["k1"], TWO, connections(store))
    assert taken is not None


def test_what_is_given_back_is_free_at_once(store: Store) -> None:
    offer(store, STUDY, TASKS)
    assert take(store, ["k1"], ONE, connections(store))
    give_back(store, ["k1"], TWO)
    assert take(store, ["k1"], TWO, connections(store)) is None
    give_back(store, ["k1"], ONE)
    taken = take(store, ["k1"], TWO, connections(store))
    assert taken is not None
    assert taken.before == ""


def test_a_lease_that_ran_out_is_taken_over_and_the_late_worker_writes_nothing(
    stores: Callable[[], Store],
) -> None:
    late, early = stores(), stores()
    offer(early, STUDY, TASKS)
    assert take(late, ["k1"], HASTY, connections(late))
    assert take(early, ["k1"], TWO, connections(early)) is None
    time.sleep(0.4)
    taken = take(early, ["k1"], TWO, connections(early))
    assert taken is not None
    assert (taken.before, taken.attempts) == (HASTY.name, 2)
    # Its connection was ended with its locks; a new one changes nothing.
    assert not finish(late, "k1", HASTY, lambda cursor: save_cell(cursor, "k1", {"whose": "late"}))
    assert renew(late, ["k1"], HASTY, connections(late)) == set()
    assert load_cell(early, "k1") is None
    assert finish(early, "k1", TWO, lambda cursor: save_cell(cursor, "k1", {"whose": "early"}))
    assert load_cell(early, "k1") == {"whose": "early"}
    assert finished_cells(early, TASKS) == {"k1"}


def test_locks_of_a_sleeping_worker_go_with_its_claim(stores: Callable[[], Store]) -> None:
    asleep, awake = stores(), stores()
    offer(awake, STUDY, TASKS)
    assert take(asleep, ["k1"], HASTY, connections(asleep))
    with asleep.lock("train an adapter"):
        time.sleep(0.4)
        assert take(awake, ["k1"], TWO, connections(awake))
        # The server ends a connection a moment after it was told to; without that, this would wait for ever.
        with awake.lock("train an adapter", lambda _: None):
            pass


def test_a_worker_whose_connection_ended_is_gone_soon(
    stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "TO_COME_BACK", timedelta(milliseconds=300))
    dead, alive = stores(), stores()
    offer(alive, STUDY, TASKS)
    assert take(dead, ["k1"], ONE, connections(dead))
    time.sleep(0.4)
    assert take(alive, ["k1"], TWO, connections(alive)) is None, "not heard of for a while, but connected"
    dead.close()
    time.sleep(0.1)
    taken = take(alive, ["k1"], TWO, connections(alive))
    assert taken is not None
    assert taken.before == ONE.name


def test_other_code_on_the_same_study_is_found_while_it_works(store: Store) -> None:
    offer(store, STUDY, TASKS)
    newer = Worker("new:9:z", {"ragft": "2", "torch": "2"})
    assert other_code(store, STUDY, newer) is None
    assert take(store, ["k1"], ONE, connections(store))
    assert other_code(store, STUDY, newer) == (ONE.name, CODE)
    assert other_code(store, STUDY, TWO) is None
    assert other_code(store, "another study", newer) is None
    assert finish(store, "k1", ONE)
    assert other_code(store, STUDY, newer) is None
    assert take(store, ["k2"], ONE, connections(store))
    fail(store, "k2", ONE, "it diverged")
    assert other_code(store, STUDY, newer) is None, "nobody is at a task that failed"


def test_a_task_is_part_of_a_study_that_was_begun_and_stays_failed(store: Store) -> None:
    offer(store, STUDY, TASKS)
    assert take(store, ["k1"], ONE, connections(store))
    fail(store, "k1", ONE, "it diverged")
    offer(store, "the study that hands it out", {"k1": "first cell"}, again=False)
    assert claims_on(store, ["k1"])[0].failure == "it diverged"
    assert take(store, ["k1"], TWO, connections(store)) is None


def test_a_task_that_ended_its_owners_comes_last(store: Store) -> None:
    offer(store, STUDY, TASKS)
    for _ in range(claims.PATIENCE):
        assert take(store, ["k1"], ONE, connections(store))
    give_back(store, ["k1"], ONE)
    taken = take(store, list(TASKS), TWO, connections(store))
    assert taken is not None
    assert taken.task == "k2"


def test_many_workers_at_once_take_every_task_once(stores: Callable[[], Store], store: Store) -> None:
    tasks = {f"k{number}": f"cell {number}" for number in range(60)}
    opened = [stores() for _ in range(8)]
    taken: list[str] = []

    def work(number: int) -> None:
        worker = Worker(f"worker:{number}:x", CODE)
        offer(opened[number], STUDY, tasks)
        while found := take(opened[number], list(tasks), worker, connections(opened[number])):
            taken.append(found.task)
            assert finish(opened[number], found.task, worker)

    with ThreadPoolExecutor(len(opened)) as pool:
        list(pool.map(work, range(len(opened))))
    assert sorted(taken) == sorted(tasks)
    assert all(each.finished and each.attempts == 1 for each in claims_on(store, list(tasks)))


def test_a_worker_keeps_its_claim_for_longer_than_its_lease(
    stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "RENEWAL", timedelta(milliseconds=50))
    here, there = stores(), stores()
    offer(here, STUDY, TASKS)
    with Working(here, HASTY) as own:
        assert own.take(["k1"])
        # A lock that it waits for keeps its own connection busy.
        holding = threading.Event()

        def hold() -> None:
            with there.lock("train"):
                holding.set()
                time.sleep(0.9)

        thread = threading.Thread(target=hold)
        thread.start()
        holding.wait()
        with here.lock("train", lambda _: None):
            pass
        thread.join()
        assert take(there, ["k1"], TWO, connections(there)) is None
        own.finish("k1")
        assert own.take(["k2"])
    # What was not finished is free when the worker ends.
    assert take(there, ["k1", "k2"], TWO, connections(there)) is not None


def test_a_worker_that_lost_its_claim_can_write_nothing_until_it_drops_it(asleep: tuple[Store, Store]) -> None:
    late, early = asleep
    with Working(late, HASTY) as own:
        assert own.take(["k1"])
        time.sleep(0.4)
        with Working(early, TWO) as other:
            assert other.take(["k1"])
            # Its connections were ended: at the first word it is asked whether the claim is still its own.
            with pytest.raises(LostClaimError, match="two:2:b took over first cell: this process was not heard of"):
                finished_cells(late, TASKS)
            with pytest.raises(LostClaimError), late.transaction():
                pytest.fail("a transaction was begun")
            own.drop()
            assert finished_cells(late, TASKS) == set()
            taken = own.take(list(TASKS))
            assert taken is not None
            assert taken.task == "k2"
            other.finish("k1")
            own.finish("k2", lambda cursor: save_cell(cursor, "k2", {}))
    assert finished_cells(early, TASKS) == {"k2"}


def test_a_worker_that_lost_its_claim_takes_no_lock_again_and_learns_it_in_long_work(
    asleep: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragft.store.connection._SECONDS_BETWEEN_STEPS", 0.2)
    late, early = asleep
    with Working(late, HASTY) as own:
        assert own.take(["k1"])
        late.require_may_write()
        with late.lock("train"):
            time.sleep(0.4)
            assert take(early, ["k1"], TWO, connections(early))
            with pytest.raises(LostClaimError):
                finished_cells(late, TASKS)
            with early.lock("train", lambda _: None), pytest.raises(LostClaimError):
                late.require_may_write()
        with early.lock("train", pytest.fail):
            pass
        own.drop()
        assert own.take(["k2"])
        late.require_may_write()
        time.sleep(0.4)
        assert take(early, ["k2"], TWO, connections(early))
        # A step of training says nothing to the store: it is asked whether it may go on.
        with pytest.raises(LostClaimError, match="took over"):
            late.require_may_write()


def test_a_lost_claim_shows_when_it_is_finished(asleep: tuple[Store, Store]) -> None:
    late, early = asleep
    with Working(late, HASTY) as own:
        assert own.take(["k1"])
        time.sleep(0.4)
        assert take(early, ["k1"], TWO, connections(early))
        with pytest.raises(LostClaimError):
            own.finish("k1", lambda cursor: save_cell(cursor, "k1", {"whose": "late"}))
    assert load_cell(early, "k1") is None


def test_a_server_that_restarts_costs_no_claim(stores: Callable[[], Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEWAL", timedelta(milliseconds=50))
    here, there = stores(), stores()
    offer(here, STUDY, TASKS)
    with Working(here, ONE) as own:
        assert own.take(["k1"])
        with there.transaction() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN (%s, %s)", list(own._connections)
            )
        time.sleep(0.3)
        assert finished_cells(here, TASKS) == set()
        assert take(there, ["k1"], TWO, connections(there)) is None
        own.finish("k1", lambda cursor: save_cell(cursor, "k1", {}))
    assert finished_cells(there, TASKS) == {"k1"}
