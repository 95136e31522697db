"""Computes one cell with the steps, in this process: an adapter, its evaluation, the comparison with its base."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from entrypoints.steps import compare, finetune
from entrypoints.steps.matrix.base_once import BaseOnce, Bases
from entrypoints.steps.matrix.cells import Cell, Identities
from entrypoints.steps.matrix.plan import kinds_of
from entrypoints.steps.matrix.work import Watched, watched
from entrypoints.steps.shared import integrity
from entrypoints.steps.shared.compared import Compared, decisive
from entrypoints.steps.shared.evaluation import LOWER_IS_BETTER, Evaluation
from entrypoints.steps.shared.primaries import values_of
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.study import findings
from ragft.analysis.study.findings import CellScores, Change, Level, SideScores, change_of
from ragft.analysis.verdict.comparison import Result
from ragft.store.working import Working
from ragft.types import DECIDING, WITHHELD, Question
from registry.versions import Version, registered_name

# What is objectively known of an answer, where the data set knows it; larger is better.
TRUTHS = ("truth_right",)
# Where no passage supports an answer.
HARMS = ("false_answer",)


class StepRunner:
    """Runs cells; keeps the evaluation of the base that the last cell was compared with."""

    def __init__(self, workspace: Workspace, identities: Identities, working: Working) -> None:
        self._workspace = workspace
        self._identities = identities
        self._bases = Bases(working, workspace)

    def run(self, cell: Cell) -> findings.CellResult:
        """Return the cell's result; its run and those of its steps are nested in the active one."""
        started = time.monotonic()
        workspace = watched(self._workspace)
        tags = {"ragft.step": "study cell", **{f"ragft.axis_{name}": value for name, value in cell.axes.items()}}
        with step_run(cell.finetune, cell.name, tags, workspace.home):
            version = self._adapter(cell, workspace)
            base = open_registry().get(f"models:/{version.name}/1")
            params = dataclasses.replace(cell.compare, model=version.uri, against=base.uri)
            turns = BaseOnce(self._bases, base, self._identities.base(cell), _asked(cell, base))
            compared = compare.run(params, workspace, turns)
            questions = _questions(self._identities, cell, compared)
        return _record(cell, compared, questions, workspace, time.monotonic() - started)

    def _adapter(self, cell: Cell, workspace: Watched) -> Version:
        """Return the adapter, found in the registry by what it was trained from, or trained."""
        training = self._identities.training(cell)
        registry = open_registry()
        name = registered_name(self._identities.dataset(cell).name, cell.finetune.base)
        found = registry.find_trained(name, training)
        if found is not None:
            return found
        trained = finetune.run(cell.finetune, workspace)
        registry.mark_trained(trained.version, training)
        tokens = 0 if trained.result.reused else trained.result.tokens
        workspace.stages.done["train"] = tokens  # its seconds hold the loss on dev too
        if "forget" in workspace.stages.done:
            workspace.stages.done["forget"] = 1
        return trained.version


def _asked(cell: Cell, base: Version) -> object:
    return base.uri, cell.compare


def _questions(identities: Identities, cell: Cell, compared: Compared) -> list[Question]:
    """Return the questions of the deciding context, in the order of its rows."""
    rows = compared.sides[compared.version.uri][DECIDING].rows
    known = {question.id: question for question in identities.dataset(cell).questions}
    return [known[row.id] for row in rows]


def _record(
    cell: Cell, compared: Compared, questions: Sequence[Question], workspace: Watched, seconds: float
) -> findings.CellResult:
    comparison, decision = compared.comparison, compared.decision
    pairs = _pairs(compared, questions)
    results = {(each.context, each.criterion): each for each in comparison.results if not each.slice}
    changes = [
        _judged(change_of(context, measure, [columns], pairs.labels, **_kind(results, context, measure)), results)
        for context, measures in pairs.scores.items()
        for measure, columns in measures.items()
    ]
    axes = {name: str(value) for name, value in cell.axes.items()}
    axes["dataset"] = compared.version.lineage.data
    stages = workspace.stages
    stages.add("rest", 1, max(0.0, seconds - sum(stages.seconds.values())))
    return findings.CellResult(
        name=cell.name,
        role=cell.role,
        axes=axes,
        outcome=decision.outcome,
        headline=decision.headline,
        because=decision.because,
        advisory=comparison.advisory,
        margin=comparison.primaries[0].margin,
        questions=comparison.questions,
        smallest={
            name: power.smallest_difference
            for name, power in comparison.power.items()
            if power.smallest_difference is not None
        },
        changes=tuple(changes),
        pairs=pairs,
        work=stages.work(kinds_of(cell)),
        seconds=seconds,
        terse=_terse(compared),
    )


def _terse(compared: Compared) -> str:
    """Return which side answers in so few words that the rule which decides may be unfair to it; "" for none."""
    deciding = decisive(compared.sides)
    found = integrity.terse_side(deciding, [each.criterion for each in compared.comparison.primaries])
    if found is None or any(each.criterion == "right" and each.decides for each in compared.comparison.corrected):
        return ""
    return "version" if found.shorter == compared.version.uri else "base"


def _kind(results: Mapping[tuple[str, str], Result], context: str, measure: str) -> dict[str, Any]:
    result = results.get((context, measure))
    if result is None:
        return {"decides": False, "sign": -1.0 if measure in LOWER_IS_BETTER else 1.0}
    return {"decides": result.primary, "sign": 1.0 if result.direction == "higher" else -1.0}


def _judged(change: Change, results: Mapping[tuple[str, str], Result]) -> Change:
    """Return the change; for a judged criterion with the interval that decides."""
    result = results.get((change.context, change.measure))
    if result is None or result.effect is None:
        return change
    return dataclasses.replace(change, gain=Level(result.effect.gain, result.bounds.low, result.bounds.high))


def _pairs(compared: Compared, questions: Sequence[Question]) -> CellScores:
    """Return the scores of both sides; a question that a context could not ask is unscored there."""
    ids = [question.id for question in questions]
    labels = cluster(questions).labels
    base, version = compared.sides[compared.against.uri], compared.sides[compared.version.uri]
    primaries = [result.criterion for result in compared.comparison.primaries]
    scores: dict[str, dict[str, SideScores]] = {}
    for context in version:
        one, other = _columns(base[context], ids, primaries), _columns(version[context], ids, primaries)
        scores[context] = {name: SideScores(one[name], other[name]) for name in other if name in one}
    return CellScores(tuple(ids), tuple(labels[each] for each in ids), scores)


def _columns(
    evaluation: Evaluation, ids: Sequence[str], primaries: Sequence[str]
) -> dict[str, tuple[float | None, ...]]:
    """Return measure -> its values in the order of ``ids``: what was judged, what a program knows, the primaries."""
    rows = {row.id: index for index, row in enumerate(evaluation.rows)}
    values: dict[str, list[float | None]] = {
        name: [score.value for score in scores] for name, scores in evaluation.scores.items()
    }
    values |= {
        name: [row.numbers.get(name) for row in evaluation.rows]
        for name in (HARMS if evaluation.context == WITHHELD else TRUTHS)
        if any(name in row.numbers for row in evaluation.rows)
    }
    for name in primaries if evaluation.context != WITHHELD else ():
        if name not in values and (found := values_of(evaluation, name)) is not None:
            values[name] = [found[row.id] for row in evaluation.rows]
    return {
        name: tuple(column[rows[each]] if each in rows else None for each in ids) for name, column in values.items()
    }
