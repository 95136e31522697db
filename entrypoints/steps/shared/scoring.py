"""Scores of a set of answers: the judge's, the overlap with the references, what was retrieved."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import mlflow
import pandas as pd

from entrypoints.steps.shared import outcomes
from entrypoints.steps.shared.evaluation import LOWER_IS_BETTER, Evaluation, JudgedBy, Scored, left_out
from entrypoints.steps.shared.judges import judge_name, log_criteria
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.judging.abstention import ABSTENTION_CELLS, abstention_table
from ragft.judging.backend import JudgeBackend
from ragft.judging.canaries import CanaryResult, check_canaries, is_checkable, make_canaries
from ragft.judging.g_eval import Item, Judged, judge
from ragft.judging.metrics import ROW_ID, judge_metric, number_metric, overlap_metrics
from ragft.judging.outcomes import JUDGED_BY
from ragft.judging.overlap import overlap
from ragft.judging.verbosity import Padded, check_padding, choose, padded
from ragft.lists import first_of
from ragft.params.scoring import ScoringParams
from ragft.params.values import NO_JUDGE
from ragft.prompts.criterion import Criterion
from ragft.types import Score, digest

# Outcomes of a repeat that is scored, or was never asked for.
ASKED_AND_READ = ("scored", "empty", "not_applicable")
# This many ids are named in a line; the rest are in rows.csv.


def score(
    rows: Sequence[Scored],
    criteria: Sequence[Criterion],
    judge_backend: JudgeBackend | None,
    params: ScoringParams,
    workspace: Workspace,
) -> Evaluation:
    """Score the rows, log metrics, table and judge to the active run, and return the metrics."""
    judged = (
        judge_items([item_of(row) for row in rows], criteria, judge_backend, params, workspace)
        if judge_backend
        else None
    )
    scores = judged.scores if judged else {}
    accuracy = outcomes.judging(criteria)
    by_id = {row.id: score.value for row, score in zip(rows, scores.get(JUDGED_BY, ()), strict=False)}
    rows = outcomes.with_outcomes(rows, accuracy, by_id)
    for line in too_long_lines([row.id for row in rows], judged) if judged else ():
        workspace.say(line)
    facts = {}
    if judged and judge_backend:
        facts = _judge_metrics(judged)
        _log_judge(judged, judge_backend, params)
        log_criteria(criteria)
    metrics = _log(rows, criteria, scores, facts)
    run = mlflow.active_run()
    canaries = _check_judge(rows, criteria, judge_backend, params, workspace)
    return Evaluation(
        run.info.run_id if run else "",
        metrics,
        rows,
        scores,
        _conditions(criteria, judge_backend, params),
        tuple(f"{name}: {problem}" for name, result in canaries.items() for problem in result.problems),
        canaries,
        _check_padding(rows, judged, criteria, judge_backend, params, workspace),
        JudgedBy(judge_name(params), judge_backend.identity, tuple(criteria), judged.served_by)
        if judge_backend and judged
        else None,
    )


def score_withheld(
    rows: Sequence[Scored],
    criteria: Sequence[Criterion],
    judge_backend: JudgeBackend | None,
    params: ScoringParams,
    workspace: Workspace,
) -> Evaluation:
    """Return the evaluation of answers that no passage supports.

    A judge is asked one thing of few: whether those are right that no rule decides. How good they are otherwise means
    nothing, since the right reply is to abstain.
    """
    accuracy, open_rows = outcomes.judging(criteria), outcomes.undecided(rows)
    judged: dict[str, float | None] = {}
    if accuracy and judge_backend and open_rows:
        found = judge_items([item_of(row) for row in open_rows], [accuracy], judge_backend, params, workspace)
        judged = {row.id: score.value for row, score in zip(open_rows, found.scores[accuracy.name], strict=True)}
    rows = outcomes.with_outcomes(rows, accuracy, judged)
    run = mlflow.active_run()
    metrics = _log(rows, (), {}, {})
    return Evaluation(
        run.info.run_id if run else "", metrics, rows, conditions=_conditions(criteria, judge_backend, params)
    )


def _log(
    rows: Sequence[Scored],
    criteria: Sequence[Criterion],
    scores: Mapping[str, Sequence[Score]],
    facts: Mapping[str, float],
) -> dict[str, float]:
    """Log and return every metric of the rows, ``facts`` among them, and log their table."""
    metrics = _mlflow_metrics(rows, criteria, scores)
    told = [
        (row.answer, row.question, bool(row.facts["answerable"]) and row.guard != "false_answer")
        for row in rows
        if "answerable" in row.facts
    ]
    counted = {**_fact_means(rows), **abstention_table(told), **facts}
    tracking.log_metrics(counted)
    tracking.log_table([_record(row, scores, index) for index, row in enumerate(rows)], "rows")
    return {**metrics, **counted}


def _mlflow_metrics(
    rows: Sequence[Scored], criteria: Sequence[Criterion], scores: Mapping[str, Sequence[Score]]
) -> dict[str, float]:
    """Return the metrics that MLflow computes and logs: the judge's, the overlap with references, the rows' numbers."""
    ids = [row.id for row in rows]
    metrics = [judge_metric(c, dict(zip(ids, scores[c.name], strict=True))) for c in criteria if c.name in scores]
    metrics += overlap_metrics({row.id: row.answer for row in rows}, {row.id: row.references for row in rows})
    metrics += [
        number_metric(
            name,
            {row.id: row.numbers[name] for row in rows},
            higher_is_better=name not in LOWER_IS_BETTER,
            may_not_apply=True,
        )
        for name in (rows[0].numbers if rows else ())
    ]
    frame = pd.DataFrame(
        {
            ROW_ID: ids,
            "input": [tracking.loggable(row.question) for row in rows],
            "output": [tracking.loggable(row.answer) for row in rows],
            "expected_output": [tracking.loggable("\nor: ".join(row.references)) for row in rows],
            "context": [tracking.loggable("\n\n".join(row.passages)) for row in rows],
        }
    )
    result = mlflow.models.evaluate(  # type: ignore[no-untyped-call]
        data=frame, predictions="output", targets="expected_output", extra_metrics=metrics, evaluators="default"
    )
    return {name: value for name, value in result.metrics.items() if value is not None}


def _conditions(
    criteria: Sequence[Criterion], judge_backend: JudgeBackend | None, params: ScoringParams
) -> dict[str, str]:
    judge_id = judge_backend.identity if judge_backend else NO_JUDGE
    return {
        "judge": digest([judge_id, *(criterion.sha256 for criterion in criteria)]),
        "estimator": params.estimator_name,
    }


def _check_judge(
    rows: Sequence[Scored],
    criteria: Sequence[Criterion],
    backend: JudgeBackend | None,
    params: ScoringParams,
    workspace: Workspace,
) -> dict[str, CanaryResult]:
    """Let the judge grade answers of known worth, log how it did, and return it by criterion."""
    canaries = make_canaries([item_of(row) for row in rows]) if backend else []
    if backend is None or not canaries:
        return {}
    judged = judge_items([canary.item for canary in canaries], criteria, backend, params, workspace)
    results = check_canaries(canaries, judged, criteria)
    mlflow.log_dict({name: dataclasses.asdict(result) for name, result in results.items()}, "canaries.json")
    problems = tuple(f"{name}: {problem}" for name, result in results.items() for problem in result.problems)
    mlflow.set_tag("ragft.judge_advisory", "; ".join(problems)[:5000] or "no")
    tracking.log_metrics(
        {f"geval_{name}/canary_auc": result.auc for name, result in results.items() if result.auc is not None}
    )
    return results


def _check_padding(
    rows: Sequence[Scored],
    judged: Judged | None,
    criteria: Sequence[Criterion],
    backend: JudgeBackend | None,
    params: ScoringParams,
    workspace: Workspace,
) -> dict[str, Padded]:
    """Let the judge grade some of the answers again, padded to twice their length, and log how their scores moved."""
    checked = [criterion for criterion in criteria if is_checkable(criterion)]
    if backend is None or judged is None or not checked:
        return {}
    items = [item_of(row) for row in rows]
    places = choose(items)
    longer = judge_items([padded(items[place]) for place in places], checked, backend, params, workspace)
    found = check_padding(places, judged, longer, checked)
    tracking.log_metrics({f"geval_{name}/padding_shift": each.shift for name, each in found.items()})
    return found


def too_long_lines(ids: Sequence[str], judged: Judged) -> list[str]:
    """Return a line for each criterion under which rows are too long for the judge, with the ids of the first ten."""
    lines = []
    for name, rows in judged.rows.items():
        found = [identifier for identifier, row in zip(ids, rows, strict=True) if "too_long" in row.outcomes]
        if found:
            lines.append(
                f"{name}: {len(found)} of {len(ids)} rows are unscored, too long for the judge's context window: "
                f"{first_of(found)}"
            )
    return lines


def item_of(row: Scored) -> Item:
    """Return what a judge is asked about."""
    return Item(row.question, row.answer, row.references, row.passages)


def judge_items(
    items: Sequence[Item],
    criteria: Sequence[Criterion],
    backend: JudgeBackend,
    params: ScoringParams,
    workspace: Workspace,
) -> Judged:
    """Return the judge's scores of the items under each criterion, what is in the store included."""
    with workspace.progress("judge") as line:
        return judge(
            workspace.store,
            backend,
            criteria,
            items,
            estimator=params.estimator,  # type: ignore[arg-type]  # checked by the params
            repeats=params.repeats,
            on_progress=line.tell,
        )


