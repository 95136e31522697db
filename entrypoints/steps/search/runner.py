"""Computes a trial with the steps, in this process: an adapter and its worth on dev; and compares the best one."""

import mlflow

from entrypoints.steps import compare, evaluate, finetune
from entrypoints.steps.evaluate import looked_at
from entrypoints.steps.finetune import Finetuned
from entrypoints.steps.search.asked import asked_on_dev, compared_on_test, trained
from entrypoints.steps.search.sharing import name_of
from entrypoints.steps.search.tune import Tune
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.primaries import values_of
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, DataError, NothingLearntError
from ragft.params import DEV, DEV_LOSS
from ragft.store.trials import begin_trial, settle_trial
from ragft.store.tune_trials import Record, TuneTrial
from registry.versions import CHAMPION

# What training says of the values that were tried: too little memory or too few samples for them, a loss that is no
# number. Where it is wrong for every value, every trial fails with that reason, and so does the tune.
OF_A_TRIAL = (ConfigError, DataError, NothingLearntError)


class _TrialFailedError(Exception):
    """These values cannot be trained with."""


class StepRunner:
    """Runs trials, each in a run nested in the active one."""

    def __init__(self, tune: Tune, workspace: Workspace) -> None:
        self._tune = tune
        self._workspace = workspace

    def run(self, trial: TuneTrial) -> Record:
        """Return what came of a trial; one whose training came to nothing has no value, and a reason."""
        params = trained(self._tune.params, trial.parameters)
        tags = {"ragft.step": "tune trial", "ragft.tune": self._tune.key, "ragft.trial": trial.number}
        try:
            with step_run(params, name_of(trial), tags, self._workspace.home) as run:
                try:
                    made = finetune.run(params, self._workspace)
                except OF_A_TRIAL as error:
                    raise _TrialFailedError(str(error)) from error
                value = self._value(made)
                mlflow.log_metric(f"tuned_{self._tune.objective}", value)
        except _TrialFailedError as error:
            return {"value": None, "failure": str(error), "version": "", "identity": "", "run": ""}
        version = made.version
        return {
            "value": value,
            "failure": "",
            "version": version.uri,
            "identity": version.identity,
            "run": run.info.run_id,
        }

    def compare(self, best: TuneTrial, trials: int) -> Record:
        """Return the verdict on the best of so many trials on test, where it is asked for the first time."""
        tune, registry = self._tune, open_registry()
        version = registry.get((best.result or {})["version"])
        chosen_from = f"{trials} trials by {tune.objective} on {DEV}"
        registry.note_choice(version, chosen_from)
        said = {"version": version.uri, "chosen_from": chosen_from}
        against = tune.params.against
        other = registry.get(f"models:/{version.name}@{CHAMPION}" if against == CHAMPION else against)
        if other.number == version.number:
            # It was promoted, and more trials found nothing better.
            return {**said, "against": other.uri, "verdict": "not compared", "title": "it is that version", "run": ""}
        compared = compare.run(compared_on_test(tune.params, version.uri), self._workspace)
        return {
            **said,
            "against": compared.against.uri,
            "verdict": compared.decision.outcome,
            "title": compared.decision.summary.title,
            "run": compared.run_id,
        }

    def _value(self, made: Finetuned) -> float:
        """Return what an adapter is worth on dev, noted in the ledger as a look at those questions.

        Raises:
            ConfigError: If the objective cannot be measured there.
        """
        tune, store, version = self._tune, self._workspace.store, made.version
        data = looked_at(ensure_prepared(tune.params, self._workspace), DEV)
        begin_trial(store, data, version.identity, version.uri)
        value = self._loss(made) if tune.objective == DEV_LOSS else self._mean(version.uri)
        if value is None:
            raise ConfigError(
                f"objective is {tune.objective}, which cannot be measured of any dev question of these data: use "
                f"{DEV_LOSS}, or a measure that evaluate prints with split=dev"
            )
        settle_trial(store, data, version.identity, f"{tune.objective} {value:.4g} in a tune", "")
        return value

    @staticmethod
    def _loss(made: Finetuned) -> float | None:
        losses = made.result.dev_losses
        return losses[-1] if losses else None

    def _mean(self, uri: str) -> float | None:
        """Return the mean of the objective over the dev questions that have it."""
        (evaluation,) = evaluate.run(asked_on_dev(self._tune.params, uri), self._workspace)
        values = values_of(evaluation, self._tune.objective) or {}
        scored = [value for value in values.values() if value is not None]
        return sum(scored) / len(scored) if scored else None
