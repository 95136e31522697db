"""The report of a comparison: assembled from the evaluations, logged to the run, kept in the home folder."""

import dataclasses
import importlib.metadata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.reporting import cards
from entrypoints.steps.reporting.latest_report import FILE
from entrypoints.steps.reporting.report_parts import MOST_INVENTED, asked_of, bars_of, invented_of, metrics_of, tried_of
from entrypoints.steps.shared.compared import Compared, ToCompare
from entrypoints.steps.shared.evaluation import left_out
from entrypoints.steps.shared.searching import search_of
from ragft.analysis.statistics.clusters import cluster
from ragft.params.data import BaseParams
from ragft.params.verdict import CompareParams
from ragft.report.advice import Situation, advise, command
from ragft.report.page import render
from ragft.report.page_data import Curve, Report
from ragft.report.plots import bars_figure, forest_figure
from ragft.store.disk import write_whole
from ragft.store.trials import Trial
from ragft.types import CONTEXTS, DECIDING, WITHHELD, Question
from registry.versions import Version

CURVES = ("train_loss", "dev_loss")
PACKAGES = ("torch", "transformers", "peft", "mlflow", "scipy")


def log(
    task: ToCompare, compared: Compared, questions: Sequence[Question], trials: Sequence[Trial], home: Path
) -> Path:
    """Log the report and its figures to the active run; return the copy in the home folder."""
    return keep(assemble(task, compared, questions, trials), place(home, compared.version, compared.against))


def keep(report: Report, path: Path) -> Path:
    """Log a report and its figures to the active run, write a copy to ``path``, and return that."""
    html = render(report)
    mlflow.log_text(html, FILE)
    mlflow.log_figure(forest_figure(report.comparison), "figures/change.png")
    for figure in report.bars:
        drawn = bars_figure(figure, report.base, report.version)
        mlflow.log_figure(drawn, f"figures/base_and_fine_tuned_{figure.context}.png")
    path.parent.mkdir(exist_ok=True)
    write_whole(path, html)
    return path


def assemble(task: ToCompare, compared: Compared, questions: Sequence[Question], trials: Sequence[Trial]) -> Report:
    """Return the records that the report is made from."""
    params, criteria = task.params, task.criteria
    version, against, decision = compared.version, compared.against, compared.decision
    sides = (compared.sides[against.uri], compared.sides[version.uri])
    base, other = (side[DECIDING] for side in sides)
    judged = [context for context in CONTEXTS if all(context in side and side[context].scores for side in sides)]
    labels = cluster(questions).labels
    situation = situation_of(task)
    invented = invented_of(sides[0].get(WITHHELD), sides[1].get(WITHHELD))
    return Report(
        data=version.lineage.data,
        split=params.split,
        base=against.short,
        version=version.short,
        trained=_trained(version),
        left_out=left_out(other.rows),
        outcome=decision.outcome,
        title=decision.summary.title,
        three=decision.summary.lines,
        health=compared.comparison.belief,
        because=decision.because[:1].upper() + decision.because[1:],
        reasons=decision.reasons,
        would_change=decision.would_change,
        advice=advise(compared.comparison, decision.outcome, situation),
        comparison=compared.comparison,
        bars=tuple(bars_of(context, sides[0][context], sides[1][context], criteria, labels) for context in judged),
        metrics=tuple(metrics_of(base, other, criteria, labels, compared.comparison)),
        invented=tuple(invented[:MOST_INVENTED]),
        invented_of=len(invented),
        questions=tuple(asked_of(base, other, task)),
        scales={each.name: (min(each.worst, each.best), max(each.worst, each.best)) for each in task.measures},
        forgotten=tuple(forgetting.lines_of(version)),
        curves=_curves(version),
        tried=tried_of(trials, version.identity),
        all_contexts=all_contexts(task, version),
        source=f"all of them are in rows.json of the MLflow runs {base.run_id} and {other.run_id}",
        provenance=tuple(_provenance(params, compared).items()),
    )


def place(home: Path, version: Version, against: Version) -> Path:
    """Return the path of the newest report of a version against another."""
    return home / "reports" / f"{version.name}-v{version.number}-against-v{against.number}.html"


