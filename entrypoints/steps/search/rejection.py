"""What is known of a rejected version: its newest comparison on test, how that was made, and how it was trained."""

from dataclasses import dataclass, replace
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from entrypoints.steps.compare import address_of
from entrypoints.steps.shared.weights import open_registry
from ragft import tracking
from ragft.analysis.verdict.comparison import Comparison
from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.params.searches import RemedyParams
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams
from ragft.report.advice import command
from registry.versions import CHAMPION, Version

# What chose may not be asked again, and confirm is kept for what comes after all choices.
SPLIT = "test"
MOST_RUNS = 20


@dataclass(frozen=True)
class Judged:
    """A version as it was compared last.

    Attributes:
        compared: How, with the version it was compared against by its number.
        trained: How it was trained.
        run_id: The run that holds the comparison.
    """

    version: Version
    against: Version
    outcome: str
    comparison: Comparison
    compared: CompareParams
    trained: FinetuneParams
    run_id: str


def judged(params: RemedyParams) -> Judged:
    """Return the newest comparison of a version on test with what it should replace.

    Raises:
        ConfigError: If the version is a base, or the one it should replace.
        PrerequisiteError: If it is not in the registry, was never compared so, or a run it needs is gone.
    """
    registry = open_registry()
    version = registry.get(address_of(params))
    if version.lineage.kind == "base":
        raise ConfigError(
            f"model is {version.uri}, which is a base: name an adapter that was rejected, "
            f"models:/{version.name}/<number>"
        )
    against = registry.get(f"models:/{version.name}@{CHAMPION}" if params.against == CHAMPION else params.against)
    if against.number == version.number:
        raise ConfigError(f"{version.uri} is {params.against}: it was not rejected, and there is nothing to remedy")
    run_id, outcome, comparison = _newest(version, against)
    compared = replace(
        tracking.params_of(run_id, CompareParams),
        against=against.uri,
        split=SPLIT,
        answers="",
        on_reject="record",
        verify=False,  # nothing is promised of an adapter that is yet to be trained
    )
    trained = tracking.params_of(version.run_id, FinetuneParams)
    return Judged(
        version,
        against,
        outcome,
        comparison,
        compared,
        # An alias may have moved since.
        replace(trained, continue_from=version.lineage.parent),
        run_id,
    )


def _newest(version: Version, against: Version) -> tuple[str, str, Comparison]:
    """Return run, outcome and record of the newest comparison that came to a verdict."""
    found = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=(
            f"tags.`ragft.step` = 'compare' and tags.`ragft.version` = '{version.uri}' "
            f"and tags.`ragft.against` = '{against.uri}' and tags.`ragft.split` = '{SPLIT}'"
        ),
        order_by=["attributes.start_time DESC"],
        max_results=MOST_RUNS,
        output_format="list",
    )
    asked = {"model": version.uri, **({} if CHAMPION in against.aliases else {"against": against.uri})}
    for run in found:
        try:
            record: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/comparison.json")
        except (MlflowException, OSError):
            continue  # it was killed before it wrote that down, or its files were deleted
        try:
            return run.info.run_id, run.data.tags["ragft.verdict"], Comparison.from_dict(record)
        except DataError as error:
            raise PrerequisiteError(
                f"the comparison of {version.uri} in run {run.info.run_id} cannot be read: {error}; compare again: "
                f"{command('compare', asked)}"
            ) from error
    raise PrerequisiteError(
        f"{version.uri} was never compared with {against.uri} on {SPLIT}, so nobody knows what is wrong with it: run "
        f"{command('compare', asked)}"
    )
