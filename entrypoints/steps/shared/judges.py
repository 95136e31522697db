"""The judge of an evaluation: it is opened, its criteria are completed, and what is known of its quality is found."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

import mlflow

from entrypoints.steps.shared.endpoints import open_endpoint
from entrypoints.steps.shared.engines import describe, open_engine, serve_base
from entrypoints.steps.shared.model_under_test import BASE, Subject
from entrypoints.steps.shared.weights import load_base_model
from entrypoints.steps.shared.workspace import Workspace
from ragft.judging.backend import JudgeBackend, LocalJudge
from ragft.judging.calibration import Calibration
from ragft.judging.family import family_warning
from ragft.judging.served import ServedJudge
from ragft.judging.steps import StepsWriter, with_steps
from ragft.models.generation import Generator
from ragft.models.loading import without_adapter
from ragft.models.vllm.model import VllmModel
from ragft.params.scoring import ScoringParams
from ragft.params.values import NO_JUDGE, VLLM
from ragft.prompts.criterion import Criterion
from ragft.store.calibrations import find_calibrations
from ragft.store.connection import Store


class Judge(JudgeBackend, StepsWriter, Protocol):
    """A backend that can write evaluation steps too."""


def open_judge(params: ScoringParams, subject: Subject | None, workspace: Workspace, stack: ExitStack) -> Judge | None:
    """Return the judge, or None when none is wanted; the subject's own base serves without its adapter.

    Where a server holds the base, it judges there; OpenVINO judges nothing, so the base does that in this process.

    A served judge stays open as long as ``stack``.
    """
    if params.judge == NO_JUDGE:
        return None
    if params.judge_url:
        endpoint = open_endpoint(params.judge_url, params.judge, "judge", params, workspace, stack)
        return ServedJudge(endpoint, max_new_tokens=params.judge_max_new_tokens, top_logprobs=params.top_logprobs)
    if params.judge == BASE and params.engine == VLLM:
        engine = subject.engine if subject is not None else None
        judging = engine.base if isinstance(engine, VllmModel) else _base_on_engine(params, workspace, stack)
        return LocalJudge(judging, max_new_tokens=params.judge_max_new_tokens)
    held = subject.loaded if subject is not None else None
    if params.judge == BASE and held is not None and held.quantization == "none":
        loaded = without_adapter(held)
    elif params.judge == BASE:
        loaded = load_base_model(params.base, params.revision, "none", params.dtype)
    else:
        loaded = load_base_model(params.judge, "", "none")
    return LocalJudge(Generator(loaded), max_new_tokens=params.judge_max_new_tokens)


def _base_on_engine(params: ScoringParams, workspace: Workspace, stack: ExitStack) -> VllmModel:
    """Return the base that a server holds, where it judges answers that were made elsewhere."""
    described = describe(params.base, params.revision, params.dtype)
    return serve_base(open_engine(params, workspace, stack), described, None, workspace)


def judge_name(params: ScoringParams, base: str = "") -> str:
    """Return the name of the judge's model; ``base`` is the base where the parameters do not name it."""
    return (base or params.base) if params.judge == BASE else params.judge


def with_judges_steps(criteria: Sequence[Criterion], judge: Judge | None, workspace: Workspace) -> list[Criterion]:
    """Return the criteria with evaluation steps: those without get the judge's own, written once for the store.

    Raises:
        JudgeError: If the judge writes no list of steps.
    """
    if judge is None:
        return list(criteria)
    found = [with_steps(workspace.store, judge, criterion) for criterion in criteria]
    for before, after in zip(criteria, found, strict=True):
        if not before.steps:
            workspace.say(f"{after.name}: graded by {len(after.steps)} steps of the judge's own, {after.sha256[:12]}")
    return found


def log_criteria(criteria: Sequence[Criterion]) -> None:
    """Log each criterion as the judge reads it, steps included, with its hash."""
    mlflow.log_dict({c.name: {"sha256": c.sha256, "text": c.render()} for c in criteria}, "criteria.json")


def warn_of_family(params: ScoringParams, candidates: Mapping[str, str], workspace: Workspace) -> None:
    """Say and log what it means if the judge belongs to the family of a model it judges (side -> model name)."""
    if params.judge == NO_JUDGE:
        return
    warning = family_warning(judge_name(params), dict(candidates))
    mlflow.set_tag("ragft.judge_family", warning or "no side is of the judge's family")
    if warning:
        workspace.say(f"note: {warning}")


def known_calibrations(
    store: Store, judge: Judge | None, criteria: Sequence[Criterion], params: ScoringParams, data: str
) -> dict[str, Calibration]:
    """Return criterion -> how this judge and estimator compare with people on the data (its sha256), where known."""
    if judge is None:
        return {}
    kept = find_calibrations(store, judge=judge.identity, estimator=params.estimator_name, data=data)
    return {c.name: Calibration.of_record(kept[c.sha256]) for c in criteria if c.sha256 in kept}
