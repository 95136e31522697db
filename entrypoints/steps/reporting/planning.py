"""Says what a comparison can show: beforehand, if both sides were evaluated on dev."""

from collections.abc import Callable, Mapping, Sequence

import mlflow
import numpy as np
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from entrypoints.steps.shared.compared import ToCompare
from entrypoints.steps.shared.searching import SEARCHED, search_of, searched_by
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.verdict import guards
from ragft.analysis.verdict.compare import Side, spreads_of
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.conditions import CONDITIONS
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.power import Spread, in_words, power
from ragft.analysis.verdict.scale import Measured
from ragft.data.splits import balanced_subset
from ragft.params.verdict import CompareParams
from ragft.types import DECIDING, Question
from registry.versions import Version

SOURCE = "the dev split"
# Newest first; of the runs that were alike in all else, some may have found their passages otherwise.
MOST_RUNS = 50
# What two evaluations must share for their scores to be paired.
SHARED = ("ragft.data_sha256", "ragft.data_seed", "ragft.judge_identity", "ragft.estimator", "ragft.prompt_sha256")


def before(task: ToCompare, workspace: Workspace) -> dict[str, Spread]:
    """Return how scores vary on dev, where both sides were evaluated there, and say what this comparison can show."""
    params, splits = task.params, task.preparation.splits
    spreads = dev_spreads(task, splits["dev"])
    questions = splits[params.split]  # type: ignore[index]  # checked by the params
    if spreads and questions:
        asked = balanced_subset(questions, params.questions) if params.questions else questions
        tell(spreads, asked, {each.name: each.range for each in task.measures}, task.design, workspace.say)
    return spreads


def tell_after(comparison: Comparison, spreads: Mapping[str, Spread], workspace: Workspace) -> None:
    """Say what the comparison could show, the criteria aside of which `before` said so, guards included."""
    for name, found in comparison.power.items():
        if name not in spreads:
            workspace.say(f"  - {in_words(name, found)}")
    for guard in comparison.guards:
        if guard.power is not None:
            workspace.say(f"  - {guards.in_words(guard.name, guard.power)}")


def dev_spreads(task: ToCompare, questions: Sequence[Question]) -> dict[str, Spread]:
    """Return primary -> spread of the differences on dev; empty unless both sides were evaluated there alike."""
    params, version, against = task.params, task.version, task.against
    if params.split == "dev":
        return {}
    runs = [_newest(params, each) for each in (against, version)]
    if runs[0] is None or runs[1] is None or any(_tag(runs[0], name) != _tag(runs[1], name) for name in SHARED):
        return {}
    scores = [_scores(run, task.measures) for run in runs if run is not None]
    asked = [each for each in questions if all(each.id in side[name] for side in scores for name in side)]
    if len(asked) < 2 or not all(scores):
        return {}
    sides = [
        Side(each.uri, dict.fromkeys(CONDITIONS, SOURCE), {DECIDING: found})
        for each, found in zip((against, version), scores, strict=True)
    ]
    source = f"{len(asked):,} questions of {SOURCE}"
    return spreads_of(sides[0], sides[1], asked, task.measures, source=source, design=task.design)


def tell(
    spreads: Mapping[str, Spread],
    questions: Sequence[Question],
    ranges: Mapping[str, float],
    design: Design,
    say: Callable[[str], None],
) -> None:
    """Say what the questions of a comparison can show, given how scores vary; ``ranges`` are those of the measures."""
    sizes = np.unique(list(cluster(questions).labels.values()), return_counts=True)[1]
    if len(sizes) < 2:
        return
    for name, spread in spreads.items():
        most = ranges[name]
        found = power(
            sizes, spread, margin=design.margin_share * most, alpha=design.alpha, family=len(design.primary), most=most
        )
        say(f"before: {in_words(name, found)}")


def _newest(params: CompareParams, version: Version) -> Run | None:
    """Return the newest evaluation of a version on dev with the comparison's estimator."""
    lineage = version.lineage
    wanted = {
        "ragft.step": "evaluate",
        "ragft.split": "dev",
        "ragft.context": DECIDING,
        "ragft.estimator": params.estimator,
        "ragft.data_sha256": lineage.data_sha256,
        "ragft.base_fingerprint": lineage.base_fingerprint,
        "ragft.model": "base" if lineage.kind == "base" else version.uri,
        "ragft.top_k": str(params.top_k),
    }
    condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in wanted.items())
    found: list[Run] = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"{condition} and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
        max_results=MOST_RUNS,
        output_format="list",
    )
    # A tag that is missing cannot be asked for.
    searched = searched_by(search_of(params)).get(SEARCHED)
    return next(
        (run for run in found if run.data.tags.get(SEARCHED) == searched and tracking.CHECKED_TAG not in run.data.tags),
        None,
    )


def _scores(run: Run, measures: Sequence[Measured]) -> dict[str, dict[str, float | None]]:
    """Return measure -> question -> value of an evaluation; empty where its rows are gone or of another kind."""
    try:
        table = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/rows.json")
    except MlflowException:
        return {}
    columns = table["columns"]
    places = {
        each.name: next((columns.index(name) for name in (f"geval_{each.name}", each.name) if name in columns), None)
        for each in measures
    }
    if "id" not in columns or None in places.values():
        return {}
    ids = [row[columns.index("id")] for row in table["data"]]
    return {name: dict(zip(ids, [row[place] for row in table["data"]], strict=True)) for name, place in places.items()}


def _tag(run: Run, name: str) -> str | None:
    value = run.data.tags.get(name)
    return None if value is None else str(value)
