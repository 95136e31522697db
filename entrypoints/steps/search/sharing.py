"""Works through the trials of a search, together with every other process that was given the same search."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from entrypoints.steps.matrix import sharing
from entrypoints.steps.matrix.sharing import gone, process, refuse_other_code
from entrypoints.steps.matrix.show import duration
from entrypoints.steps.search.asked import in_words
from entrypoints.steps.search.searched import Search
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, PrerequisiteError
from ragft.params.values import SEARCHING
from ragft.store.claims import adrift, claims_on, offer
from ragft.store.connection import Cursor
from ragft.store.tune_trials import (
    Record,
    TuneTrial,
    add_tune_trial,
    find_tune_trials,
    find_tune_verdict,
    save_tune_trial,
    save_tune_verdict,
    task_of,
)
from ragft.store.working import LostClaimError, Working
from ragft.types import digest


class TrialRunner(Protocol):
    """What computes a trial, and the comparison of the best one."""

    def run(self, trial: TuneTrial) -> Record:
        """Return what came of it: its value, None with the failure where it has none, and the version."""

    def compare(self, best: TuneTrial, trials: int) -> Record:
        """Return what the comparison on test says of the best of so many trials."""


# The trials that there are -> the values of the next one.
Ask = Callable[[Sequence[TuneTrial]], Mapping[str, Any]]
Write = Callable[[Cursor, str, Mapping[str, Any]], None]


@dataclass
class Sharing:
    """One process's part in a search."""

    search: Search
    workspace: Workspace
    working: Working
    ask: Ask
    make: Callable[[], TrialRunner]
    told: set[str] = field(default_factory=set)
    waited: float = field(default_factory=time.monotonic)
    _runner: TrialRunner | None = None

    def work(self) -> list[TuneTrial]:
        """Return all trials of the search, after there are as many as were asked for and each has a result.

        Raises:
            PrerequisiteError: If a process with other code works on the same search.
        """
        trials = self._trials()
        done = sum(trial.result is not None for trial in trials)
        self.workspace.say(f"{max(self.search.trials, len(trials))} trials, of which {done} are done")
        self.told |= {trial.task for trial in trials if trial.result is not None}
        while True:
            trials = self._trials()
            self._tell(trials)
            left = [trial for trial in trials if trial.result is None]
            # What somebody died at comes before anything new.
            if left and (taken := self._take([trial.task for trial in left])):
                self._compute(next(trial for trial in left if trial.task == taken))
            elif adrift(self.workspace.store, [trial.task for trial in left]):
                # Something new would be asked for without it: a search that was killed would become another one.
                self._wait("a trial whose process may be gone, and the results")
            elif len(trials) < self.search.trials:
                self._ask()
            elif not left:
                return trials
            else:
                self._wait(f"{len(left)} trials")

    def compare_best(self, trials: Sequence[TuneTrial]) -> tuple[TuneTrial, Record]:
        """Return the best trial and what its comparison on test says, which one of the processes makes, once.

        Raises:
            ConfigError: If no trial has a value.
        """
        best = best_of(self.search, trials)
        # The key of the search says how passages are found, and has the content of a file of them; the rest is newer.
        elsewhere = ("retrieved", "uniform_labels", "verify", "traces", *SEARCHING)
        compared = {name: value for name, value in self.search.compared.as_dict().items() if name not in elsewhere}
        task = digest(["tune best", self.search.key, [(best.result or {})["identity"], len(trials), compared]])

        def compare() -> Record:
            return self._made().compare(best, len(trials))

        while (found := find_tune_verdict(self.workspace.store, task)) is None:
            offer(self.workspace.store, self.search.study, {task: f"the comparison of trial {best.number}"})
            if self._take([task]):
                self._finish(task, compare, save_tune_verdict)
            else:
                self._wait("the comparison of the best")
        return best, found

    def _trials(self) -> list[TuneTrial]:
        return find_tune_trials(self.workspace.store, self.search.key)

    def _take(self, tasks: Sequence[str]) -> str:
        """Return a task that is this process's own now; "" where none is free."""
        taken = self.working.take(tasks, gone(self.workspace, tasks))
        if taken is None:
            return ""
        if taken.before:
            (claim,) = claims_on(self.workspace.store, [taken.task])
            self.workspace.say(f"  {process(taken.before)} is gone: {claim.name} is taken over")
        # Whoever began at the same moment had no claim yet when this process looked.
        refuse_other_code(self.search.study, self.workspace, self.working.worker)
        return taken.task

    def _ask(self) -> None:
        """Add one trial; whoever claims it first computes it. One process asks at a time, each another point."""
        with self.workspace.store.lock(f"tune {self.search.key[:12]}", self.workspace.alert):
            trials = self._trials()
            if len(trials) >= self.search.trials:
                return
            number = len(trials)
            trial = TuneTrial(number, task_of(self.search.key, number), self.ask(trials))
            add_tune_trial(self.workspace.store, self.search.key, trial, self.search.study, name_of(trial))

    def _made(self) -> TrialRunner:
        if self._runner is None:
            self._runner = self.make()
        return self._runner

    def _compute(self, trial: TuneTrial) -> None:
        started, runner = time.monotonic(), self._made()

        def run() -> Record:
            self.workspace.say(name_of(trial))
            result = runner.run(trial)
            seconds = round(time.monotonic() - started, 1)
            return {**result, "seconds": seconds, "worker": process(self.working.worker.name)}

        self._finish(trial.task, run, save_tune_trial)

    def _finish(self, task: str, compute: Callable[[], Record], write: Write) -> None:
        """Keep what a task gives, in the transaction that ends its claim; nothing where the claim was lost."""
        try:
            result = compute()
            self.working.finish(task, lambda cursor: write(cursor, task, result))
        except PrerequisiteError as error:
            lost = error if isinstance(error, LostClaimError) else self.working.lost()
            if lost is None:
                raise
            self.workspace.alert(f"{lost}; going on with other trials")
            self.working.drop()

    def _tell(self, trials: Sequence[TuneTrial]) -> None:
        """Say once what came of each trial, here or elsewhere."""
        for trial in trials:
            if trial.result is None or trial.task in self.told:
                continue
            self.told.add(trial.task)
            came = _came_of(self.search, trial.result)
            self.workspace.say(
                f"[{trial.number + 1}/{max(self.search.trials, len(trials))}] {name_of(trial)}: {came}, "
                f"{duration(trial.result['seconds'])}, by {trial.result['worker']}"
            )

    def _wait(self, what: str) -> None:
        if time.monotonic() - self.waited > sharing.SECONDS_BETWEEN_LINES:
            self.waited = time.monotonic()
            self.workspace.say(f"  waiting for {what} of other processes")
        time.sleep(sharing.SECONDS_BETWEEN_LOOKS)


def name_of(trial: TuneTrial) -> str:
    """Return what people call a trial."""
    return f"trial {trial.number}, {in_words(trial.parameters)}"


def best_of(search: Search, trials: Sequence[TuneTrial]) -> TuneTrial:
    """Return the trial with the best value; of equals the first.

    Raises:
        ConfigError: If none has a value.
    """
    valued = [(trial.result["value"], trial) for trial in trials if trial.result and trial.result["value"] is not None]
    if not valued:
        reasons = "\n".join(f"  - {name_of(trial)}: {trial.result['failure']}" for trial in trials if trial.result)
        raise ConfigError(f"none of {len(trials)} trials came to a value: {search.way_out}\n{reasons}")
    sign = 1 if search.maximise else -1
    return max(valued, key=lambda each: (sign * each[0], -each[1].number))[1]


def _came_of(search: Search, result: Mapping[str, Any]) -> str:
    return f"failed, {result['failure']}" if result["value"] is None else f"{search.objective} {result['value']:.4g}"
