"""Evaluate: retrieve, generate, judge; each context is a run with the same metrics."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mlflow

from entrypoints.steps import prepare
from entrypoints.steps.knowledge import forgetting
from entrypoints.steps.shared import judges, scoring
from entrypoints.steps.shared.judges import Judge
from entrypoints.steps.shared.model_under_test import (
    BASE,
    Subject,
    base_lineage,
    find_version,
    load_subject,
    register_base,
    served_as,
    settle,
)
from entrypoints.steps.shared.retrieved import RetrievedSplit, retrieve
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.scoring import Evaluation, Scored
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.data.answers import AnswerRow, read_answers
from ragft.data.splits import nested_subset
from ragft.errors import DataError
from ragft.models.answering import answer_questions
from ragft.params import SERVED, EvaluateParams
from ragft.pocket.truth import truth_metrics
from ragft.prompts.answer import AnswerPrompt, load_answer_prompt
from ragft.prompts.criterion import Criterion, load_criteria
from ragft.store.datasets import Preparation
from ragft.types import Answer, Context, Passage, Question, Split, digest


def run(params: EvaluateParams, workspace: Workspace) -> list[Evaluation]:
    """Return one evaluation per context, each logged as a run; several runs are nested in one.

    Raises:
        ConfigError: If a parameter cannot be used.
        PrerequisiteError: If the data, the base or the version is not there, or the adapter does nothing.
        DataError: If a file cannot be read, or no question is left.
    """
    criteria = load_criteria(params.criteria)
    prompt = load_answer_prompt(params.prompt)
    if params.answers:
        return [_evaluate_file(params, criteria, workspace)]
    found_version, chosen = find_version(params), params.context
    params = settle(params, found_version)
    version = None if found_version is None or found_version.lineage.kind == "base" else found_version
    tags: dict[str, Any] = {"ragft.step": "evaluate", "ragft.prompt_sha256": prompt.sha256}
    with ExitStack() as stack, step_run(params, f"{params.data_name}|evaluate", tags, workspace.home):
        if not chosen:
            workspace.say(f"contexts: {', '.join(params.contexts())} (the usual ones of {params.base})")
        preparation = prepare.ensure(params, workspace)
        params = prepare.only_available(params, preparation, workspace)
        split: Split = params.split  # type: ignore[assignment]  # checked by the params
        questions = _chosen(preparation, split, params)
        found = retrieve(preparation, split, questions, params.embedder, params.top_k, workspace)
        subject = load_subject(params, version, workspace, stack)
        if version is None and subject.loaded is not None:
            base = register_base(subject.loaded, params, preparation, workspace)
            subject = dataclasses.replace(subject, registered=base)
        answered = {}
        for context in params.contexts():
            answered[context] = _answer(context, found, subject, params, prompt, workspace)  # type: ignore[arg-type]
        judge = judges.open_judge(params, subject.loaded, workspace, stack)
        judging = judge, judges.with_judges_steps(criteria, judge, workspace)
        judges.warn_of_family(params, {subject.variant: subject.base}, workspace)
        tags |= _tags(subject, params, preparation)
        name = tracking.run_name(preparation.name, subject.samples, subject.variant)
        evaluations = [
            _with_serving(each, subject, params, preparation)
            for each in _scored(answered, found, preparation, judging, params, (name, tags), workspace)
        ]
        title = f"{subject.title} on {len(questions)} questions of {preparation.name} {split}"
        scoring.show(evaluations, title, workspace)
        if version is not None:
            mlflow.log_metrics(forgetting.metrics_of(version))
            for line in forgetting.lines_of(version):
                workspace.say(f"  {line}")
    return evaluations


def _scored(
    answered: Mapping[str, tuple[Mapping[str, Sequence[Passage]], Mapping[str, Answer]]],
    found: RetrievedSplit,
    preparation: Preparation,
    judging: tuple[Judge | None, Sequence[Criterion]],
    params: EvaluateParams,
    named: tuple[str, Mapping[str, Any]],
    workspace: Workspace,
) -> list[Evaluation]:
    """Return the evaluation of each context's passages and answers, each logged to its run (name and tags)."""
    (judge, criteria), (name, tags) = judging, named
    calibrations = judges.known_calibrations(workspace.store, judge, criteria, params, preparation.dataset)
    evaluations = []
    for context, (passages, answers) in answered.items():
        rows = _rows(found.questions, passages, answers, found, params.top_k)
        with _context_run(params, name, context, {**tags, "ragft.context": context}, workspace):
            tracking.log_data(preparation.name, preparation.dataset, params.split, found.questions)
            evaluation = scoring.score(rows, criteria, judge, params, workspace)
        evaluations.append(
            dataclasses.replace(
                evaluation,
                name=name,
                context=context,
                conditions={**evaluation.conditions, **_conditions(preparation, params, answers)},
                data_sha256=preparation.dataset,
                calibrations=calibrations,
            )
        )
    return evaluations


def _with_serving(
    evaluation: Evaluation, subject: Subject, params: EvaluateParams, preparation: Preparation
) -> Evaluation:
    """Return the evaluation with how its answers were made; of a model behind a server that is not known."""
    if subject.loaded is None:
        return evaluation
    made = served_as(params, params, evaluation.context, preparation, subject.loaded)
    return dataclasses.replace(evaluation, served_as=made, collection=preparation.collections[params.split])


