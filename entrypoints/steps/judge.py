"""Judge: a blind sheet for people, and how far a judge agrees with what they wrote."""

import dataclasses
import hashlib
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from pathlib import Path

import mlflow

from entrypoints.steps import evaluate
from entrypoints.steps.reporting import agreements
from entrypoints.steps.reporting.agreements import Found, Rated
from entrypoints.steps.shared import judges, scoring, traces
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.kept_labels import keep_labels, keep_table
from entrypoints.steps.shared.model_under_test import find_version, settle
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.sources import read_dataset
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, DataError
from ragft.judging.agreement import Agreement, compare, compare_estimators, mean_of_people, oriented
from ragft.judging.calibration import Calibration, calibrate
from ragft.judging.labels import item_key, labels_of
from ragft.judging.ratings import Columns, RatedTable, read_table
from ragft.judging.sheet import is_sheet, read_sheets, row_id, write_sheet
from ragft.lists import entries, first_of
from ragft.params.scoring import EvaluateParams, JudgeParams
from ragft.params.values import NO_JUDGE, SERVED
from ragft.prompts.criterion import Criterion, load_criteria
from ragft.store.calibrations import save_calibration
from ragft.types import WITHHELD

GIVEN_SCORES = "the scores in the table"


def run(params: JudgeParams, workspace: Workspace) -> dict[str, tuple[Agreement, Calibration]]:
    """Write the sheet, or compare estimators, or return criterion -> agreement with people and what follows from it.

    Raises:
        ConfigError: If a parameter or a column cannot be used.
        DataError: If people's numbers cannot be read, or do not belong to any answer.
    """
    criteria = load_criteria(params.criteria)
    paths = [Path(path) for path in entries(params.ratings)]
    with step_run(params, f"{params.data_name or 'judge'}|judge", {"ragft.step": "judge"}, workspace.home):
        if params.estimators:
            _compare_estimators(params, criteria, workspace)
            return {}
        if not paths:
            _write(params, criteria, workspace)
            return {}
        work = _from_sheets if all(is_sheet(path) for path in paths) else _from_table
        found = work(params, paths, criteria, workspace)
        results = {each.criterion.name: _measure(each, found) for each in found.rated}
        agreements.log(params, found, results)
        if found.identity:
            _keep(params, found, results, workspace)
        agreements.tell(found, results, workspace)
    return results


def _evaluations(params: JudgeParams, workspace: Workspace, **changes: str) -> list[Evaluation]:
    """Return the evaluations whose answers are rated; what was computed before is not computed again.

    Where the answer is withheld nothing is rated, so nothing is asked there: the right reply is to abstain, and a rule
    says whether it does.

    Raises:
        ConfigError: If answers are asked for only where passages are withheld.
    """
    found = []
    for model in params.models():
        served = {} if model == SERVED else {"model_url": "", "served_model": ""}
        asked = params.pick(EvaluateParams, model=model, **served, **changes)
        contexts = [each for each in settle(asked, find_version(asked)).contexts() if each != WITHHELD]
        if not contexts:
            raise ConfigError(
                f"context is {params.context}: answers to passages that cannot answer are not rated, a rule says which "
                "abstain; add another context, such as retrieved"
            )
        found += evaluate.run(dataclasses.replace(asked, context=",".join(contexts)), workspace)
    return found


def _compare_estimators(params: JudgeParams, criteria: Sequence[Criterion], workspace: Workspace) -> None:
    """Say and log how far two estimators agree on the same answers, criterion by criterion."""
    names = entries(params.estimators)
    first, second = (_evaluations(params, workspace, estimator=name) for name in names)
    found = {}
    for criterion in criteria:
        values = [
            [score.value for evaluation in side for score in evaluation.scores.get(criterion.name, ())]
            for side in (first, second)
        ]
        agreed = found[criterion.name] = compare_estimators(criterion, *values)
        numbers = {name: value for name, value in dataclasses.asdict(agreed).items() if value is not None}
        mlflow.log_metrics({f"estimators_{criterion.name}/{name}": float(value) for name, value in numbers.items()})
        spearman, difference = (
            "-" if number is None else f"{number:+.3f}" for number in (agreed.spearman, agreed.mean_difference)
        )
        workspace.say(
            f"  {criterion.name}: {names[1]} beside {names[0]} on {agreed.n} answers: Spearman {spearman}, mean "
            f"difference {difference}, {agreed.n_far} differ by more than {criterion.range / 4:g}"
        )
    mlflow.log_dict({name: dataclasses.asdict(agreed) for name, agreed in found.items()}, "estimators.json")


def _write(params: JudgeParams, criteria: Sequence[Criterion], workspace: Workspace) -> None:
    evaluations = _evaluations(params, workspace, judge=NO_JUDGE, judge_url="")
    items = [scoring.item_of(row) for evaluation in evaluations for row in evaluation.rows]
    name = "".join(sign if sign.isalnum() else "_" for sign in evaluations[0].name)
    path = Path(params.sheet) if params.sheet else workspace.home / "sheets" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = write_sheet(path, items, criteria, workspace.store.secret, most=params.rows)
    mlflow.log_artifact(str(path))
    mlflow.log_metric("sheet_rows", rows)
    workspace.say(f"wrote {path}: {rows} answers, shuffled, without side or score.")
    workspace.say("Give each person a copy; then the same command with -P ratings=one.csv,two.csv")


