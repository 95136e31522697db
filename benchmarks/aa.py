"""A/A on real output: the base as its own challenger, judged afresh on one side, is hardly ever promoted.

The pocket model answers telecom's test questions with its retrieved passages, and each answer is judged 2 x 10 times,
sampled. Both sides have the same answers, so nothing is there to be found: first repeats 1 to 10 against 11 to 20 as
they came, then 200 resamples, each of which draws the documents with replacement, deals out every answer's 20
judgements anew, 10 to a side, and lets the gate decide. The judge counts as one to rely on, which is the harder test.

    RAGFT_HOME=FOLDER OMP_NUM_THREADS=2 python -m benchmarks.aa > benchmarks/results/aa.txt
"""

import argparse
import dataclasses
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from entrypoints.environment import opened_workspace, prepare_environment
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.verdict.compare import Side, compare
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.slices import slices_of
from ragft.judging.backend import LocalJudge
from ragft.judging.g_eval import Item, judge
from ragft.models.generation import Generator
from ragft.models.loading import load_base
from ragft.params import POCKET, EvaluateParams
from ragft.prompts.criterion import load_criterion
from ragft.types import Question
from registry.gate import decide

NAMES = ("accuracy", "completeness")
CRITERIA = [load_criterion(name) for name in NAMES]
CONDITIONS = dict.fromkeys(("judge", "estimator", "retrieval", "messages", "data"), "the same")
# Criterion -> question id -> the judgements of its answer.
Values = Mapping[str, Mapping[str, Sequence[float]]]


def judgements(questions: int, repeats: int) -> tuple[list[Question], Values]:
    """Return the questions and every judgement of the base's answers; what a home holds already is not asked again."""
    prepare_environment()
    from entrypoints.steps import evaluate
    from entrypoints.steps.shared.bases import base_path
    from entrypoints.steps.shared.preparation import ensure_prepared

    with opened_workspace() as workspace:
        params = EvaluateParams(dataset="telecom", base=POCKET, context="retrieved", judge="none", questions=questions)
        (evaluation,) = evaluate.run(params, workspace)
        rows = evaluation.rows
        backend = LocalJudge(Generator(load_base(base_path(POCKET))), max_new_tokens=params.judge_max_new_tokens)
        items = [Item(row.question, row.answer, row.references, row.passages) for row in rows]
        with workspace.progress("judge") as line:
            judged = judge(workspace.store, backend, CRITERIA, items, repeats=2 * repeats, on_progress=line.tell)
        asked = {row.id for row in rows}
        splits = ensure_prepared(params, workspace).splits
        found = [question for question in splits["test"] if question.id in asked]
    values = {name: {row.id: each.values for row, each in zip(rows, judged.rows[name], strict=True)} for name in NAMES}
    return found, values


def deal(
    values: Values, repeats: int, rng: np.random.Generator | None
) -> tuple[dict[str, dict[str, float | None]], ...]:
    """Return both sides' scores: the judgements in their order, or dealt out anew."""
    sides: tuple[dict[str, dict[str, float | None]], ...] = ({}, {})
    for name, answers in values.items():
        for side in sides:
            side[name] = {}
        for question, found in answers.items():
            dealt = list(found) if rng is None else [float(value) for value in rng.permutation(np.array(found))]
            cut = min(repeats, len(dealt) // 2) if rng is not None else min(repeats, len(dealt))
            for side, half in zip(sides, (dealt[:cut], dealt[cut:]), strict=True):
                side[name][question] = statistics.fmean(half) if half else None
    return sides


def compared(
    questions: Sequence[Question], sides: Sequence[Mapping[str, Mapping[str, float | None]]], resamples: int
) -> Comparison:
    """Return the comparison of the two sides."""
    base, version = (
        Side(name, CONDITIONS, {"retrieved": scores})
        for name, scores in zip(("base", "base again"), sides, strict=True)
    )
    design = Design(resamples=resamples)
    return compare(base, version, questions, CRITERIA, slices=slices_of(questions), design=design)


def redrawn(questions: Sequence[Question], values: Values, rng: np.random.Generator) -> tuple[list[Question], Values]:
    """Return as many documents, drawn with replacement; one that is drawn twice counts as two."""
    labels = cluster(questions).labels
    members: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        members[labels[question.id]].append(question)
    names = sorted(members)
    drawn: list[Question] = []
    scores: dict[str, dict[str, Sequence[float]]] = {name: {} for name in NAMES}
    for copy, index in enumerate(rng.integers(len(names), size=len(names))):
        for question in members[names[index]]:
            again = dataclasses.replace(question, id=f"{question.id} {copy}", documents=(f"{names[index]} {copy}",))
            drawn.append(again)
            for name in NAMES:
                scores[name][again.id] = values[name][question.id]
    return drawn, scores


def main() -> None:
    """Judge, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=10, help="judgements of an answer on each side")
    parser.add_argument("--resamples", type=int, default=200)
    options = parser.parse_args()
    started = time.monotonic()
    questions, values = judgements(options.questions, options.repeats)
    print(f"({time.monotonic() - started:.0f} s to answer and judge what was not in the store)")
    first = compared(questions, deal(values, options.repeats, None), 9999)
    unread = sum(2 * options.repeats - len(each) for answers in values.values() for each in answers.values())
    print(
        f"{first.questions} questions in {first.clusters} groups of documents, pocket, {unread} judgements unreadable"
    )
    print(f"as they came: {decide(first).headline}")
    for result in first.primaries:
        if result.effect:
            print(
                f"  {result.criterion}: SD of a difference {result.effect.sd:.2f}, change {result.effect.gain:+.3f} "
                f"({result.bounds.low:+.3f} to {result.bounds.high:+.3f})"
            )
    rng, outcomes, shown = np.random.default_rng(0), Counter[str](), Counter[str]()
    for _ in range(options.resamples):
        drawn, scores = redrawn(questions, values, rng)
        comparison = compared(drawn, deal(scores, options.repeats, rng), 1999)
        outcomes[decide(comparison).outcome] += 1
        shown["a gain"] += bool(comparison.claims.superior)
        shown["a loss"] += bool(comparison.claims.worse)
    print(
        f"{options.resamples} resamples: {', '.join(f'{outcome} {count}' for outcome, count in outcomes.most_common())}"
    )
    for name, count in (("promoted", outcomes["promote"]), *((f"{name} shown", n) for name, n in shown.items())):
        interval = stats.binomtest(count, options.resamples).proportion_ci()
        print(f"{name}: {count / options.resamples:.1%} [{interval.low:.1%}, {interval.high:.1%}]")
    print(f"promoted in at most 5 %: {'yes' if outcomes['promote'] <= 0.05 * options.resamples else 'NO'}")


if __name__ == "__main__":
    main()
