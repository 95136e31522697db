"""Works through the cells of a study, together with every other process that was given the same study."""

import dataclasses
import os
import platform
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import psutil

from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.matrix.show import duration
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.study import findings
from ragft.errors import DataError, DivergedError, PrerequisiteError, RagftError
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


MakeRunner = Callable[[Identities, Working], CellRunner]


class CellsFailedError(RagftError):
    """Some cells could not be computed, here or by another process; the others are kept."""


def this_worker() -> Worker:
    """Return this process as a worker."""
    code = {**libraries(["ragft"]), "results": digest(VERSIONS)[:12]}
    name = f"{platform.node()}:{os.getpid()}:{secrets.token_hex(3)}"
    return Worker(name, {**code, **libraries((*TRAINING_LIBRARIES, *OTHER_LIBRARIES))})


def compute(
    cells: Sequence[Cell], keys: Sequence[str], workspace: Workspace, identities: Identities, make: MakeRunner
) -> int:
    """Compute the missing cells with whoever else computes them, and return how many this process did.

    Raises:
        PrerequisiteError: If a process with other code or libraries works on the same study.
        CellsFailedError: If cells could not be computed; the others were.
    """
    missing = [key for key in keys if key not in finished_cells(workspace.store, keys)]
    workspace.say(f"{len(cells)} cells, of which {len(cells) - len(missing)} are done")
    if missing:
        worker, study = this_worker(), identities.study(cells)
        _refuse_other_code(study, worker, workspace)
        names = {key: cell.name for cell, key in zip(cells, keys, strict=True) if key in set(missing)}
        offer(workspace.store, study, names)
        with Working(workspace.store, worker) as working:
            part = _Sharing(cells, keys, missing, workspace, working)
            part.work(lambda: make(identities, working))
            return len(part.spent)
    return 0


def _refuse_other_code(study: str, worker: Worker, workspace: Workspace) -> None:
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
    workspace: Workspace
    working: Working
    spent: list[float] = dataclasses.field(default_factory=list)
    own: dict[str, RagftError] = dataclasses.field(default_factory=dict)
    told: set[str] = dataclasses.field(default_factory=set)

    def work(self, make: Callable[[], CellRunner]) -> None:
        """Compute what is free until nothing is left to wait for."""
        by_key = dict(zip(self.keys, self.cells, strict=True))
        runner: CellRunner | None = None
        looked = time.monotonic()
        while True:
            taken = self.working.take(self.missing, gone(self.workspace, self.missing))
            if taken is not None:
                if taken.before:
                    self.workspace.say(f"  {process(taken.before)} is gone: {by_key[taken.task].name} is taken over")
                runner = runner or make()
                self._compute(by_key[taken.task], taken.task, runner)
                continue
            standing = claims_on(self.workspace.store, self.missing)
            self._tell_done(standing)
            if all(each.settled for each in standing):
                break
            if time.monotonic() - looked > SECONDS_BETWEEN_LINES:
                looked = time.monotonic()
                self._tell_waiting(standing)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        self._raise_failures(standing)

    def _compute(self, cell: Cell, key: str, runner: CellRunner) -> None:
        started = time.monotonic()
        try:
            result = runner.run(cell)
            record = dataclasses.asdict(result)
            self.working.finish(key, lambda cursor: save_cell(cursor, key, record))
        except LostClaimError as lost:
            self.workspace.alert(f"{lost}; going on with other cells")
            self.working.drop()
            return
        except OF_A_CELL as error:
            self.own[key] = error
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
        at_work = [each for each in standing if not each.settled]
        doing = "; ".join(f"{process(each.owner)} {each.name}, {duration(each.seconds)}" for each in at_work)
        self.workspace.say(f"  waiting for {len(at_work)} cells: {doing}")

    def _raise_failures(self, standing: Sequence[Claim]) -> None:
        failed = [each for each in standing if each.failure]
        if not failed:
            return
        if len(failed) == 1 and failed[0].task in self.own:
            raise self.own[failed[0].task]
        lines = "\n".join(f"  - {each.name} ({process(each.owner)}): {each.failure}" for each in failed)
        error = CellsFailedError(
            f"{len(failed)} of {len(self.keys)} cells cannot be computed; the others are kept, and the same command "
            f"tries these again:\n{lines}"
        )
        own = next(iter(self.own.values()), None)
        error.exit_code = own.exit_code if own is not None else error.exit_code
        raise error


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
    """Return for each worker how many of the cells it computed, and in how many seconds."""
    cells = Counter(each.owner for each in standing if each.finished)
    return [
        {
            "worker": process(owner),
            "cells": count,
            "seconds": round(sum(each.seconds for each in standing if each.finished and each.owner == owner), 1),
        }
        for owner, count in cells.items()
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