def _context_run(params: EvaluateParams, name: str, context: str, tags: Mapping[str, Any], workspace: Workspace) -> Any:  # noqa: ANN401
    """Return the step's own run where there is one context, a nested one where there are several."""
    if len(params.contexts()) == 1:
        return tracking.named(name, tags)
    return step_run(dataclasses.replace(params, context=context), f"{name}|{context}", tags, workspace.home)


def _chosen(preparation: Preparation, split: Split, params: EvaluateParams) -> Sequence[Question]:
    questions = preparation.splits[split]
    if not questions:
        there = ", ".join(f"{name} {len(found)}" for name, found in preparation.splits.items())
        raise DataError(
            f"the split {split} of {preparation.name} has no questions (it has {there}): choose another split"
        )
    return nested_subset(questions, params.questions, seed=0) if params.questions else questions


def _answer(
    context: Context,
    found: RetrievedSplit,
    subject: Subject,
    params: EvaluateParams,
    prompt: AnswerPrompt,
    workspace: Workspace,
) -> tuple[Mapping[str, Sequence[Passage]], Mapping[str, Answer]]:
    passages = found.context(context)
    questions = [question for question in found.questions if question.id in passages]
    with workspace.progress(f"answer ({context})") as line:
        answers = answer_questions(
            workspace.store,
            subject.writer(params.context_window),
            prompt,
            questions,
            passages,
            max_new_tokens=params.max_new_tokens,
            golden=found.kept_longest(context),
            on_progress=line.tell,
        )
    return passages, {answer.question_id: answer for answer in answers}


def _rows(
    questions: Sequence[Question],
    passages: Mapping[str, Sequence[Passage]],
    answers: Mapping[str, Answer],
    found: RetrievedSplit,
    k: int,
) -> list[Scored]:
    """Return the rows to be scored: a question whose context is not available is not a row."""
    retrieval = found.row_metrics(k)
    return [
        Scored(
            id=question.id,
            question=question.text,
            answer=answers[question.id].text,
            references=question.references,
            passages=tuple(p.text for p in passages[question.id] if p.id in answers[question.id].passages),
            documents=question.documents,
            kind=question.kind,
            facts={
                "answerable": question.answerable,
                "prompt_tokens": answers[question.id].written.prompt_tokens,
                "answer_tokens": answers[question.id].written.tokens,
                "cut": answers[question.id].written.cut,
                "dropped_passages": answers[question.id].dropped_passages,
                "dropped_gold": found.gold_left_out(question, passages[question.id], answers[question.id]),
            },
            numbers={
                **{name: values[question.id] for name, values in retrieval.items()},
                **truth_metrics(question, answers[question.id].text),
            },
        )
        for question in questions
        if question.id in answers
    ]


def _conditions(preparation: Preparation, params: EvaluateParams, answers: Mapping[str, Answer]) -> dict[str, str]:
    """Return what was asked of what, beside the judge: the other side of a comparison must have the same."""
    return {
        "data": f"{preparation.dataset} seed {preparation.settings['data_seed']} {params.split}",
        "retrieval": digest([preparation.collections[params.split], params.top_k]),
        "messages": digest(sorted((question, answer.prompt) for question, answer in answers.items())),
    }


def _tags(subject: Subject, params: EvaluateParams, preparation: Preparation) -> dict[str, Any]:
    return {
        **_lineage_tags(subject, params, preparation),
        "ragft.split": params.split,
        "ragft.top_k": params.top_k,
        "ragft.estimator": params.estimator,
        "ragft.collection": preparation.collections[params.split],
    }


def _lineage_tags(subject: Subject, params: EvaluateParams, preparation: Preparation) -> dict[str, str]:
    """Return what made the model; of a served one only its name and address are known."""
    if subject.version is not None:
        return {**subject.version.lineage.tags(), "ragft.model": subject.version.uri}
    if subject.loaded is not None:
        return {**base_lineage(subject.loaded, preparation).tags(), "ragft.model": BASE}
    served = {"kind": SERVED, "base": subject.base, "samples": "0", "model_url": params.model_url}
    return {**{f"ragft.{name}": value for name, value in served.items()}, "ragft.model": subject.base}


def _evaluate_file(params: EvaluateParams, criteria: Sequence[Criterion], workspace: Workspace) -> Evaluation:
    """Score answers that another system gave."""
    path = Path(params.answers)
    answers = read_answers(path)
    name = tracking.run_name(path.stem, 0, "answers")
    settled = settle(params, None)
    tags = {"ragft.step": "evaluate", "ragft.model": "answers"}
    with ExitStack() as stack, step_run(params, name, tags, workspace.home):
        judge = judges.open_judge(settled, None, workspace, stack)
        criteria = judges.with_judges_steps(criteria, judge, workspace)
        rows = [_row_of_file(answer) for answer in answers]
        evaluation = dataclasses.replace(
            scoring.score(rows, criteria, judge, settled, workspace),
            name=name,
            context="as answered",
            data_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        scoring.show([evaluation], f"{len(rows)} answers of {path}", workspace)
    return evaluation


def _row_of_file(answer: AnswerRow) -> Scored:
    return Scored(
        id=answer.id,
        question=answer.input,
        answer=answer.output,
        references=answer.expected_output,
        passages=answer.context,
        documents=answer.documents,
    )