def _from_sheets(
    params: JudgeParams, paths: Sequence[Path], criteria: Sequence[Criterion], workspace: Workspace
) -> Found:
    """Return what people wrote on our sheets, joined with the judge's scores of the same answers."""
    ratings = read_sheets(paths, criteria)
    evaluations = _evaluations(params, workspace)
    judged_by, data = evaluations[0].judged_by, evaluations[0].data_sha256
    if judged_by is None:
        raise ConfigError(f"judge is {params.judge}: name the judge that the ratings are held against")
    complete = {criterion.name: criterion for criterion in judged_by.criteria}
    secret = workspace.store.secret
    places = {
        row_id(secret, scoring.item_of(row)): (evaluation, index)
        for evaluation in reversed(evaluations)
        for index, row in enumerate(evaluation.rows)
    }
    source = ", ".join(path.name for path in paths)
    rated = []
    for criterion in criteria:
        given = ratings.numbers[criterion.name]
        keys = [key for key in given if key in places]
        if given and not keys:
            raise DataError(
                f"none of the {len(given)} rated rows is among these {len(places)} answers: give the parameters, and "
                "the RAGFT_HOME or database, with which the sheet was written"
            )
        if lost := [key for key in given if key not in places]:
            workspace.alert(
                f"warning: {len(lost)} of {len(given)} rated rows are not among these answers and are left out: "
                f"{first_of(lost)}"
            )
        if keys:
            rows = [places[key] for key in keys]
            keep_labels(
                labels_of(
                    criterion,
                    [item_key(scoring.item_of(evaluation.rows[index])) for evaluation, index in rows],
                    list(zip(*(given[key] for key in keys), strict=True)),
                    ratings.annotators,
                    source,
                ),
                workspace,
            )
            rated.append(
                Rated(
                    complete[criterion.name],
                    [evaluation.scores[criterion.name][index].value for evaluation, index in rows],
                    list(zip(*(given[key] for key in keys), strict=True)),
                    [evaluation.rows[index].documents or evaluation.rows[index].question for evaluation, index in rows],
                    [len(evaluation.rows[index].answer.split()) for evaluation, index in rows],
                )
            )
    if not rated:
        raise DataError(f"{', '.join(map(str, paths))} hold no rating: fill in the columns of the criteria")
    traces.add_labels(evaluations, ratings, params, workspace)
    return Found(rated, ratings.annotators, judged_by.identity, judged_by.name, data, source)


def _from_table(
    params: JudgeParams, paths: Sequence[Path], criteria: Sequence[Criterion], workspace: Workspace
) -> Found:
    """Return what people wrote in any table, with the scores that it holds or with the judge's, who is asked now."""
    if len(paths) > 1 or len(criteria) > 1:
        raise ConfigError(
            f"ratings is {params.ratings} and criteria {params.criteria}: files that are not sheets of ours are read "
            "one at a time, under one criterion, such as -P criteria=accuracy"
        )
    (path,), (criterion,) = paths, criteria
    columns = Columns(
        params.human_columns,
        params.score_column,
        params.question_column,
        params.answer_column,
        params.reference_column,
        params.passages_column,
        params.group_column,
    )
    table = read_table(path, columns, criterion)
    settled = settle(params, None)
    data = read_dataset(settled, workspace).sha256 if params.dataset else _sha256(path)
    identity, name, scores = "", GIVEN_SCORES, table.scores
    kept = keep_table(path, criterion, table, workspace)
    if kept and scores is None and params.judge == NO_JUDGE:
        return Found([], table.annotators, "", NO_JUDGE, data, path.name)
    if scores is None:
        with ExitStack() as stack:
            judge = judges.open_judge(settled, None, workspace, stack)
            if table.items is None or judge is None:
                raise ConfigError(
                    f"{path} is to be judged, which needs a judge (it is {params.judge}) and columns of questions and "
                    "answers (-P question_column=... -P answer_column=...); or give -P score_column=..."
                )
            (criterion,) = judges.with_judges_steps(criteria, judge, workspace)
            judged = scoring.judge_items(table.items, [criterion], judge, settled, workspace)
            scores = tuple(score.value for score in judged.scores[criterion.name])
            identity, name = judge.identity, judges.judge_name(settled)
    rated = Rated(criterion, scores, table.people, table.groups or _own_groups(table), table.words)
    return Found([rated], table.annotators, identity, name, data, path.name)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _own_groups(table: RatedTable) -> Sequence[Hashable]:
    """Return the questions as groups, or each row as its own group where there are no questions."""
    return [item.question for item in table.items] if table.items else range(len(table.people[0]))


def _measure(rated: Rated, found: Found) -> tuple[Agreement, Calibration]:
    agreement = compare(rated.criterion, rated.judge, rated.people, groups=rated.groups, words=rated.words)
    calibration = calibrate(
        rated.criterion.name,
        oriented(rated.criterion, rated.judge, agreement.scale),
        mean_of_people(rated.people),
        rated.groups,
        f"{found.source}: {', '.join(found.annotators)}",
    )
    return agreement, calibration


def _keep(
    params: JudgeParams, found: Found, results: dict[str, tuple[Agreement, Calibration]], workspace: Workspace
) -> None:
    """Write the calibrations where `compare` looks for them."""
    for rated in found.rated:
        _, calibration = results[rated.criterion.name]
        save_calibration(
            workspace.store,
            calibration.as_record(),
            judge=found.identity,
            criterion=rated.criterion.sha256,
            estimator=params.estimator_name,
            data=found.data,
        )
