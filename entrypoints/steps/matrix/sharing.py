"""Works through the cells of a study, together with every other process that was given the same study."""

import dataclasses
import os
import platform
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import psutil

from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.matrix.show import duration
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.study import findings
from ragft.errors import ConfigError, DataError, DivergedError, PrerequisiteError
from ragft.result_versions import OTHER_LIBRARIES, TRAINING_LIBRARIES, VERSIONS, libraries
from ragft.store.claims import Claim, Worker, claims_on, offer, other_code
from ragft.store.study_cells import finished_cells, save_cell
from ragft.store.working import LostClaimError, Working
from ragft.types import digest

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LINES = 30.0
# What says something about its cell, and nothing about the others.
OF_A_CELL = (DivergedError, DataError)


class CellRunner(Protocol):
    """What computes a cell."""

    def run(self, cell: Cell) -> findings.CellResult:
        """Return the cell's result."""


class Executing(Protocol):
    """Cells that other processes compute for this one."""

    def check(self) -> None:
        """Raise what keeps them from being computed, if anything does."""


class Executor(Protocol):
    """What has cells computed elsewhere."""

    def executing(self, keys: Sequence[str], bases: Sequence[str]) -> AbstractContextManager[Executing]:
        """Hand the cells out while the context is open; ``bases`` are one cell of each base that several share."""


MakeRunner = Callable[[Identities, Working], CellRunner]


class CellsFailedError(ConfigError):
    """Some cells could not be computed, here or by another process; the others are kept."""


def this_worker() -> Worker:
    """Return this process as a worker."""
    code = {**libraries(["ragft"]), "results": digest(VERSIONS)[:12]}
    name = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(3)}"
    return Worker(name, {**code, **libraries((*TRAINING_LIBRARIES, *OTHER_LIBRARIES))})


def compute(
    cells: Sequence[Cell],
    keys: Sequence[str],
    workspace: Workspace,
    identities: Identities,
    make: MakeRunner,
    executor: Executor | None = None,
    part_of: str = "",
) -> int:
    """Compute the missing cells with whoever else computes them, and return how many this process did.

    With an ``executor`` this process hands them out, and tells what becomes of them. A cell that failed is tried again
    unless the cells are ``part_of`` a study that another process has begun.

    Raises:
        PrerequisiteError: If a process with other code or libraries works on the same study.
        CellsFailedError: If cells could not be computed; the others were.
    """
    done = finished_cells(workspace.store, keys)
    missing = [key for key in keys if key not in done]
    workspace.say(f"{len(cells)} cells, of which {len(cells) - len(missing)} are done")
    if missing:
        worker, study = this_worker(), part_of or identities.study(cells)
        refuse_other_code(study, workspace, worker)
        names = {key: cell.name for cell, key in zip(cells, keys, strict=True) if key not in done}
        offer(workspace.store, study, names, again=not part_of)
        with Working(workspace.store, worker) as working:
            part = _Sharing(cells, keys, missing, study, workspace, working)
            if executor is not None:
                with executor.executing(missing, _with_shared_bases(cells, missing, keys, identities)) as executing:
                    part.watch(executing)
            else:
                part.work(lambda: make(identities, working))
            return len(part.spent)
    return 0


def _with_shared_bases(
    cells: Sequence[Cell], missing: Sequence[str], keys: Sequence[str], identities: Identities
) -> list[str]:
    """Return the key of one cell for each base that several of the missing cells are compared with."""
    by_base: dict[str, list[str]] = {}
    for cell, key in zip(cells, keys, strict=True):
        if key in missing:
            by_base.setdefault(identities.base(cell), []).append(key)
    return [sharing[0] for sharing in by_base.values() if len(sharing) > 1]


def refuse_other_code(study: str, workspace: Workspace, worker: Worker | None = None) -> None:
    """See that nobody computes the study with other code than this.

    Raises:
        PrerequisiteError: If somebody does; the message says what differs.
    """
    worker = worker or this_worker()
    found = other_code(workspace.store, study, worker)
    if found is None:
        return
    owner, code = found
    names = sorted({*code, *worker.code})
    differing = [
        f"{name} {code.get(name, 'none')} there, {worker.code.get(name, 'none')} here"
        for name in names
        if code.get(name) != worker.code.get(name)
    ]
    raise PrerequisiteError(
        f"{process(owner)} computes this study with other code: {'; '.join(differing)}; the cells of one study must be "
        "made by the same code, so install the same versions here, or wait until that process has ended"
    )