def _log_judge(judged: Judged, backend: JudgeBackend, params: ScoringParams) -> None:
    mlflow.set_tags(
        {
            "ragft.judge": params.judge,
            "ragft.judge_identity": backend.identity,
            "ragft.estimator": params.estimator,
            "ragft.judge_served_by": "; ".join(judged.served_by)[:5000] or "in process",
            **{f"ragft.criterion_{name}": sha for name, sha in judged.criteria.items()},
        }
    )
    mlflow.log_dict({name: dataclasses.asdict(judged.summary(name)) for name in judged.rows}, "judge.json")


def _judge_metrics(judged: Judged) -> dict[str, float]:
    """Return the metrics that say how far each criterion's scores can be relied on: unread repeats, and noise."""
    found: dict[str, float] = {}
    for name in judged.rows:
        summary = judged.summary(name)
        unread = sum(count for outcome, count in summary.outcomes.items() if outcome not in ASKED_AND_READ)
        numbers = {
            "repeats_unscored": unread,
            "repeats_enough": summary.spread.repeats_enough,
            "between_questions": summary.spread.between_questions,
            "between_repeats": summary.spread.between_repeats,
            "mass": summary.mean_mass,
        }
        found |= {f"geval_{name}/{key}": float(value) for key, value in numbers.items() if value is not None}
    return found


