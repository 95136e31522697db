"""A tune's result as lines of text, as a table of its run, and as pictures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mlflow

from entrypoints.steps.search import sampler
from entrypoints.steps.search.sharing import best_of
from entrypoints.steps.search.tune import Tune
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.report.tune_plots import history_figure, importance_figure
from ragft.store.tune_trials import TuneTrial


def rows(tune: Tune, trials: Sequence[TuneTrial]) -> Iterator[dict[str, Any]]:
    """Yield one row per trial."""
    for trial in trials:
        result = trial.result or {}
        yield {
            "trial": trial.number,
            tune.objective: result["value"],
            **trial.parameters,
            "state": "failed" if result["value"] is None else "done",
            "failure": result["failure"],
            "version": result["version"],
            "run": result["run"],
            "seconds": result["seconds"],
            "worker": result["worker"],
        }


def log(tune: Tune, trials: Sequence[TuneTrial]) -> None:
    """Log the table, the values as a curve over the trials, and both plots."""
    tracking.log_table(list(rows(tune, trials)), "trials")
    values = [(trial.result or {})["value"] for trial in trials]
    tracking.log_curve(
        f"tuned_{tune.objective}", [(number, value) for number, value in enumerate(values) if value is not None]
    )
    mlflow.log_metrics({"trials": len(trials), "trials_failed": values.count(None)})
    mlflow.log_figure(history_figure(values, tune.objective, maximise=tune.maximise), "figures/history.png")
    if shares := sampler.importances(tune, trials):
        mlflow.log_dict(shares, "importance.json")
        mlflow.log_figure(importance_figure(shares, tune.objective), "figures/importance.png")


def tell(tune: Tune, trials: Sequence[TuneTrial], workspace: Workspace) -> None:
    """Print the table, the best trial marked."""
    best = best_of(tune, trials).number
    names = ("trial", tune.objective, *tune.space.names, "state", "by")
    cells = [[*_cells(tune, row), "*" if row["trial"] == best else ""] for row in rows(tune, trials)]
    widths = [max(len(line[place]) for line in [names, *cells]) for place in range(len(names))]
    workspace.say("")
    workspace.say(_line([*names, ""], widths))
    workspace.say("-" * (sum(widths) + 2 * (len(widths) - 1)))
    for line in cells:
        workspace.say(_line(line, widths))
    workspace.say("")


def _cells(tune: Tune, row: Mapping[str, Any]) -> list[str]:
    value = row[tune.objective]
    shown = "" if value is None else f"{value:.4f}"
    return [str(row["trial"]), shown, *(str(row[name]) for name in tune.space.names), row["state"], row["worker"]]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (f"{cell:{width}}" for cell, width in zip(cells[:-1], widths, strict=True))
    return f"{'  '.join(padded)} {cells[-1]}".rstrip()
