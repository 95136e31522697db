"""A study's results as lines of text, as tables of its run, and as one report."""

from collections.abc import Iterator, Mapping
from typing import Any

import mlflow

from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.study.findings import Change, Level, SeedGroup, Study
from ragft.report import study_page as report


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def log(found: Study, later: Mapping[str, int]) -> None:
    """Log tables and report to the active run; ``later`` is a cell -> how many labels its verdict does not count."""
    since = [{"labels_since": later.get(row["cell"], 0)} if later else {} for row in rows(found)]
    tracking.log_table([{**row, **counted} for row, counted in zip(rows(found), since, strict=True)], "cells")
    mlflow.log_text(report.page(found), "report.html")
    for name, figure in report.figures(found).items():
        mlflow.log_text(figure, f"figures/{name}.svg")


def rows(found: Study) -> Iterator[dict[str, Any]]:
    """Yield one row per cell, context and measure."""
    for cell in found.cells:
        for change in cell.changes:
            yield {
                "cell": cell.name,
                "role": cell.role,
                **cell.axes,
                "verdict": cell.outcome,
                "context": change.context,
                "measure": change.measure,
                "base": change.base.mean,
                "version": change.version.mean,
                "change": change.gain.mean,
                "low": change.gain.low,
                "high": change.gain.high,
                "n": change.n,
                "documents": change.clusters,
                "unscored": change.unscored,
            }


def tell(found: Study, workspace: Workspace) -> None:
    """Print one line per group of cells, and what each property changes."""
    workspace.say("")
    for line in table(found):
        workspace.say(line)
    for sentence in (*report.findings(found), *report.agreements(found), *report.fairness(found)):
        workspace.say(f"- {sentence}")


def table(found: Study) -> list[str]:
    """Return the means over seeds of the measures that decide, one line each."""
    entries = [
        (report.label(group.axes, found.varied), group, change)
        for group in found.groups
        for change in group.changes
        if change.decides
    ]
    width = max((len(name) for name, _, _ in entries), default=0)
    head = f"{'adapter':{width}}  {'measure':14}{'base':>7}{'tuned':>7}{'change':>8}"
    head += f"  {'95 % interval':18}{'n':>5}  verdicts"
    return [head, "-" * len(head), *(_row(name, width, group, change) for name, group, change in entries)]


def _row(name: str, width: int, group: SeedGroup, change: Change) -> str:
    return (
        f"{name:{width}}  {change.measure:14}{change.base.mean:7.2f}{change.version.mean:7.2f}{change.gain.mean:+8.2f}"
        f"  {_interval(change.gain):18}{change.n:5}  {report.counted(group.outcomes)}"
    )


def _interval(level: Level) -> str:
    if level.low is None or level.high is None:
        return "none"
    return f"{level.low:+.2f} to {level.high:+.2f}"