def _fact_means(rows: Sequence[Scored]) -> dict[str, float]:
    """Return the mean of every numeric fact of the answers."""
    names = [name for name in (rows[0].facts if rows else ()) if name != "answerable"]
    means = {f"{name}_mean": sum(float(row.facts[name]) for row in rows) / len(rows) for name in names}
    return {"n_questions": float(len(rows)), **means}


def _record(row: Scored, scores: Mapping[str, Sequence[Score]], index: int) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": row.id,
        "kind": row.kind,
        "documents": " ".join(row.documents),
        "input": row.question,
        "output": row.answer,
        "expected_output": "\nor: ".join(row.references),
        "context": "\n\n".join(row.passages),
        **row.facts,
        "outcome": row.outcome,
        **row.numbers,
        **overlap(row.answer, row.references),
    }
    for name, values in scores.items():
        record |= {
            f"geval_{name}": values[index].value,
            f"geval_{name}_reason": values[index].reason,
            f"geval_{name}_unscored": values[index].n_unscored,
        }
    return record


def show(evaluations: Sequence[Evaluation], title: str, workspace: Workspace) -> None:
    """Print the metrics, one line each, with how many rows were scored and how sure the judge was."""
    workspace.say(title)
    names = sorted({name.removesuffix("/mean") for e in evaluations for name in e.metrics if name.endswith("/mean")})
    for evaluation in evaluations:
        metrics = evaluation.metrics
        workspace.say(f"  {evaluation.name}, context {evaluation.context}")
        if lost := left_out(evaluation.rows):
            workspace.say(f"    warning: only {lost} (see chunk_chars, top_k)")
        for name in names:
            if f"{name}/mean" in metrics:
                unscored = metrics[f"{name}/n_unscored"]
                tail = f", {unscored:.0f} unscored" if unscored else ""
                if enough := metrics.get(f"{name}/repeats_enough"):
                    tail += f", {enough:.0f} repeat{'s' if enough > 1 else ''} would do"
                workspace.say(
                    f"    {name:22} {metrics[f'{name}/mean']:8.3f}   n={metrics[f'{name}/n_scored']:.0f}{tail}"
                    f"{_worth(evaluation.canaries.get(name.removeprefix('geval_')))}"
                )
        for problem in evaluation.advisory:
            workspace.say(f"    the judge is advisory: {problem}")
        for each in evaluation.padding.values():
            if each.warning:
                workspace.say(f"    warning: {each.warning}")
        if all(cell in metrics for cell in ABSTENTION_CELLS):
            answered, made_up, gave_up, abstained = (f"{metrics[cell]:.0f}" for cell in ABSTENTION_CELLS)
            workspace.say(f"    {'':22} {'has answer':>12} {'has none':>12}")
            workspace.say(f"    {'answered':22} {answered:>12} {made_up:>12}")
            workspace.say(f"    {'abstained':22} {gave_up:>12} {abstained:>12}")


def _worth(canaries: CanaryResult | None) -> str:
    """Return the note on a judged mean: whether canaries fooled the judge, and how well it tells right from wrong."""
    if canaries is None:
        return ""
    auc = "unknown" if canaries.auc is None else f"{canaries.auc:.2f}"
    return f"   judge {'valid' if canaries.valid else 'NOT VALID'}, AUC {auc}"
