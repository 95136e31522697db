"""Probe: what a base knows of a data set before any training, as SliCK categories."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import mlflow

from entrypoints.steps.knowledge.probed import estimates_of, versions
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.runs import step_run
from entrypoints.steps.shared.weights import load_base_model
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.knowledge.categories import (
    CATEGORIES,
    NOT_APPLICABLE,
    NOT_PROBED,
    Estimate,
    count_categories,
    wilson,
)
from ragft.data.splits import nested_subset
from ragft.errors import ConfigError, DataError
from ragft.judging.closed_book import applies, exemplar_answer, verdict
from ragft.models.generation import Generator
from ragft.models.probing import Replies, Sampling, reply
from ragft.params.training import ProbeParams
from ragft.params.values import USUAL_SHOTS
from ragft.prompts import probe as messages
from ragft.store.datasets import Preparation
from ragft.store.probes import ProbeRecord, save_probe
from ragft.types import Question, Split, digest


@dataclass(frozen=True)
class Probed:
    """What was found.

    Attributes:
        estimates: Question id -> counts, of all splits probed this way so far.
        counts: Split -> category -> questions.
    """

    estimates: Mapping[str, Estimate]
    counts: Mapping[str, Mapping[str, int]]
    run_id: str


def run(params: ProbeParams, workspace: Workspace) -> Probed:
    """Return what the base knows; only what was not asked before is asked.

    Raises:
        ConfigError: If there are too few train questions to draw examples from.
        DataError: If no question of the data set has a short closed-book answer.
    """
    name = f"{params.data_name}|probe {params.base}"
    with step_run(params, name, {"ragft.step": "probe"}, workspace.home) as run_:
        preparation = ensure_prepared(params, workspace)
        chosen = {split: _chosen(preparation, split, params) for split in params.splits()}
        asked = [question for questions in chosen.values() for question in questions]
        if not asked:
            raise DataError(
                f"no question of {', '.join(chosen)} in {preparation.name} has a short answer that can be given from "
                "memory, so nothing of it is known or unknown: every row is not applicable"
            )
        tracking.log_data(preparation.name, preparation.dataset, ",".join(chosen), asked)
        base = load_base_model(params.base, params.revision, "none")
        shots = _shots(params)
        prompts = _prompts(asked, preparation.splits["train"], params, shots)
        sampling = Sampling(params.samples, params.temperature, params.seed)
        with workspace.progress("probe") as line:
            every = (message for listed in prompts.values() for message in listed)
            replies = reply(
                workspace.store, Generator(base), every, sampling, params.max_new_tokens, on_progress=line.tell
            )
        found = {question.id: _estimate(question, prompts[question.id], replies) for question in asked}
        record = ProbeRecord(
            base.fingerprint,
            preparation.dataset,
            _settings(params, shots),
            {identifier: asdict(estimate) for identifier, estimate in found.items()},
        )
        estimates = estimates_of(save_probe(workspace.store, record))
        counts = _log(preparation, chosen, prompts, replies, estimates)
        mlflow.set_tags({"ragft.base_fingerprint": base.fingerprint, "ragft.probe": record.key})
        _say(counts, params, shots, workspace)
    return Probed(estimates, counts, run_.info.run_id)


def _chosen(preparation: Preparation, split: Split, params: ProbeParams) -> Sequence[Question]:
    """Return which questions of a split to ask: a nested subset of those with a short answer."""
    fit = [question for question in preparation.splits[split] if applies(question)]
    return nested_subset(fit, params.questions, seed=0) if 0 < params.questions < len(fit) else fit


def _shots(params: ProbeParams) -> int:
    return params.shots if params.shots >= 0 else USUAL_SHOTS.of(params.base)


def _settings(params: ProbeParams, shots: int) -> dict[str, Any]:
    named = {name: getattr(params, name) for name in ("sets", "samples", "temperature", "seed", "max_new_tokens")}
    return {**named, "shots": shots, "messages": messages.SHA256, "versions": versions()}


def _prompts(
    asked: Sequence[Question], train: Sequence[Question], params: ProbeParams, shots: int
) -> dict[str, tuple[str, ...]]:
    """Return question id -> one message per set."""
    if shots == 0:
        return {question.id: messages.in_wordings(question.text, params.sets) for question in asked}
    pool = [question for question in train if applies(question)]
    orders = [
        sorted(pool, key=lambda question, number=number: digest([params.seed, number, question.id]))  # type: ignore[misc]
        for number in range(params.sets)
    ]
    return {
        question.id: tuple(
            messages.with_examples(question.text, [(e.text, exemplar_answer(e)) for e in _examples(question, o, shots)])
            for o in orders
        )
        for question in asked
    }


def _examples(question: Question, order: Sequence[Question], shots: int) -> list[Question]:
    """Return the first examples of an order without the question itself, all of its kind if there are enough."""
    others = [other for other in order if other.id != question.id and other.text != question.text]
    alike = [other for other in others if other.kind == question.kind]
    drawn = (alike if len(alike) >= shots else others)[:shots]
    if len(drawn) < shots:
        raise ConfigError(
            f"shots is {shots}, but the train split has {len(others)} other questions with a short answer: use fewer"
        )
    return drawn


def _estimate(question: Question, asked: Sequence[str], replies: Mapping[str, Replies]) -> Estimate:
    greedy = [verdict(question, replies[message].greedy) == "right" for message in asked]
    sampled = [verdict(question, text) == "right" for message in asked for text in replies[message].sampled]
    return Estimate(sum(greedy), len(greedy), sum(sampled), len(sampled))


def _log(
    preparation: Preparation,
    chosen: Mapping[Split, Sequence[Question]],
    prompts: Mapping[str, Sequence[str]],
    replies: Mapping[str, Replies],
    estimates: Mapping[str, Estimate],
) -> dict[str, dict[str, int]]:
    """Log one row per question, asked or not, and the shares of the categories; return the counts."""
    rows: list[dict[str, Any]] = []
    counts: dict[str, dict[str, int]] = {}
    for split, asked in chosen.items():
        ids = {question.id for question in asked}
        made = [
            _row(split, question, estimates.get(question.id), ids, prompts, replies)
            for question in preparation.splits[split]
        ]
        counts[split] = count_categories(row["category"] for row in made)
        rows += made
        probed = sum(counts[split][name] for name in CATEGORIES)
        for name in CATEGORIES:
            share = counts[split][name] / probed if probed else 0.0
            mlflow.log_metrics({f"{split}_{name}": counts[split][name], f"{split}_{name}_share": share})
    tracking.log_table(rows, "probe")
    mlflow.log_dict({"counts": counts}, "categories.json")
    return counts


def _row(
    split: str,
    question: Question,
    estimate: Estimate | None,
    asked: set[str],
    prompts: Mapping[str, Sequence[str]],
    replies: Mapping[str, Replies],
) -> dict[str, Any]:
    row: dict[str, Any] = {"split": split, "id": question.id, "question": question.text}
    row |= {"reference": question.references[0], "kind": question.kind}
    if estimate is None:
        return row | {"category": NOT_PROBED if applies(question) else NOT_APPLICABLE}
    row |= {
        "category": estimate.category,
        "greedy_right": estimate.greedy_right,
        "sampled_right": estimate.sampled_right,
    }
    low, high = estimate.greedy_interval
    row |= {"p_greedy": estimate.greedy_right / estimate.greedy_asked, "p_greedy_low": low, "p_greedy_high": high}
    if estimate.sampled_asked:
        low, high = estimate.sampled_interval
        row |= {"p_sampled": estimate.sampled_right / estimate.sampled_asked}
        row |= {"p_sampled_low": low, "p_sampled_high": high}
    if question.id in asked:
        row |= {"first_answer": replies[prompts[question.id][0]].greedy}
    return row


def _say(counts: Mapping[str, Mapping[str, int]], params: ProbeParams, shots: int, workspace: Workspace) -> None:
    how = f"{shots} examples each" if shots else "wordings of one message, no examples"
    workspace.say(f"what {params.base} knows: {params.sets} sets ({how}) x (1 greedy + {params.samples} sampled)")
    for split, found in counts.items():
        probed = sum(found[name] for name in CATEGORIES)
        workspace.say(f"  {split}: {probed} probed")
        for name, count in found.items():
            shown = ""
            if name in CATEGORIES and probed:
                low, high = wilson(count, probed)
                shown = f"  {count / probed:.2f} ({low:.2f} to {high:.2f})"
            workspace.say(f"    {name:16}{count:6}{shown}")
