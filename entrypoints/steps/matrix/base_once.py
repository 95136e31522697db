"""Has the base that several cells are compared with evaluated once, whoever of those who share a study does it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from entrypoints.steps import evaluate
from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.matrix.sharing import gone, process
from entrypoints.steps.matrix.show import duration
from entrypoints.steps.matrix.work import watched
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.model_under_test import BASE
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.scoring import EvaluateParams
from ragft.store.claims import claims_on, offer
from ragft.store.working import Working
from registry.versions import Version

SECONDS_BETWEEN_LOOKS = 1.0


def evaluate_ahead(cell: Cell, identities: Identities, workspace: Workspace, working: Working) -> None:
    """Evaluate the base that a cell will be compared with, unless somebody did or is at it."""
    task = identities.base(cell)
    _offer(workspace, task, cell.finetune.data_name)
    if working.take([task], gone(workspace, [task])) is not None:
        evaluate.run(cell.compare.pick(EvaluateParams, model=BASE), watched(workspace))
        working.finish(task)


def _offer(workspace: Workspace, task: str, name: str) -> None:
    offer(workspace.store, f"base {task}", {task: f"the evaluation of {name}'s base"})


Side = Mapping[str, Evaluation]


class Bases:
    """The bases of a study as this process knows them.

    Attributes:
        working: This process's claims.
        workspace: Where it says what it waits for.
        kept: What was asked of the last base, and its evaluation; None before the first.
    """

    def __init__(self, working: Working, workspace: Workspace) -> None:
        self.working = working
        self.workspace = workspace
        self.kept: tuple[object, Side] | None = None


@dataclass(frozen=True)
class BaseOnce:
    """The turns of one comparison: its base is evaluated by whoever claims it first, and the others wait for that.

    What was evaluated elsewhere is then read from the store, which takes seconds.

    Attributes:
        task: Key of the base's evaluation.
        asked: What this process remembers the evaluation by.
    """

    bases: Bases
    base: Version
    task: str
    asked: object

    def order(self, sides: Sequence[Version]) -> Sequence[Version]:
        """Return the base last where another process evaluates it now, so that nobody waits who need not."""
        if self._kept is not None:
            return sides
        store, working = self.bases.workspace.store, self.bases.working
        _offer(self.bases.workspace, self.task, self.base.name)
        (standing,) = claims_on(store, [self.task])
        elsewhere = standing.alive and not standing.finished and standing.owner != working.worker.name
        return sorted(sides, key=lambda side: elsewhere and side.uri == self.base.uri)

    def evaluate(self, side: Version, compute: Callable[[], Side]) -> Side:
        """Return the side's evaluation: the base's under its claim, or as it is remembered."""
        if side.uri != self.base.uri:
            return compute()
        if (found := self._kept) is None:
            found = self._claimed(compute)
            self.bases.kept = (self.asked, found)
        return found

    @property
    def _kept(self) -> Side | None:
        kept = self.bases.kept
        return kept[1] if kept is not None and kept[0] == self.asked else None

    def _claimed(self, compute: Callable[[], Side]) -> Side:
        working, waited = self.bases.working, False
        workspace = self.bases.workspace
        while working.take([self.task], gone(workspace, [self.task])) is None:
            (standing,) = claims_on(workspace.store, [self.task])
            if standing.finished:
                return compute()
            if standing.owner and not waited:
                waited = True
                workspace.say(
                    f"  waiting for {standing.name}: {process(standing.owner)} is at it, "
                    f"{duration(standing.seconds)} so far"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
        found = compute()
        working.finish(self.task)
        return found
