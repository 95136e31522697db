"""What is tried next, by Optuna: it is told all trials that are in the store, and asked for one more."""

import importlib.util
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragft.errors import PrerequisiteError
from ragft.store.tune_trials import TuneTrial
from ragft.training.search_space import Range, Value
from ragft.types import digest

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from entrypoints.steps.search.tune import Tune

# How often a point is asked for that was not tried; of a small space, what is left is then taken at random.
MOST_ASKED = 20


def require_optuna() -> None:
    """See that Optuna is there.

    Raises:
        PrerequisiteError: If it is not.
    """
    if importlib.util.find_spec("optuna") is None:
        raise PrerequisiteError("tune needs Optuna, which is not installed: run pip install '.[tune]'")


def ask(tune: "Tune", trials: Sequence[TuneTrial]) -> dict[str, Value]:
    """Return the values of the next trial, which none of ``trials`` has; trials without a result are being tried.

    It depends on the trials, their results and the sampler's seed alone, so a tune of one process that was killed
    and goes on tries what it would have tried.
    """
    tried = [dict(trial.parameters) for trial in trials]
    seed = int(digest([tune.params.sampler_seed, len(trials)])[:8], 16)
    study = _study(tune, trials, seed)
    for _ in range(MOST_ASKED):
        asked = study.ask(_distributions(tune))
        values = tune.space.nearest(asked.params)
        if values not in tried:
            return values
    if tune.space.size == float("inf"):
        return values
    left = [point for point in tune.space.points() if point not in tried]
    return random.Random(seed).choice(left)


def importances(tune: "Tune", trials: Sequence[TuneTrial]) -> dict[str, float]:
    """Return parameter -> share of the differences in value that it explains (fANOVA), largest first.

    Empty where fewer than two trials have a value, or all have the same.
    """
    values = {trial.result["value"] for trial in trials if trial.result and trial.result["value"] is not None}
    if len(values) < 2:
        return {}
    import optuna

    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(_study(tune, trials, 0), evaluator=evaluator))


def _study(tune: "Tune", trials: Sequence[TuneTrial], seed: int) -> "Study":
    """Return a study in memory that knows the trials. The store keeps them: Optuna's own storage knows no leases."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # What others are trying counts as bad until its value is known, so that nobody tries its neighbour meanwhile.
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    study = optuna.create_study(direction="maximize" if tune.maximise else "minimize", sampler=sampler)
    distributions = _distributions(tune)
    study.add_trials([_told(trial, distributions) for trial in trials])
    return study


def _told(trial: TuneTrial, distributions: "Mapping[str, BaseDistribution]") -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    given: dict[str, Any] = {"params": dict(trial.parameters), "distributions": dict(distributions)}
    if trial.result is None:
        return create_trial(state=TrialState.RUNNING, **given)
    if trial.result["value"] is None:
        return create_trial(state=TrialState.FAIL, **given)
    return create_trial(value=trial.result["value"], **given)


def _distributions(tune: "Tune") -> "dict[str, BaseDistribution]":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for each in tune.space.dimensions:
        if not isinstance(each, Range):
            found[each.name] = CategoricalDistribution(each.values)
        elif each.whole:
            found[each.name] = IntDistribution(int(each.low), int(each.high))
        else:
            found[each.name] = FloatDistribution(each.low, each.high, log=each.log)
    return found
