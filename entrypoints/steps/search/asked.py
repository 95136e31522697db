"""The steps that a tune asks for, as their parameters. Needs no torch, so that a wrong space is told at once."""

from collections.abc import Mapping
from typing import Any

from ragft.errors import ConfigError
from ragft.params.scoring import EvaluateParams
from ragft.params.searches import TuneParams
from ragft.params.training import FinetuneParams
from ragft.params.values import DEV, NO_JUDGE, OTHER_ENGINES
from ragft.params.verdict import CompareParams
from ragft.training.search_space import Space, read_space
from ragft.types import DECIDING


def checked_space(params: TuneParams) -> Space:
    """Return the space, in which finetune takes every point.

    Raises:
        ConfigError: If it cannot be read, or has a point whose values do not go together.
    """
    space = read_space(params.space)
    for values in space.corners():
        try:
            method = trained(params, values).method
        except ConfigError as error:
            raise ConfigError(f"space holds {in_words(values)}, which finetune cannot use: {error}") from error
        if params.engine in OTHER_ENGINES and method != "lora":
            raise ConfigError(
                f"engine is {params.engine} and method {method}: it computes adapters of method lora alone"
            )
    return space


def trained(params: TuneParams, values: Mapping[str, Any]) -> FinetuneParams:
    """Return the parameters of the training that tries ``values``."""
    return params.pick(FinetuneParams, **values)


def asked_on_dev(params: TuneParams, model: str = "base") -> EvaluateParams:
    """Return how an adapter is measured on dev: as it will be compared, but nothing is judged."""
    usual = EvaluateParams()
    return params.pick(
        EvaluateParams,
        model=model,
        split=DEV,
        questions=params.dev_questions,
        context=DECIDING,
        judge=NO_JUDGE,
        judge_url="",
        criteria=usual.criteria,
        estimator=usual.estimator,
        repeats=usual.repeats,
    )


def compared_on_test(params: TuneParams, model: str = "challenger") -> CompareParams:
    """Return how the best adapter is compared."""
    return params.pick(CompareParams, split="test", model=model)


def in_words(values: Mapping[str, Any]) -> str:
    """Return parameters with their values, as a user would give them."""
    return ", ".join(f"{name}={value}" for name, value in values.items())
