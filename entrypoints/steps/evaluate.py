"""Evaluate: retrieve, generate, judge; each context is a run with the same metrics."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from entrypoints.steps import prepare, scoring
from entrypoints.steps.retrieved import RetrievedSplit, retrieve
from entrypoints.steps.runs import step_run
from entrypoints.steps.scoring import Evaluation, Scored
from entrypoints.steps.subjects import BASE, Subject, base_lineage, find_version, load_subject, register_base, settle
from entrypoints.steps.workspace import Workspace
from ragft import tracking
from ragft.data.answers import AnswerRow, read_answers
from ragft.data.splits import nested_subset
from ragft.errors import DataError
from ragft.models.answering import answer_questions
from ragft.models.generation import Generator
from ragft.params import EvaluateParams
from ragft.pocket.truth import truth_metrics
from ragft.prompts.answer import AnswerPrompt, load_answer_prompt
from ragft.prompts.criterion import Criterion, load_criterion
from ragft.store.datasets import Preparation
from ragft.types import Answer, Context, Passage, Question, Split, digest


def run(params: EvaluateParams, workspace: Workspace) -> list[Evaluation]:
    """Return an evaluation a context, each logged as a run; with several, nested in one.

    Raises:
        ConfigError: If a parameter cannot be used.
        PrerequisiteError: If the data, the base or the version is not there, or the adapter does nothing.
        DataError: If a file cannot be read, or no question is left.
    """
    criteria = [load_criterion(name.strip()) for name in params.criteria.split(",") if name.strip()]
    prompt = load_answer_prompt(params.prompt)
    if params.answers:
        return [_evaluate_file(params, criteria, workspace)]
    version = find_version(params)
    params = settle(params, version)
    with step_run(params, f"{params.dataset}|evaluate", {"ragft.step": "evaluate"}, workspace.home):
        preparation = prepare.ensure(params, workspace)
        split: Split = params.split  # type: ignore[assignment]  # checked by the params
        questions = _chosen(preparation, split, params)
        found = retrieve(preparation, split, questions, params.embedder, params.top_k, workspace)
        subject = load_subject(params, version)
        base_version = register_base(subject.loaded, params, preparation, workspace) if version is None else None
        tags = _tags(subject, params, preparation) | {"ragft.prompt_sha256": prompt.sha256}
        answered = {}
        for context in params.contexts():
            answered[context] = _answer(context, found, subject, params, prompt, workspace)  # type: ignore[arg-type]
        judge = scoring.open_judge(params, subject.loaded)
        evaluations = []
        for context, (passages, answers) in answered.items():
            rows = _rows(questions, passages, answers, found, params.top_k)
            name = tracking.run_name(preparation.name, subject.samples, subject.variant)
            with _context_run(params, name, context, {**tags, "ragft.context": context}, workspace):
                tracking.log_data(preparation.name, preparation.dataset, split, questions)
                evaluation = scoring.score(rows, criteria, judge, params, workspace)
                conditions = {**evaluation.conditions, **_conditions(preparation, params, answers)}
                evaluations.append(dataclasses.replace(evaluation, name=name, context=context, conditions=conditions))
        uri = version.uri if version else base_version.uri if base_version else ""
        scoring.show(evaluations, f"{uri} on {len(questions)} questions of {preparation.name} {split}", workspace)
    return evaluations


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
            Generator(subject.loaded),
            prompt,
            questions,
            passages,
            max_new_tokens=params.max_new_tokens,
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
            passages=tuple(p.text for p in passages[question.id][: len(answers[question.id].passages)]),
            documents=question.documents,
            kind=question.kind,
            facts={
                "answerable": question.answerable,
                "prompt_tokens": answers[question.id].prompt_tokens,
                "answer_tokens": answers[question.id].tokens,
                "cut": answers[question.id].cut,
                "dropped_passages": answers[question.id].dropped_passages,
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
    lineage = subject.version.lineage if subject.version else base_lineage(subject.loaded, preparation)
    return {
        **lineage.tags(),
        "ragft.step": "evaluate",
        "ragft.model": subject.version.uri if subject.version else BASE,
        "ragft.split": params.split,
        "ragft.top_k": params.top_k,
        "ragft.estimator": params.estimator,
        "ragft.collection": preparation.collections[params.split],
    }


def _evaluate_file(params: EvaluateParams, criteria: Sequence[Criterion], workspace: Workspace) -> Evaluation:
    """Score answers that another system gave."""
    path = Path(params.answers)
    answers = read_answers(path)
    name = tracking.run_name(path.stem, 0, "answers")
    judge = scoring.open_judge(settle(params, None), None)
    with step_run(params, name, {"ragft.step": "evaluate", "ragft.model": "answers"}, workspace.home):
        rows = [_row_of_file(answer) for answer in answers]
        evaluation = dataclasses.replace(
            scoring.score(rows, criteria, judge, params, workspace), name=name, context="as answered"
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
