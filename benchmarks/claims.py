"""What sharing a study costs: real claims on a real Postgres by many workers, whose cells only sleep.

    python -m benchmarks.claims --cells 1000 --workers 100     # prints, and keeps results/claims.txt

Each worker has connections of its own, as a process has; all are threads of one process here, so what is measured holds
this interpreter's own time too. The floor is the same loop on one list in memory under a lock. Last, a process that
holds a claim is killed with -9, and the time is taken until another one has its cell.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psycopg

from ragft.store.claims import LEASE, Worker, claims_on, offer, take
from ragft.store.connection import Store
from ragft.store.embedded import embedded_dsn, leave_embedded
from ragft.store.server import open_store
from ragft.store.study_cells import save_cell
from ragft.store.working import Working

OUTPUT = Path(__file__).with_name("results") / "claims.txt"
STUDY, CODE = "benchmark", {"ragft": "1"}
RECORD = {"scores": [0.5] * 600}
HOLD = """\
import sys, time
from pathlib import Path
from ragft.store.claims import Worker
from ragft.store.server import open_store
from ragft.store.working import Working
with open_store(sys.argv[1], Path(".")) as store, Working(store, Worker("killed:1:x", {"ragft": "1"})) as working:
    assert working.take([sys.argv[2]])
    print("taken", flush=True)
    time.sleep(600)
"""


def shared(dsn: str, home: Path, tasks: list[str], workers: int, sleep: float) -> tuple[float, list[float]]:
    """Return the seconds that the workers needed for all tasks, and those of each claim."""
    spent: list[float] = []
    began = threading.Barrier(workers + 1)

    def work(number: int) -> None:
        with open_store(dsn, home) as store, Working(store, Worker(f"worker:{number}:x", CODE)) as working:
            began.wait()
            while True:
                asked = time.monotonic()
                taken = working.take(tasks)
                spent.append(time.monotonic() - asked)
                if taken is None:
                    return
                time.sleep(sleep)
                key = taken.task
                working.finish(key, lambda cursor, key=key: save_cell(cursor, key, RECORD))  # type: ignore[misc]

    return _timed(work, workers, began), spent


def in_memory(tasks: list[str], workers: int, sleep: float) -> float:
    """Return the seconds that the same threads need with a list in memory."""
    left, lock, began = deque(tasks), threading.Lock(), threading.Barrier(workers + 1)

    def work(_: int) -> None:
        began.wait()
        while True:
            with lock:
                if not left:
                    return
                left.popleft()
            time.sleep(sleep)

    return _timed(work, workers, began)


def _timed(work: Callable[[int], None], workers: int, began: threading.Barrier) -> float:
    with ThreadPoolExecutor(workers) as pool:
        ended = [pool.submit(work, number) for number in range(workers)]
        began.wait()
        started = time.monotonic()
        for each in ended:
            each.result()
    return time.monotonic() - started


def recovered(dsn: str, store: Store) -> float:
    """Return the seconds from the kill of a process to the moment when another one has its task."""
    offer(store, STUDY, {"held": "held"})
    with subprocess.Popen([sys.executable, "-c", HOLD, dsn, "held"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        time.sleep(3)
        process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    while take(store, ["held"], Worker("other:2:y", CODE), [store.connection_id] * 2) is None:
        time.sleep(0.1)
    return time.monotonic() - killed


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--sleep", type=float, default=2.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ragft-claims-") as folder:
        home = Path(folder)
        with psycopg.connect(embedded_dsn(home), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET max_connections = {2 * given.workers + 20}")
        leave_embedded(home)
        dsn = embedded_dsn(home)
        tasks = [f"cell {number:05}" for number in range(given.cells)]
        with open_store(dsn, home) as store:
            offer(store, STUDY, {task: task for task in tasks})
            seconds, spent = shared(dsn, home, tasks, given.workers, given.sleep)
            standing = claims_on(store, tasks)
            assert all(each.finished and each.attempts == 1 for each in standing)
            floor = in_memory(tasks, given.workers, given.sleep)
            gone = recovered(dsn, store)
        leave_embedded(home)
    overhead = 1000 * given.workers * (seconds - floor) / given.cells
    lines = [
        f"{given.cells} cells that sleep {given.sleep:g} s, {given.workers} workers: each computed once",
        f"claims in Postgres {seconds:.1f} s, a list in memory {floor:.1f} s: {seconds / floor:.2f}x",
        f"a worker loses {overhead:.0f} ms a cell, of which a claim takes {1000 * np.median(spent):.0f} ms (median) "
        f"and {1000 * np.quantile(spent, 0.95):.0f} ms (95 %)",
        f"a killed process's cell was taken over after {gone:.1f} s; one that sleeps or lost its network loses it "
        f"after its lease of {LEASE.total_seconds():.0f} s",
    ]
    print("\n".join(lines))
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
