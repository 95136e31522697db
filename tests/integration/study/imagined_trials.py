"""Trials whose value follows from their parameters alone."""

import math

from entrypoints.steps.search.tune import Tune
from entrypoints.steps.shared.workspace import Workspace
from ragft.store.tune_trials import Record, TuneTrial


class Imagined:
    """Likes a learning rate of 3e-4 and many epochs."""

    def __init__(self, tune: Tune, _: Workspace) -> None:
        self.tune = tune

    def run(self, trial: TuneTrial) -> Record:
        """Return the value; smaller is better for the loss."""
        values = trial.parameters
        loss = abs(math.log10(values.get("learning_rate", 3e-4) / 3e-4)) + 1 / values.get("epochs", 1)
        value = -loss if self.tune.maximise else loss
        version = f"models:/ragft-telecom-pocket/{trial.number + 2}"
        return {"value": value, "failure": "", "version": version, "identity": str(trial.number), "run": "r"}

    def compare(self, best: TuneTrial, trials: int) -> Record:
        """Return a verdict."""
        version = (best.result or {})["version"]
        return {
            "version": version,
            "against": "models:/ragft-telecom-pocket/1",
            "chosen_from": f"{trials} trials by {self.tune.objective} on dev",
            "verdict": "promote",
            "title": "Make it the champion",
            "run": "r",
        }
