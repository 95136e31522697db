"""Evaluate a file: answers that another system gave, scored as they are."""

import dataclasses
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from entrypoints.steps.shared import judges, scoring, traces
from entrypoints.steps.shared.answer_files import scored
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.model_under_test import settle
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.data.answers import read_answers
from ragft.params.scoring import EvaluateParams
from ragft.prompts.criterion import Criterion
from ragft.types import AS_ANSWERED


def run(params: EvaluateParams, criteria: Sequence[Criterion], workspace: Workspace) -> Evaluation:
    """Return the evaluation of the answers in the file that ``params.answers`` names, logged as a run.

    Raises:
        ConfigError: If a parameter cannot be used.
        DataError: If the file cannot be read, or holds no answer.
    """
    path = Path(params.answers)
    answers = read_answers(path)
    name = tracking.run_name(path.stem, 0, "answers")
    settled = settle(params, None)
    tags = {"ragft.step": "evaluate", "ragft.model": "answers"}
    with ExitStack() as stack, step_run(params, name, tags, workspace.home):
        judge = judges.open_judge(settled, None, workspace, stack)
        criteria = judges.with_judges_steps(criteria, judge, workspace)
        rows = [scored(answer) for answer in answers]
        evaluation = dataclasses.replace(
            scoring.score(rows, criteria, judge, settled, workspace),
            name=name,
            context=AS_ANSWERED,
            data_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            model=path.stem,
        )
        traces.write(evaluation, settled, workspace)
        scoring.show([evaluation], f"{len(rows)} answers of {path}", workspace)
    return evaluation
