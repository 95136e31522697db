"""Computes a trial with the steps, in this process: an adapter and its worth on dev; and compares the best one."""

from abc import ABC, abstractmethod
from dataclasses import replace

import mlflow

from entrypoints.steps import compare, finetune
from entrypoints.steps.evaluate import looked_at
from entrypoints.steps.finetune import Finetuned
from entrypoints.steps.search.searched import Search
from entrypoints.steps.search.sharing import name_of
from entrypoints.steps.shared.compared import Compared
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, DataError, NothingLearntError
from ragft.params.training import FinetuneParams
from ragft.params.values import DEV
from ragft.report.words import count
from ragft.store.trials import begin_trial, settle_trial
from ragft.store.tune_trials import Record, TuneTrial
from registry.versions import CHAMPION

# What training says of the values that were tried: too little memory or too few samples for them, a loss that is no
# number. Where it is wrong for every value, every trial fails with that reason, and so does the search.
OF_A_TRIAL = (ConfigError, DataError, NothingLearntError)


class _TrialFailedError(Exception):
    """These values cannot be trained with."""


class StepRunner(ABC):
    """Runs trials, each in a run nested in the active one; what an adapter is worth on dev, a search says itself."""

    # Whether the adapter of a trial becomes the challenger, as that of finetune does.
    challenges = True

    def __init__(self, search: Search, workspace: Workspace) -> None:
        self._search = search
        self._workspace = workspace

    def run(self, trial: TuneTrial) -> Record:
        """Return what came of a trial; one whose training came to nothing has no value, and a reason."""
        search = self._search
        params = search.training(trial.parameters)
        tags = {f"ragft.{search.step}": search.key, "ragft.step": f"{search.step} trial", "ragft.trial": trial.number}
        try:
            with step_run(params, name_of(trial), tags, self._workspace.home) as run:
                try:
                    made = finetune.run(params, self._workspace, challenges=self.challenges)
                except OF_A_TRIAL as error:
                    raise _TrialFailedError(str(error)) from error
                worth = self._looked_at(made, params)
                mlflow.log_metric(f"tuned_{search.objective}", worth["value"])
        except _TrialFailedError as error:
            return {"value": None, "failure": str(error), "version": "", "identity": "", "run": ""}
        version = made.version
        return {
            **worth,
            "failure": "",
            "version": version.uri,
            "identity": version.identity,
            "run": run.info.run_id,
        }

    def compare(self, best: TuneTrial, trials: int) -> Record:
        """Return the verdict on the best of so many trials on test, where it is asked for the first time."""
        search, registry = self._search, open_registry()
        version = registry.get((best.result or {})["version"])
        chosen_from = f"{count(trials, 'trial')} by {search.objective} on {DEV}"
        registry.note_choice(version, chosen_from)
        said = {"version": version.uri, "chosen_from": chosen_from}
        asked = replace(search.compared, model=version.uri)
        other = registry.get(f"models:/{version.name}@{CHAMPION}" if asked.against == CHAMPION else asked.against)
        if other.number == version.number:
            # It was promoted, and more trials found nothing better.
            return {**said, "against": other.uri, "verdict": "not compared", "title": "it is that version", "run": ""}
        compared = compare.run(asked, self._workspace)
        return {
            **said,
            "against": compared.against.uri,
            "verdict": compared.decision.outcome,
            "title": compared.decision.summary.title,
            "run": compared.run_id,
            **self.seen(compared),
        }

    @abstractmethod
    def worth(self, made: Finetuned) -> Record:
        """Return what an adapter is worth on dev, its ``value``, and what else is to be kept of that look.

        Raises:
            ConfigError: If the objective cannot be measured there.
        """

    def seen(self, compared: Compared) -> Record:  # noqa: ARG002 - for a search that keeps more
        """Return what else is to be kept of the comparison on test."""
        return {}

    def _looked_at(self, made: Finetuned, params: FinetuneParams) -> Record:
        """Return what an adapter is worth on dev, noted in the ledger as a look at those questions."""
        search, store, version = self._search, self._workspace.store, made.version
        data = looked_at(ensure_prepared(params, self._workspace), DEV)
        begin_trial(store, data, version.identity, version.uri)
        found = self.worth(made)
        outcome = f"{search.objective} {found['value']:.4g} in a {search.step}"
        settle_trial(store, data, version.identity, outcome, "")
        return found
