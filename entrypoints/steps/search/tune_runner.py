"""What an adapter of a tune is worth on dev: its loss there, or the mean of a measure of its answers."""

from entrypoints.steps import evaluate
from entrypoints.steps.finetune import Finetuned
from entrypoints.steps.search.asked import asked_on_dev
from entrypoints.steps.search.runner import StepRunner
from entrypoints.steps.search.tune import Tune
from entrypoints.steps.shared.primaries import values_of
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError
from ragft.params.values import DEV_LOSS
from ragft.store.tune_trials import Record


class TuneRunner(StepRunner):
    """Runs the trials of a tune."""

    def __init__(self, tune: Tune, workspace: Workspace) -> None:
        super().__init__(tune, workspace)
        self._tune = tune

    def worth(self, made: Finetuned) -> Record:
        """Return the value of the objective."""
        objective = self._tune.objective
        value = self._loss(made) if objective == DEV_LOSS else self._mean(made.version.uri)
        if value is None:
            raise ConfigError(
                f"objective is {objective}, which cannot be measured of any dev question of these data: use "
                f"{DEV_LOSS}, or a measure that evaluate prints with split=dev"
            )
        return {"value": value}

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