def situation_of(task: ToCompare) -> Situation:
    """Return how the version was made and compared, with the parameters that repeat it."""
    given, params, version, against = task.given, task.params, task.version, task.against
    lineage = version.lineage
    house = _house(params)
    data = {name: value for name, value in _changed(given).items() if name in BaseParams.__dataclass_fields__}
    training: dict[str, str] = {}
    if lineage.kind == "adapter":
        training = {"samples": str(lineage.samples), "format": lineage.format, "method": lineage.method}
        usual = {"format": "closed_book", "method": "lora"}
        training = {name: value for name, value in training.items() if usual.get(name) != value}
    return Situation(
        model=version.uri,
        base=against.short,
        format=lineage.format,
        samples=lineage.samples,
        split=params.split,
        part=params.questions > 0,
        top_k=params.top_k,
        chunk_chars=int(task.preparation.settings.get("chunk_chars", 0)),
        finetune={**house, **data, **training},
        compare={**house, **{name: value for name, value in _changed(given).items() if name != "model"}},
    )


def all_contexts(task: ToCompare, version: Version) -> str:
    """Return the command that compares in every context; "" where the data do not have every one."""
    given, params = task.given, task.params
    # A file of passages may say itself which hold the evidence.
    known = params.retrieved.strip() or any(question.evidence for question in task.questions)
    if not known or set(CONTEXTS) <= set(params.contexts()):
        return ""
    rest = {name: value for name, value in _changed(given).items() if name not in ("model", "context")}
    return command("compare", {**_house(params), **rest, "model": version.uri, "context": ",".join(CONTEXTS)})


def _house(params: CompareParams) -> dict[str, str]:
    """Return which data and base are meant, where they are not the default ones."""
    usual = BaseParams()
    chosen = {"dataset": params.dataset, "base": params.base}
    return {name: value for name, value in chosen.items() if value != getattr(usual, name)}


def _changed(given: CompareParams) -> dict[str, str]:
    """Return the parameters that differ from their defaults."""
    usual = CompareParams().as_dict()
    house = BaseParams()
    if (given.dataset or house.dataset) == house.dataset and (given.base or house.base) == house.base:
        usual |= {"dataset": given.dataset, "base": given.base}
    return {name: str(value) for name, value in given.as_dict().items() if value != usual[name]}


def _trained(version: Version) -> str:
    lineage = version.lineage
    if lineage.kind == "base":
        return "not fine-tuned"
    seen = {
        "closed_book": "without passages",
        "retrieved": "with retrieved passages",
        "oracle": "with passages that hold the answer",
        "raft": "with passages that hold the answer among others",
    }.get(lineage.format, lineage.format)
    return f"fine-tuned on {lineage.samples:,} question-answer pairs {seen}"


def _curves(version: Version) -> tuple[Curve, ...]:
    """Return the curves of the run that trained the version; none where that run is gone."""
    client = MlflowClient()
    found = []
    for name in CURVES:
        try:
            history = client.get_metric_history(version.run_id, name)
        except MlflowException:
            return ()
        points = {each.step: float(each.value) for each in history}
        if len(points) > 1:
            found.append(Curve(name, tuple(sorted(points.items()))))
    return tuple(found)


def _retrieved(params: CompareParams, compared: Compared) -> str:
    """Return how many passages were retrieved and, where they did not fit, how many were seen."""
    lost = left_out(compared.sides[compared.version.uri][DECIDING].rows)
    search = search_of(params)
    how = f" ({search.words})" if search.made_of else ""
    return f"{params.top_k} passages retrieved for a question{how}" + (f", of which {lost}" if lost else "")


def _provenance(params: CompareParams, compared: Compared) -> dict[str, str]:
    version, against = compared.version, compared.against
    lineage, conditions = version.lineage, compared.comparison.conditions
    named = {
        "version": f"{version.uri}, adapter {lineage.adapter_sha256}",
        "compared with": against.uri,
        "base": f"{lineage.base}, {lineage.base_fingerprint}",
        "data": f"{lineage.data}, {conditions['data']}",
        "judge": f"{cards.judge_name(params, version)}, {conditions['judge']}",
        "estimator": conditions["estimator"],
        "retrieval": f"{_retrieved(params, compared)}, {conditions['retrieval']}",
        "messages": conditions["messages"],
        "comparison": compared.comparison.sha256,
        "MLflow run": compared.run_id,
        "evaluation runs": ", ".join(found.run_id for side in compared.sides.values() for found in side.values()),
        "statistics": ", ".join(f"{k} {v}" for k, v in dataclasses.asdict(compared.comparison.design).items()),
        "software": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return {name: value.rstrip(", ") for name, value in named.items()}
