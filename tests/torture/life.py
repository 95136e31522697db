"""The life of one home: its study is killed until it is done, and then held against a home that was not killed."""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ragft.errors import RagftError
from tests.end_to_end.conftest import Checkout
from tests.end_to_end.test_study import table
from tests.torture.attempt import Attempt, attempt
from tests.torture.ledger import Keys, committed, look, prepare_store, runs_left_running, server_runs
from tests.torture.moments import SHARE_OF_STARTS, Calm, Phase, draw
from tests.torture.small_study import words_of
from tests.warm import Warm

MOST_ATTEMPTS = 60
ALL_DONE = "2 cells, of which 2 are done"


@dataclass
class Life:
    """What happened to one home.

    Attributes:
        kills: The attempts that were killed.
        lost: Rows that were committed at a kill and gone at a later one.
        problems: What is not as it should be.
        twice: Table -> rows that were handed over again, since their transaction was in flight at a kill.
        running: MLflow runs that still count as running.
    """

    kills: list[Attempt] = field(default_factory=list)
    lost: int = 0
    problems: list[str] = field(default_factory=list)
    twice: dict[str, int] = field(default_factory=dict)
    running: int = 0


@dataclass(frozen=True)
class Truth:
    """What an unkilled home ends with."""

    times: Calm
    exported: Any
    contents: dict[str, str]
    handed_over: dict[str, int]
    adapters: list[bytes]


@dataclass(frozen=True)
class Study:
    """The command of a home, the same at every attempt."""

    home: Checkout
    words: list[str]
    warm: Warm | None

    def attempt(self, delays: Mapping[Phase, float] = MappingProxyType({}), usual: float = 0.0) -> Attempt:
        """Run it once; see `tests.torture.attempt.attempt`."""
        return attempt(self.home, self.words, delays, usual, self.warm)


class Budget:
    """How many kills are left, for all homes together."""

    def __init__(self, kills: int) -> None:
        self._left = kills
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Return whether one more kill is to be made, and count it."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            return True

    def give_back(self) -> None:
        """Count a kill that came too late as not made."""
        with self._lock:
            self._left += 1

    @property
    def spent(self) -> bool:
        """Whether no kill is left."""
        return self._left <= 0


def adapters_of(home: Path) -> list[bytes]:
    """Return the weights of the adapters, in an order of their own."""
    return sorted(path.read_bytes() for path in home.glob("training/*/adapter/adapter_model.safetensors"))


def live_calmly(home: Checkout, params: dict[str, Any], warm: Warm | None = None) -> Truth:
    """Run the study once, undisturbed."""
    prepare_store(home.home)
    out = home.home / "study.json"
    done = attempt(home, words_of(params, out), warm=warm)
    assert done.code == 0, "".join(done.said)
    return Truth(done.calm, table(out), *look(home.home), adapters_of(home.home))


def live(
    home: Checkout,
    params: dict[str, Any],
    truth: Truth,
    chance: random.Random,
    budget: Budget,
    warm: Warm | None = None,
) -> Life:
    """Kill the home's study until it is done or no kill is left; then let it end, and look at what it made."""
    life = Life()
    try:
        _live(life, Study(home, words_of(params, home.home / "study.json"), warm), truth, chance, budget)
    except RagftError as error:
        life.problems.append(f"the home cannot be used any more: {error}")
    return life


def _live(life: Life, study: Study, truth: Truth, chance: random.Random, budget: Budget) -> None:
    if chance.random() < SHARE_OF_STARTS and budget.take():
        _count(life, study.attempt(draw(chance, truth.times, first=True)))
        if not life.kills:
            budget.give_back()
    home = study.home.home
    prepare_store(home)
    there: Keys = {}
    for _ in range(MOST_ATTEMPTS):
        killing = budget.take()
        delays = draw(chance, truth.times, first=False) if killing else {}
        last = study.attempt(delays, truth.times.startup)
        _count(life, last)
        if killing and last.phase is None:
            budget.give_back()
        there = _still_there(life, home, there)
        if last.phase is None:
            break
    _judge(life, study, truth)


def _count(life: Life, made: Attempt) -> None:
    if made.phase is not None:
        life.kills.append(made)
    elif made.code != 0:
        life.problems.append(f"an attempt ended with {made.code}:\n{''.join(made.said[-30:])}")


def _still_there(life: Life, home: Path, before: Keys) -> Keys:
    """Return the rows that are committed now; what was there before and is not any more is lost."""
    now = committed(home)
    for name, rows in before.items():
        if gone := rows - now[name]:
            life.lost += len(gone)
            life.problems.append(f"{len(gone)} rows of {name} are lost")
    return now


def _judge(life: Life, study: Study, truth: Truth) -> None:
    """Run the command a last time, which must compute nothing; compare everything with the unkilled home."""
    home, last = study.home.home, study.attempt()
    if last.code != 0 or not any(ALL_DONE in line for line in last.said):
        life.problems.append(f"the last command ended with {last.code}:\n{''.join(last.said[-30:])}")
        return
    if server_runs(home):
        life.problems.append("a server runs on after the last command")
    life.running = runs_left_running(home)
    if life.running:
        life.problems.append(f"{life.running} MLflow runs still count as running")
    if table(Path(study.words[-1])) != truth.exported:
        life.problems.append("the exported tables differ")
    if adapters_of(home) != truth.adapters:
        life.problems.append("the adapters differ")
    life.problems += differences(life, *look(home), truth)


def differences(life: Life, found: dict[str, str], handed: dict[str, int], truth: Truth) -> list[str]:
    """Return which tables are not those of the unkilled home; note what was computed again."""
    life.twice = {name: count - truth.handed_over[name] for name, count in handed.items()}
    return [
        f"table {name} differs: {found[name]}, expected {expected}"
        for name, expected in truth.contents.items()
        if found[name] != expected
    ]
