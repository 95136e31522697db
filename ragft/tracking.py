"""What a run logs, besides the judge's metrics: parameters, tags, tables, the data."""

import csv
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.data.dataset import Dataset
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException

from ragft.data.tables import cell
from ragft.errors import PrerequisiteError, RagftError
from ragft.params.base import P, Params
from ragft.types import Question, digest

PARAMS = "params.json"
# Of an evaluation whose answers were checked before they were scored: hash of the promise.
CHECKED_TAG = "ragft.checked"
MOST_CHARACTERS_OF_A_PARAM = 6000
UI_KIND = {"mlflow.experimentKind": "custom_model_development"}
# MLflow's table of runs shows no metric and no tag of its own accord, and no tag of an experiment changes that (3.17).
# What it has are saved views: a list in the tag below, one click away under "Views" and in the description.
VIEW, VIEW_NAME = "ragft", "Verdicts and scores"
DESCRIPTION = "mlflow.note.content"
VIEW_COLUMNS = (
    "tags.`ragft.verdict`",
    "metrics.`change_accuracy`",
    "metrics.`change_completeness`",
    "metrics.`geval_accuracy/mean`",
    "metrics.`geval_completeness/mean`",
    "metrics.`answer_f1/mean`",
)
# The columns that every table of runs begins with, and their widths in pixels.
FIRST_COLUMNS = {"0": 40, "attributes.`Run Name`": 260, "runDateAndNestInfo": 140}


def log_params(params: Params) -> None:
    """Log every parameter that the run lacks, and all parameters as ``params.json``.

    ``mlflow run`` logs its own, shell-quoted, before our code starts, and MLflow refuses a second value for
    a key; so the artifact is the record.
    """
    there = MlflowClient().get_run(_active_run().info.run_id).data.params
    missing = {name: str(value)[:MOST_CHARACTERS_OF_A_PARAM] for name, value in params.as_dict().items()}
    mlflow.log_params({name: value for name, value in missing.items() if name not in there})
    mlflow.log_dict(params.as_dict(), PARAMS)


def params_of(run_id: str, kind: type[P]) -> P:
    """Return the parameters that a run logged; those that came after it have their defaults.

    Raises:
        PrerequisiteError: If the run or its parameters are gone, or are none of ``kind``.
    """
    try:
        logged: Mapping[str, Any] = mlflow.artifacts.load_dict(f"runs:/{run_id}/{PARAMS}")
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(**{name: value for name, value in logged.items() if name in names})
    except (MlflowException, OSError, TypeError, RagftError) as error:
        raise PrerequisiteError(
            f"run {run_id} does not say with which parameters it ran ({PARAMS}): restore it, or run its step again "
            f"({error})"
        ) from error


def name_run(name: str, tags: Mapping[str, Any]) -> None:
    """Give the active run its name and tags, and its experiment the description and view that the UI shows."""
    run = _active_run()
    mlflow.set_tags({"mlflow.runName": name, **{key: str(value) for key, value in tags.items()}})
    client, experiment = MlflowClient(), run.info.experiment_id
    there = client.get_experiment(experiment).tags
    wanted = UI_KIND | saved_view()
    if not there.get(DESCRIPTION):
        link = f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}"
        wanted |= {DESCRIPTION: f"[{VIEW_NAME}]({link}) of these runs in columns; also under Views, at the right."}
    for key, value in wanted.items():
        if there.get(key) != value:
            _set_experiment_tag(client, experiment, key, value)


def _set_experiment_tag(client: MlflowClient, experiment: str, key: str, value: str) -> None:
    """Set a tag; MLflow 3.17 fails where another process sets the same one at the same moment."""
    try:
        client.set_experiment_tag(experiment, key, value)
    except MlflowException:
        if client.get_experiment(experiment).tags.get(key) != value:
            raise