@dataclasses.dataclass
class _Sharing:
    """One process's part in a study."""

    cells: Sequence[Cell]
    keys: Sequence[str]
    missing: Sequence[str]
    study: str
    workspace: Workspace
    working: Working
    spent: list[float] = dataclasses.field(default_factory=list)
    told: set[str] = dataclasses.field(default_factory=set)
    looked: float = dataclasses.field(default_factory=time.monotonic)

    def work(self, make: Callable[[], CellRunner]) -> None:
        """Compute what is free until nothing is left to wait for."""
        by_key = dict(zip(self.keys, self.cells, strict=True))
        runner: CellRunner | None = None
        while True:
            taken = self.working.take(self.missing, gone(self.workspace, self.missing))
            if taken is not None:
                if taken.before:
                    self.workspace.say(f"  {process(taken.before)} is gone: {by_key[taken.task].name} is taken over")
                if runner is None:
                    # Whoever began at the same moment had no claim yet when this process looked.
                    refuse_other_code(self.study, self.workspace, self.working.worker)
                    runner = make()
                self._compute(by_key[taken.task], taken.task, runner)
            elif self._all_settled():
                return

    def watch(self, executing: Executing) -> None:
        """Tell what others do until nothing is left."""
        while not self._all_settled():
            executing.check()

    def _all_settled(self) -> bool:
        """Return whether nothing is left, which is told; where something is, after a while.

        Raises:
            CellsFailedError: If nothing is left, and some cells could not be computed.
        """
        standing = claims_on(self.workspace.store, self.missing)
        self._tell_done(standing)
        if all(each.settled for each in standing):
            self._raise_failures(standing)
            return True
        if time.monotonic() - self.looked > SECONDS_BETWEEN_LINES:
            self.looked = time.monotonic()
            self._tell_waiting(standing)
        time.sleep(SECONDS_BETWEEN_LOOKS)
        return False

    def _compute(self, cell: Cell, key: str, runner: CellRunner) -> None:
        started = time.monotonic()
        try:
            result = runner.run(cell)
            record = dataclasses.asdict(result)
            self.working.finish(key, lambda cursor: save_cell(cursor, key, record))
        except PrerequisiteError as error:
            lost = error if isinstance(error, LostClaimError) else self.working.lost()
            if lost is None:
                raise
            self.workspace.alert(f"{lost}; going on with other cells")
            self.working.drop()
            return
        except OF_A_CELL as error:
            self.workspace.alert(f"{cell.name} cannot be computed: {error}")
            self.working.fail(key, str(error))
            self.working.drop()
            return
        self.told.add(key)
        self.spent.append(time.monotonic() - started)
        standing = claims_on(self.workspace.store, self.missing)
        self._tell_done(standing)
        self.workspace.say(f"{self._number(key)} {_line(result)}, {duration(self.spent[-1])}, {self._left(standing)}")

    def _number(self, key: str) -> str:
        return f"[{self.keys.index(key) + 1}/{len(self.keys)}]"

    def _left(self, standing: Sequence[Claim]) -> str:
        """Return how long the rest will take, if those who work now go on as this process does."""
        left = sum(not each.settled for each in standing)
        workers = {each.owner for each in standing if each.alive and not each.settled} | {self.working.worker.name}
        return f"{duration(sum(self.spent) / len(self.spent) * left / len(workers))} left"

    def _tell_done(self, standing: Sequence[Claim]) -> None:
        """Say once what others have done."""
        for each in standing:
            if each.settled and each.task not in self.told and each.owner != self.working.worker.name:
                self.told.add(each.task)
                how = f"failed: {each.failure}" if each.failure else f"done in {duration(each.seconds)}"
                self.workspace.say(f"{self._number(each.task)} {each.name}: {how}, by {process(each.owner)}")

    def _tell_waiting(self, standing: Sequence[Claim]) -> None:
        open_ = [each for each in standing if not each.settled]
        doing = [f"{process(each.owner)} {each.name}, {duration(each.seconds)}" for each in open_ if each.owner]
        cells = "1 cell" if len(open_) == 1 else f"{len(open_)} cells"
        self.workspace.say(f"  waiting for {cells}: {'; '.join(doing) or 'none is at work yet'}")

    def _raise_failures(self, standing: Sequence[Claim]) -> None:
        failed = [each for each in standing if each.failure]
        if not failed:
            return
        lines = "\n".join(f"  - {each.name} ({process(each.owner)}): {each.failure}" for each in failed)
        raise CellsFailedError(
            f"{len(failed)} of {len(self.keys)} cells cannot be computed; the others are kept, and the same command "
            f"tries these again:\n{lines}"
        )


def gone(workspace: Workspace, tasks: Sequence[str]) -> list[str]:
    """Return the owners of tasks that have ended, as far as this machine can tell: all who use its own server."""
    if workspace.shared:
        return []
    owners = {each.owner for each in claims_on(workspace.store, tasks) if each.owner and not each.settled}
    return [owner for owner in owners if not psutil.pid_exists(int(owner.split(":")[-2]))]


def process(owner: str) -> str:
    """Return what people call a worker: its machine and process."""
    return owner.rpartition(":")[0] or owner


def shares(standing: Sequence[Claim]) -> list[dict[str, object]]:
    """Return for each process how many of the cells it computed, and in how many seconds."""
    cells = Counter(process(each.owner) for each in standing if each.finished)
    return [
        {
            "worker": name,
            "cells": count,
            "seconds": round(
                sum(each.seconds for each in standing if each.finished and process(each.owner) == name), 1
            ),
        }
        for name, count in cells.items()
    ]


def _line(cell: findings.CellResult) -> str:
    changes = [
        f"{change.measure} {change.gain.mean:+.2f} [{_end(change.gain.low)}, {_end(change.gain.high)}]"
        for change in cell.changes
        if change.decides
    ]
    return f"{cell.name}: {cell.outcome}, {', '.join(changes)}"


def _end(value: float | None) -> str:
    return "?" if value is None else f"{value:+.2f}"
