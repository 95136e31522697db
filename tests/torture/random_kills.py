"""Kills a small study with -9 at random moments, as often as asked; nothing may be lost, and no table may change.

``python -m tests.torture.random_kills --kills 200``; exits with 1 where anything is not as it should be. With
``--study smollm2 --kills 5 --homes 1`` the study is of a real model on real questions, and takes minutes.
"""

import argparse
import hashlib
import itertools
import json
import random
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import ROOT, Checkout
from tests.torture.life import Budget, Life, Truth, live, live_calmly
from tests.torture.moments import PHASES
from tests.torture.page import OUTCOME, update
from tests.torture.small_study import STUDIES
from tests.warm import Warm


def main() -> int:
    """Kill, say what came of it, and store it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--homes", type=int, default=2, help="studies that run at once")
    parser.add_argument("--study", choices=STUDIES, default="tiny", help="smollm2 needs `make smollm2`")
    parser.add_argument("--cold", action="store_true", help="import the libraries anew in each attempt (slow)")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    given.out = given.out or (OUTCOME if given.study == "tiny" else OUTCOME.with_stem(f"torture_{given.study}"))
    print(f"seed {given.seed}: {given.kills} kills at random moments, {given.homes} studies at once", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="ragft-torture-"))
    record = torture(folder, given, lambda record: keep(record, given.out))
    print(json.dumps(record, indent=1))
    if record["problems"]:
        print(f"the homes are kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def keep(record: dict[str, Any], path: Path) -> None:
    """Store the record, and what the docs say of it where it is theirs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{json.dumps(record, indent=1)}\n", encoding="utf-8")
    if path.resolve() == OUTCOME:
        update(record)


def torture(folder: Path, given: argparse.Namespace, store: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return what came of the kills, a part of them in each home under ``folder``; stored after each home."""
    started, code = time.monotonic(), code_of_the_tree()
    params = STUDIES[given.study](folder / "study")
    homes = (Checkout(folder / f"home{number}", params["base"]) for number in itertools.count())
    lives: list[Life] = []
    with ThreadPoolExecutor(given.homes) as pool:
        # As many as later run at once, so that their times are like those of the killed ones.
        warm = [None if given.cold else Warm() for _ in range(given.homes)]
        truths = list(
            pool.map(lambda home, warm: live_calmly(home, params, warm), itertools.islice(homes, given.homes), warm)
        )
        budget, numbers, one_at_a_time = Budget(given.kills), itertools.count(), threading.Lock()

        def one_after_another(place: int) -> None:
            while not budget.spent:
                number = next(numbers)
                home = Checkout(folder / f"killed{number}", params["base"])
                life = live(home, params, truths[0], random.Random(f"{given.seed} {number}"), budget, warm[place])
                tell(number, life)
                if not life.problems:
                    shutil.rmtree(home.home)
                with one_at_a_time:
                    lives.append(life)
                    store(record_of(lives, truths, given, time.monotonic() - started))

        list(pool.map(one_after_another, range(given.homes)))
        for each in warm:
            if each is not None:
                each.close()
    record = record_of(lives, truths, given, time.monotonic() - started)
    if code_of_the_tree() != code:
        record["problems"].append(
            "the code was changed meanwhile, which makes other cells: run it on a tree of its own"
        )
    store(record)
    return record


def code_of_the_tree() -> str:
    """Return a hash of the code that is run, which must stay the same meanwhile."""
    files = sorted(path for name in ("ragft", "registry", "entrypoints") for path in (ROOT / name).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def tell(number: int, life: Life) -> None:
    """Print a line a home."""
    where = ", ".join(f"{kill.phase} after {kill.after or 'nothing'}" for kill in life.kills)
    print(f"home {number}: {len(life.kills)} kills ({where}); {'; '.join(life.problems) or 'all the same'}", flush=True)


def record_of(
    lives: Sequence[Life], truths: Sequence[Truth], given: argparse.Namespace, seconds: float
) -> dict[str, Any]:
    """Return the outcome as it is stored."""
    kills = [kill for life in lives for kill in life.kills]
    twice: Counter[str] = Counter()
    for life in lives:
        twice.update(life.twice)
    times = truths[0].times
    problems = [problem for life in lives for problem in life.problems]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if any(truth.contents != truths[0].contents or truth.exported != truths[0].exported for truth in truths):
        problems.append("two unkilled homes differ")
    return {
        "study": given.study,
        "kills": len(kills),
        "seed": given.seed,
        "cold": given.cold,
        "homes": len(lives),
        "phases": {phase: sum(kill.phase == phase for kill in kills) for phase in PHASES},
        "last_written": dict(Counter(kill.after or "nothing" for kill in kills).most_common()),
        "rows_lost": sum(life.lost for life in lives),
        "rows": sum(int(text.partition(" ")[0]) for text in truths[0].contents.values()),
        "in_flight_and_written_again": dict(twice),
        "runs_left_running": sum(life.running for life in lives),
        "problems": problems,
        "seconds": round(seconds),
        "cpu_seconds": round(used.ru_utime + used.ru_stime),
        "seconds_a_kill": round(seconds / max(1, len(kills)), 1),
        "seconds_of_an_unkilled_run": round(times.startup + times.work + times.shutdown, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