def saved_view() -> dict[str, str]:
    """Return the experiment's tag that makes the UI list a view of the runs with their verdicts and scores.

    It is written as MLflow 3.17 does when a person saves a view: the state is JSON within JSON.
    """
    widths = FIRST_COLUMNS | dict.fromkeys(VIEW_COLUMNS, 150)
    state = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(VIEW_COLUMNS),
        "columnOrder": list(widths),
        "columnWidths": widths,
    }
    made = {"name": VIEW_NAME, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)}
    return {f"mlflow.sharedViewState.{VIEW}": json.dumps(made)}


@contextmanager
def named(name: str, tags: Mapping[str, Any]) -> Iterator[Run]:
    """Give the active run its name and tags and yield it."""
    name_run(name, tags)
    yield _active_run()


def run_name(data: str, samples: int, variant: str) -> str:
    """Return ``<data>|n<samples>|<variant>``, the name under which runs line up in the UI."""
    return f"{data}|n{samples}|{variant}"


def log_table(rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Log rows as a table that the UI shows, ``<name>.json``, as ``<name>.parquet`` and as ``<name>.csv``.

    No cell of the CSV can be executed as a formula.
    """
    frame = pd.DataFrame([{key: loggable(value) for key, value in row.items()} for row in rows])
    mlflow.log_table(frame, f"{name}.json")
    with TemporaryDirectory() as folder:
        frame.to_parquet(Path(folder) / f"{name}.parquet")
        write_csv(Path(folder) / f"{name}.csv", rows)
        mlflow.log_artifacts(folder)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV in UTF-8, a column for each key; the byte order mark is for spreadsheets."""
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer.writerow(map(cell, names))
        writer.writerows([cell(row.get(name)) for name in names] for row in rows)


def log_curve(metric: str, points: Sequence[tuple[int, float]]) -> None:
    """Log a metric over steps in one call; one call per point costs sixteen times as much."""
    now = _now_ms()
    metrics = [Metric(metric, value, now, step) for step, value in points]
    MlflowClient().log_batch(_active_run().info.run_id, metrics=metrics)


def log_data(
    name: str,
    data_sha256: str,
    split: str,
    questions: Sequence[Question],
    context: str = "",
    *,
    made_of: Sequence[Any] = (),
) -> Dataset:
    """Log and return which data the run used: MLflow's own digest covers only the first rows, so ours is a tag.

    What is asked in different contexts, or with passages that were found otherwise (``made_of``, JSON values), are
    different data to MLflow, which shows one metric of a model for each.
    """
    frame = pd.DataFrame({"id": [q.id for q in questions], "question": [loggable(q.text) for q in questions]})
    title = " ".join(filter(None, (name, split, context)))
    identity = digest([data_sha256, frame["id"].tolist(), context, list(made_of)])[:12] if context else data_sha256[:12]
    dataset: Dataset = mlflow.data.from_pandas(frame, name=title, digest=identity)  # type: ignore[attr-defined]
    mlflow.log_input(dataset, context=split)
    mlflow.set_tags({"ragft.data": name, "ragft.data_sha256": data_sha256, "ragft.split": split})
    return dataset


def log_metrics(metrics: Mapping[str, float]) -> None:
    """Log metrics to the run alone: MLflow's own function also puts them on the page of a model the run registers."""
    now = _now_ms()
    MlflowClient().log_batch(
        _active_run().info.run_id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items()]
    )


def link_metrics(metrics: Mapping[str, float], model_id: str, dataset: Dataset) -> None:
    """Show the run's metrics on the page of a LoggedModel, under the data they were measured on."""
    mlflow.log_metrics(dict(metrics), model_id=model_id, dataset=dataset)


def loggable(value: Any) -> Any:  # noqa: ANN401
    """Return ``value`` with its lone surrogates escaped: JSON files and Parquet are UTF-8, which has none."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _now_ms() -> int:
    return int(pd.Timestamp.now(tz="UTC").timestamp() * 1000)


def _active_run() -> Run:
    run = mlflow.active_run()
    if run is None:
        raise RuntimeError("there is no active run to log to")
    return run
