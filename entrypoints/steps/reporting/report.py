"""The report of a comparison: assembled from the evaluations, logged to the run, kept in the home folder."""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.reporting import cards
from entrypoints.steps.reporting.latest_report import FILE
from entrypoints.steps.shared.compared import Compared, Task, ToCompare
from entrypoints.steps.shared.evaluation import LOWER_IS_BETTER, Evaluation, Scored, left_out
from entrypoints.steps.shared.primaries import values_of
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.statistics.mean_interval import Mean, mean_of
from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.params import BaseParams, CompareParams
from ragft.prompts.criterion import Criterion
from ragft.report.advice import Situation, advise, command
from ragft.report.page import render
from ragft.report.page_data import Asked, Bars, Curve, Metric, Report, ShownAnswer, Tried
from ragft.report.plots import bars_figure, forest_figure
from ragft.store.disk import write_whole
from ragft.store.trials import Trial
from ragft.types import CONTEXTS, DECIDING, WITHHELD, Question
from registry.versions import Version

CURVES = ("train_loss", "dev_loss")
# What is known of an answer without judging it -> whether more is better, None where neither is.
FACTS: Mapping[str, bool | None] = {"answer_tokens": None, "answer_words": None, "cut": False}
# So many are enough to see what is meant; all are in rows.json.
MOST_INVENTED = 12
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
    given, params, criteria = task.given, task.params, task.criteria
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
        health=compared.comparison.health.line if compared.comparison.health else "",
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
        all_contexts=all_contexts(given, params, version),
        source=f"all of them are in rows.json of the MLflow runs {base.run_id} and {other.run_id}",
        provenance=tuple(_provenance(params, compared).items()),
    )


