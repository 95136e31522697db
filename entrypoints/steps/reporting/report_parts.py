"""What the reports of versions and of answer files share: what they show of two evaluations."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from entrypoints.steps.shared.compared import Task
from entrypoints.steps.shared.evaluation import LOWER_IS_BETTER, Evaluation, Scored
from entrypoints.steps.shared.primaries import values_of
from ragft.analysis.statistics.mean_interval import Mean, mean_of
from ragft.analysis.verdict.comparison import Comparison, Result
from ragft.prompts.criterion import Criterion
from ragft.report.page_data import Asked, Bars, Metric, ShownAnswer, Tried
from ragft.store.trials import Trial
from ragft.types import DECIDING

# What is known of an answer without judging it -> whether more is better, None where neither is.
FACTS: Mapping[str, bool | None] = {"answer_tokens": None, "answer_words": None, "cut": False}
# So many are enough to see what is meant; all are in rows.json.
MOST_INVENTED = 12


def tried_of(trials: Sequence[Trial], identity: str) -> tuple[Tried, ...]:
    """Return what was compared on these questions; ``identity`` is that of the one that is compared now."""
    return tuple(
        Tried(each.name, each.outcome, f"{each.first:%Y-%m-%d %H:%M} UTC", each.version == identity) for each in trials
    )


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
