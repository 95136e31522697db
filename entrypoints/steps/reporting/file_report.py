"""The report of a comparison of two files of answers: that of versions, without what files do not tell."""

import dataclasses
import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from entrypoints.steps.reporting import report
from entrypoints.steps.reporting.report_parts import MOST_INVENTED, asked_of, bars_of, invented_of, metrics_of, tried_of
from entrypoints.steps.shared import judges
from entrypoints.steps.shared.compared import Sides
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.primaries import measured
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.scale import Measured
from ragft.data.answer_pairs import AnswerFile
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import Criterion
from ragft.report.file_advice import FileSituation, advise
from ragft.report.page_data import Asked, Report
from ragft.store.trials import Trial
from ragft.types import AS_ANSWERED, Question
from registry.gate import Decision

PACKAGES = ("mlflow", "scipy")


@dataclass(frozen=True)
class FilesToCompare:
    """Two files of answers that are to be compared.

    Attributes:
        given: The parameters as a person gave them, for the commands that a report names.
        version: The file whose answers should replace the others.
        questions: All that either asks; the primaries may ask fewer.
        passages: How the passages of both compare, as the end of a sentence.
    """

    params: CompareParams
    given: CompareParams
    version: AnswerFile
    against: AnswerFile
    criteria: Sequence[Criterion]
    design: Design
    questions: Sequence[Question]
    passages: str

    @property
    def measures(self) -> tuple[Measured, ...]:
        """What is compared: the judged criteria, and the primaries that no judge gives."""
        return measured(self.design.primary, self.criteria)


@dataclass(frozen=True)
class ComparedFiles:
    """The verdict on a file of answers, and the run that holds it."""

    version: AnswerFile
    against: AnswerFile
    sides: Sides
    comparison: Comparison
    decision: Decision
    run_id: str


def log(task: FilesToCompare, compared: ComparedFiles, trials: Sequence[Trial], home: Path) -> Path:
    """Log the report and its figures to the active run; return the copy in the home folder."""
    return report.keep(_assemble(task, compared, trials), _place(home, compared))


def _assemble(task: FilesToCompare, compared: ComparedFiles, trials: Sequence[Trial]) -> Report:
    version, against, decision = compared.version, compared.against, compared.decision
    base, other = (compared.sides[each.uri][AS_ANSWERED] for each in (against, version))
    labels = cluster(task.questions).labels
    invented = invented_of(base, other)
    judged = [criterion for criterion in task.criteria if criterion.name in base.scores]
    return Report(
        data=data_name(task.params),
        split="answer files",
        base=against.short,
        version=version.short,
        trained="whose model and prompt the file does not name",
        left_out="",
        outcome=decision.outcome,
        title=decision.summary.title,
        three=decision.summary.lines,
        health=compared.comparison.belief,
        because=decision.because[:1].upper() + decision.because[1:],
        reasons=decision.reasons,
        would_change=decision.would_change,
        advice=advise(compared.comparison, decision.outcome, situation_of(task)),
        comparison=compared.comparison,
        bars=(bars_of(AS_ANSWERED, base, other, judged, labels),) if judged else (),
        metrics=tuple(metrics_of(base, other, task.criteria, labels, compared.comparison)),
        invented=tuple(invented[:MOST_INVENTED]),
        invented_of=len(invented),
        questions=tuple(_with_both_passages(asked_of(base, other, task), other, task)),
        scales={each.name: (min(each.worst, each.best), max(each.worst, each.best)) for each in task.measures},
        forgotten=(),
        curves=(),
        tried=tried_of(trials, version.identity),
        all_contexts="",
        source=f"all of them are in rows.json of the MLflow runs {base.run_id} and {other.run_id}",
        provenance=_provenance(task, compared),
        asks=f"Should the answers of {version.short} replace those of {against.short}?",
        alike=f"scored in the same way; {task.passages}",
    )


def data_name(params: CompareParams) -> str:
    """Return what the questions are called."""
    return params.name or "answers"


def situation_of(task: FilesToCompare) -> FileSituation:
    """Return both files and the parameters that compare them again."""
    usual = CompareParams().as_dict()
    changed = {name: str(value) for name, value in task.given.as_dict().items() if value != usual[name]}
    first = {name: changed.pop(name) for name in ("answers", "against")}
    return FileSituation(task.version.short, task.against.short, {**first, **changed})


def _with_both_passages(asked: Sequence[Asked], version: Evaluation, task: FilesToCompare) -> list[Asked]:
    """Return the questions with the passages of both sides, told apart where they are not the same."""
    shown = {row.id: row.passages for row in version.rows}
    found = []
    for each in asked:
        passages = each.passages
        if shown[each.id] != passages:
            sides = ((task.against.short, passages), (task.version.short, shown[each.id]))
            passages = tuple(f"({name}) {text}" for name, texts in sides for text in texts)
        found.append(dataclasses.replace(each, passages=passages))
    return found


def _place(home: Path, compared: ComparedFiles) -> Path:
    """Return the path of the newest report of a file against another on these questions."""
    names = [re.sub(r"[^A-Za-z0-9_.-]+", "_", each.short)[:80] for each in (compared.version, compared.against)]
    return home / "reports" / f"{names[0]}-against-{names[1]}-{compared.comparison.conditions['data'][:8]}.html"


def _provenance(task: FilesToCompare, compared: ComparedFiles) -> tuple[tuple[str, str], ...]:
    conditions = compared.comparison.conditions
    named = {
        "answers": f"{compared.version.path}, content {compared.version.identity}",
        "compared with": f"{compared.against.path}, content {compared.against.identity}",
        "questions": conditions["data"],
        "judge": f"{judges.judge_name(task.params)}, {conditions['judge']}",
        "estimator": conditions["estimator"],
        "passages": task.passages,
        "messages": conditions["messages"],
        "comparison": compared.comparison.sha256,
        "MLflow run": compared.run_id,
        "evaluation runs": ", ".join(found.run_id for side in compared.sides.values() for found in side.values()),
        "statistics": ", ".join(f"{k} {v}" for k, v in dataclasses.asdict(compared.comparison.design).items()),
        "software": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return tuple(named.items())