def tried_of(trials: Sequence[Trial], identity: str) -> tuple[Tried, ...]:
    """Return what was compared on these questions; ``identity`` is that of the one that is compared now."""
    return tuple(
        Tried(each.name, each.outcome, f"{each.first:%Y-%m-%d %H:%M} UTC", each.version == identity) for each in trials
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


def all_contexts(given: CompareParams, params: CompareParams, version: Version) -> str:
    """Return the command that compares in every context."""
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


def asked_of(base: Evaluation, version: Evaluation, task: Task) -> list[Asked]:
    """Return every question that both sides were asked, with both answers."""
    others = {row.id: index for index, row in enumerate(version.rows)}
    signs = {each.name: 1.0 if each.direction == "higher" else -1.0 for each in task.measures}
    unjudged = [name for name in task.design.primary if name not in base.scores]
    measured = [{name: values_of(side, name) or {} for name in unjudged} for side in (base, version)]
    found = []
    for index, row in enumerate(base.rows):
        if row.id not in others:
            continue
        one, other = (
            _answered(side, place, {name: values.get(row.id) for name, values in beside.items()})
            for side, place, beside in ((base, index, measured[0]), (version, others[row.id], measured[1]))
        )
        gains = []
        for name in task.design.primary:
            before, after = one.scores.get(name), other.scores.get(name)
            gains.append(None if before is None or after is None else signs[name] * (after - before))
        known = [gain for gain in gains if gain is not None]
        gain = sum(known) / len(known) if len(known) == len(gains) and known else None
        found.append(Asked(row.id, row.question, row.kind, row.references, row.passages, one, other, gain))
    return found


def invented_of(base: Evaluation | None, version: Evaluation | None) -> list[Asked]:
    """Return the questions that the version answered without support and the base did not, by id."""
    if base is None or version is None:
        return []
    places = {row.id: index for index, row in enumerate(version.rows)}
    found = [
        Asked(
            row.id,
            row.question,
            row.kind,
            row.references,
            row.passages,
            _answered(base, index, {}),
            _answered(version, places[row.id], {}),
            None,
        )
        for index, row in enumerate(base.rows)
        if row.id in places
        and row.numbers["false_answer"] == 0
        and version.rows[places[row.id]].numbers["false_answer"]
    ]
    return sorted(found, key=lambda each: each.id)


def _answered(evaluation: Evaluation, index: int, beside: Mapping[str, float | None]) -> ShownAnswer:
    """Return a shown answer with its scores, and ``beside`` them the primaries that no judge gave."""
    row = evaluation.rows[index]
    scores = {name: values[index] for name, values in evaluation.scores.items()}
    return ShownAnswer(
        text=row.answer,
        scores={**{name: score.value for name, score in scores.items()}, **beside},
        reasons={name: score.reason for name, score in scores.items() if score.reason},
        cut=bool(row.facts.get("cut")),
    )


def bars_of(
    context: str, base: Evaluation, version: Evaluation, criteria: Sequence[Criterion], labels: Mapping[str, str]
) -> Bars:
    """Return each criterion's means on both sides; ``labels`` is question id -> cluster."""
    means = {
        each.name: (_mean(_column(base, each.name), labels), _mean(_column(version, each.name), labels))
        for each in criteria
        if each.name in base.scores and each.name in version.scores
    }
    ends = [end for each in criteria for end in (each.worst, each.best)]
    return Bars(context, means, min(ends), max(ends))


def metrics_of(
    base: Evaluation,
    version: Evaluation,
    criteria: Sequence[Criterion],
    labels: Mapping[str, str],
    comparison: Comparison,
) -> list[Metric]:
    """Return the rows of the table of metrics; ``labels`` is question id -> cluster."""
    columns: list[tuple[str, dict[str, float | None], dict[str, float | None], bool | None, bool]] = []
    for each in criteria:
        if each.name in base.scores and each.name in version.scores:
            pair = (_column(base, each.name), _column(version, each.name))
            columns.append((each.name, *pair, each.direction == "higher", True))
    measures: dict[str, tuple[Callable[[Scored], float | None], bool | None]] = {
        "answer_f1": (lambda row: row.overlap("answer_f1"), True),
        "exact_match": (lambda row: row.overlap("exact_match"), True),
    }
    for fact, better in FACTS.items():
        if any(fact in row.facts for row in base.rows):
            measures[fact] = (lambda row, fact=fact: _fact(row, fact), better)  # type: ignore[misc]
    for name in base.rows[0].numbers if base.rows else ():
        measures[name] = (lambda row, name=name: row.numbers.get(name), name not in LOWER_IS_BETTER)  # type: ignore[misc]
    for name, (measure, better) in measures.items():
        one, other = ({row.id: measure(row) for row in side.rows} for side in (base, version))
        columns.append((name, one, other, better, False))
    metrics = [_metric(*column, labels) for column in columns]
    decided = {each.criterion: each for each in comparison.results if each.context == DECIDING and not each.slice}
    return [_as_decided(each, decided[each.name]) if each.name in decided else each for each in metrics]


def _as_decided(metric: Metric, result: Result) -> Metric:
    """Return the metric with the interval that the verdict rests on, its sign turned where lower scores are better."""
    if result.effect is None:
        return metric
    low, high = result.bounds.low, result.bounds.high
    ends = (low, high) if result.direction == "higher" else (-high, -low)
    return dataclasses.replace(metric, change=Mean(metric.change.n, metric.change.value, *ends))


def _metric(
    name: str,
    base: Mapping[str, float | None],
    version: Mapping[str, float | None],
    better: bool | None,
    judged: bool,
    labels: Mapping[str, str],
) -> Metric:
    changes: dict[str, float | None] = {}
    for key, before in base.items():
        after = version.get(key)
        changes[key] = None if before is None or after is None else after - before
    missing = sum(value is None for side in (base, version) for value in side.values()) if judged else None
    return Metric(name, _mean(base, labels), _mean(version, labels), _mean(changes, labels), missing, better)


def _fact(row: Scored, name: str) -> float | None:
    value = row.facts.get(name)
    return None if value is None else float(value)


def _column(evaluation: Evaluation, criterion: str) -> dict[str, float | None]:
    scores = evaluation.scores[criterion]
    return {row.id: score.value for row, score in zip(evaluation.rows, scores, strict=True)}


def _mean(values: Mapping[str, float | None], labels: Mapping[str, str]) -> Mean:
    column = np.array([np.nan if value is None else value for value in values.values()], dtype=np.float64)
    return mean_of(column, [labels.get(name, name) for name in values])


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
    return f"{params.top_k} passages retrieved for a question" + (f", of which {lost}" if lost else "")


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
