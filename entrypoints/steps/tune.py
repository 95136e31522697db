"""Tune: hyperparameters chosen by dev, in trials that processes share; the best is compared once on test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import mlflow

from entrypoints.quick_imports import quick_imports
from entrypoints.steps.matrix import sharing
from entrypoints.steps.matrix.cells import Identities
from entrypoints.steps.search import sampler, show
from entrypoints.steps.search.sampler import require_optuna
from entrypoints.steps.search.sharing import Sharing, TrialRunner, name_of
from entrypoints.steps.search.tune import Tune, tune_of
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.searches import TuneParams
from ragft.store.tune_trials import Record, TuneTrial
from ragft.store.working import Working

MakeRunner = Callable[[Tune, Workspace], TrialRunner]


@dataclass(frozen=True)
class Tuned:
    """What a tune found.

    Attributes:
        best: The trial that dev chose.
        verdict: What the comparison on test says of it.
    """

    tune: Tune
    trials: Sequence[TuneTrial]
    best: TuneTrial
    verdict: Record


def run(params: TuneParams, workspace: Workspace, runner: MakeRunner | None = None) -> Tuned:
    """Return what the tune found; trials that are in the store are not computed again.

    ``runner`` makes what computes trials, by default the steps of this process.

    Raises:
        ConfigError: If the space or the objective cannot be used, or no trial came to a value.
        PrerequisiteError: If Optuna, the base or the data are not there, or other code computes the same tune.
    """
    require_optuna()
    tune = tune_of(params, Identities(workspace))
    tags = {"ragft.step": "tune", "ragft.tune": tune.key, "ragft.objective": tune.objective}
    with step_run(params, f"{params.data_name}|tune", tags, workspace.home):
        workspace.say(f"{tune.objective} on dev chooses; space {tune.space}")
        if tune.trials < params.trials:
            workspace.say(f"the space has {tune.trials} points, so there are no more trials")
        worker = sharing.this_worker()
        sharing.refuse_other_code(tune.study, workspace, worker)
        with Working(workspace.store, worker) as working:
            make = partial(runner or _steps, tune, workspace)
            part = Sharing(tune, workspace, working, partial(sampler.ask, tune), make)
            trials = part.work()
            show.log(tune, trials)
            show.tell(tune, trials, workspace)
            best, verdict = part.compare_best(trials)
        mlflow.set_tags(
            {"ragft.version": verdict["version"], "ragft.verdict": verdict["verdict"], "ragft.best_trial": best.number}
        )
        _tell(best, verdict, workspace)
    return Tuned(tune, trials, best, verdict)


def _steps(tune: Tune, workspace: Workspace) -> TrialRunner:
    # Torch and all that trains and judges are imported here, when something is to be computed.
    with quick_imports():
        from entrypoints.steps.search.tune_runner import TuneRunner

    return TuneRunner(tune, workspace)


def _tell(best: TuneTrial, verdict: Record, workspace: Workspace) -> None:
    """Say what was chosen, and what test says of it."""
    workspace.say(f"the best on dev is {name_of(best)}: {verdict['version']}, chosen from {verdict['chosen_from']}")
    workspace.say(f"on test, against {verdict['against']}: {verdict['verdict']}, {verdict['title']}")
    if verdict["verdict"] == "promote":
        workspace.say(f"to act on it: mlflow run . -e promote -P model={verdict['version']} --env-manager local")
