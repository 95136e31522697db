"""What an adapter forgot: it and its base are asked, without passages, about what it was not trained on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from entrypoints.steps.shared.guards import Remembered
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.knowledge.forgetting import Lost, compare_answers, sentences
from ragft.analysis.statistics.clusters import cluster
from ragft.data.splits import nested_subset
from ragft.errors import PrerequisiteError
from ragft.judging.closed_book import score
from ragft.models.answering import answer_questions
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, adapter_off
from ragft.params.training import FinetuneParams
from ragft.params.values import POCKET
from ragft.pocket.general import known_facts, unknown_products
from ragft.prompts.answer import load_answer_prompt
from ragft.store.datasets import Preparation, find_preparation, prepared_names
from ragft.types import Question
from registry.versions import Version

MOST_QUESTIONS = 200
MOST_NEW_TOKENS = 64
PREFIX = "forgetting_"
ANSWERS = "forgetting.json"
INVENTED = "unknown_refused"


@dataclass(frozen=True)
class GeneralProbe:
    """Questions that show what was lost, and a description of their score."""

    name: str
    measure: str
    questions: tuple[Question, ...]


def measure(
    adapted: LoadedModel,
    params: FinetuneParams,
    preparation: Preparation,
    parent: Version | None,
    workspace: Workspace,
) -> list[Lost]:
    """Return what the adapter lost on each probe, logged to the active run; the base is only ever asked once.

    Raises:
        PrerequisiteError: If ``general`` names data that were not prepared here.
    """
    found, answers = [], {}
    for probe in _probes(params, preparation, parent, workspace):
        if not probe.questions:
            continue
        with adapter_off(adapted) as base:
            before = _scores(base, probe.questions, workspace)
        after = _scores(adapted, probe.questions, workspace)
        both = [question for question in probe.questions if question.id in before and question.id in after]
        found.append(compare_answers(probe.name, probe.measure, both, before, after))
        answers[probe.name] = {
            "base": {question.id: before[question.id] for question in both},
            "adapter": {question.id: after[question.id] for question in both},
            "clusters": dict(cluster(both).labels),
        }
    mlflow.log_dict(answers, ANSWERS)
    for lost in found:
        mlflow.log_metrics(lost.metrics)
        workspace.say(f"  {lost.sentence}")
    return found


def remembered(version: Version, against: Version) -> Remembered:
    """Return what a version and what it is compared against know of what the version was not trained on.

    Of the probes those count whose answers are right or wrong; refusing to invent is not knowledge.
    """
    answers = [_answers(each) for each in (version, against)]
    if answers[0] is None:
        return Remembered(unmeasured=f"the run that trained {version.uri} did not keep its answers")
    side = "base" if against.lineage.kind == "base" else "adapter"
    beside = answers[0] if side == "base" else answers[1]
    if beside is None:
        return Remembered(unmeasured=f"the run that trained {against.uri} did not keep its answers")
    base: dict[str, bool] = {}
    adapted: dict[str, bool] = {}
    clusters: dict[str, str] = {}
    for probe, found in answers[0].items():
        one, other = beside.get(probe, {}).get(side, {}), found["adapter"]
        if probe == INVENTED or not {*one.values(), *other.values()} <= {0.0, 1.0}:
            continue
        for question in one.keys() & other.keys():
            name = f"{probe} {question}"
            base[name], adapted[name] = bool(one[question]), bool(other[question])
            clusters[name] = f"{probe} {found['clusters'][question]}"
    if not base:
        return Remembered(unmeasured="no other data were named to measure it on (finetune -P general=...)")
    return Remembered(base, adapted, clusters)


def _answers(version: Version) -> dict[str, dict[str, dict[str, Any]]] | None:
    """Return probe -> side -> question id -> score, as the training run kept it; None where it did not."""
    if version.lineage.kind == "base" or not version.run_id:
        return {}
    try:
        found: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/{ANSWERS}")
    except (MlflowException, OSError):
        return None
    return found


def lines_of(version: Version) -> list[str]:
    """Return a line for each probe that was measured when the adapter was trained; none for a base."""
    return sentences(metrics_of(version))


def tell(version: Version, workspace: Workspace, lead: str) -> None:
    """Log those metrics to the active run too, and say a line for each probe, begun with ``lead``."""
    metrics = metrics_of(version)
    mlflow.log_metrics(metrics)
    for line in sentences(metrics):
        workspace.say(f"{lead}{line}")


def metrics_of(version: Version) -> dict[str, float]:
    """Return the metrics of those probes; none where the run of the training was deleted for good."""
    if version.lineage.kind == "base" or not version.run_id:
        return {}
    try:
        metrics = MlflowClient().get_run(version.run_id).data.metrics
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return {}
    return {name: value for name, value in metrics.items() if name.startswith(PREFIX)}


def _probes(
    params: FinetuneParams, preparation: Preparation, parent: Version | None, workspace: Workspace
) -> list[GeneralProbe]:
    found = []
    if params.base == POCKET:
        # Dev is looked at and not learnt from; without its products too few are left to rule a loss out.
        trained = {document for question in preparation.splits["train"] for document in question.documents}
        found.append(GeneralProbe("known_facts", "share of facts right", known_facts(trained)))
        found.append(GeneralProbe(INVENTED, "share refused", unknown_products(trained)))
    others = [params.general] if params.general else []
    if parent is not None and parent.lineage.data != preparation.name:
        others.append(parent.lineage.data)
    return [*found, *(_of_data(name, preparation, workspace) for name in dict.fromkeys(others))]


def _of_data(name: str, preparation: Preparation, workspace: Workspace) -> GeneralProbe:
    other = find_preparation(workspace.store, name)
    if other is None:
        known = ", ".join(prepared_names(workspace.store))
        raise PrerequisiteError(
            f"what is forgotten should be measured on {name}, which was not prepared here (prepared: {known}): prepare "
            "it first"
        )
    if other.dataset == preparation.dataset:
        raise PrerequisiteError(f"what is forgotten cannot be measured on {name}, which is trained on: name other data")
    questions: Sequence[Question] = other.splits["test"]
    chosen = nested_subset(questions, min(MOST_QUESTIONS, len(questions)), seed=0)
    return GeneralProbe(re.sub(r"\W+", "_", name), "right, or answer F1", chosen)


def _scores(model: LoadedModel, questions: Sequence[Question], workspace: Workspace) -> dict[str, float]:
    with workspace.progress("forget") as line:
        answers = answer_questions(
            workspace.store,
            Generator(model),
            load_answer_prompt(),
            questions,
            {question.id: () for question in questions},
            max_new_tokens=MOST_NEW_TOKENS,
            on_progress=line.tell,
        )
    asked = {question.id: question for question in questions}
    return {answer.question_id: score(asked[answer.question_id], answer.text) for answer in answers}
