"""A report on made-up answers, for the tests of the report: small, every part filled, hostile where wanted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.statistics.mean_interval import mean_of
from ragft.analysis.verdict.compare import Findings, Side, compare
from ragft.analysis.verdict.comparison import Check, Comparison
from ragft.analysis.verdict.conditions import CONDITIONS
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.slices import slices_of
from ragft.prompts.criterion import load_criterion
from ragft.report.advice import Situation, advise
from ragft.report.page_data import Asked, Bars, Curve, Metric, Report, ShownAnswer, Tried
from ragft.types import CONTEXTS, Question

CRITERIA = [load_criterion("accuracy"), load_criterion("completeness")]
NAMES = tuple(each.name for each in CRITERIA)
SITUATION = Situation(
    model="models:/ragft-telecom-pocket/2",
    base="base v1",
    format="closed_book",
    samples=200,
    split="test",
    part=False,
    finetune={"samples": "200"},
    compare={},
)
Scores = dict[str, dict[str, dict[str, float | None]]]


def questions(n: int) -> list[Question]:
    """Questions in documents of three, of two kinds."""
    kinds = ("one_fact", "yes_no")
    return [
        Question(f"q{i:04d}", f"Question {i:04d}?", (f"answer {i}",), (f"d{i // 3}",), kind=kinds[i % 2])
        for i in range(n)
    ]


def scores(asked: Sequence[Question], shift: float, seed: int, contexts: Sequence[str]) -> Scores:
    """Scores that lie ``shift`` from a common level."""
    level, noise = np.random.default_rng(0).uniform(2, 4, len(asked)), np.random.default_rng(seed)
    return {
        context: {
            name: {q.id: float(np.clip(level[i] + shift + noise.normal(0, 0.4), 1, 5)) for i, q in enumerate(asked)}
            for name in NAMES
        }
        for context in contexts
    }


def example(
    n: int = 60,
    shift: float = -0.6,
    *,
    contexts: Sequence[str] = ("retrieved",),
    passages: int = 2,
    passage: str = "A passage about number {i}.{j}.",
    text: str = "The answer of {side} to {i}.",
    outcome: str = "reject",
    comparison: Comparison | None = None,
    unscored: Sequence[str] = (),
    slices: Mapping[str, Collection[str]] | None = None,
) -> Report:
    """Return a report on ``n`` questions; ``unscored`` are ids of those that the version has no score for."""
    asked = questions(n)
    both = scores(asked, 0.0, 1, contexts), scores(asked, shift, 2, contexts)
    both[1]["retrieved"]["accuracy"].update(dict.fromkeys(unscored))
    same = {name: f"the same {name}" for name in CONDITIONS}
    refusals = [
        {c: {q.id: float(k == 0 and i % 4 == 0) for i, q in enumerate(asked)} for c in contexts} for k in (0, 2)
    ]
    lengths = [{c: {q.id: float(10 + i + k) for i, q in enumerate(asked)} for c in contexts} for k in (0, 2)]
    found = comparison or compare(
        Side("models:/ragft-telecom-pocket/1", same, both[0], lengths[0], refusals[0]),
        Side("models:/ragft-telecom-pocket/2", same, both[1], lengths[1], refusals[1]),
        asked,
        CRITERIA,
        slices=slices_of(asked) if slices is None else slices,
        design=Design(resamples=199),
        findings=Findings(checks=(Check("length limit", True, "0 of 60 answers were cut off"),), tried=2),
    )
    labels = [cluster(asked).labels[q.id] for q in asked]
    columns = [
        {name: np.array([side["retrieved"][name][q.id] for q in asked], dtype=np.float64) for name in NAMES}
        for side in both
    ]
    return Report(
        data="telecom",
        split="test",
        base="base v1",
        version="lora closed_book v2",
        trained="fine-tuned on 200 question-answer pairs without passages",
        left_out="",
        outcome=outcome,
        title="Do not ship v2: its answers are worse in accuracy and completeness",
        three=(
            ("Better?", "No, it is worse: accuracy 3.00 → 2.40, a change of -0.60 (-0.72 to -0.48)."),
            ("Safe?", "Not asked: no guard was named."),
            ("Sure enough?", "Yes: 60 questions in 20 independent groups of documents."),
        ),
        health="yes: retrieval found the evidence for 95 % of the questions",
        because="It is worse in accuracy and completeness.",
        reasons=("accuracy in the context retrieved: 3.00 to 2.40.",),
        would_change=("No single document carries the verdict.",),
        advice=advise(found, outcome, SITUATION),
        comparison=found,
        bars=tuple(
            Bars(c, {k: (mean_of(columns[0][k], labels), mean_of(columns[1][k], labels)) for k in NAMES}, 1, 5)
            for c in contexts
        ),
        metrics=tuple(
            Metric(
                name,
                mean_of(columns[0][name], labels),
                mean_of(columns[1][name], labels),
                mean_of(columns[1][name] - columns[0][name], labels),
                len(unscored),
                True,
            )
            for name in NAMES
        ),
        invented=tuple(_asked(i, q, both, passage, passages, text) for i, q in enumerate(asked[:2])),
        invented_of=7,
        questions=tuple(_asked(i, q, both, passage, passages, text) for i, q in enumerate(asked)),
        scales=dict.fromkeys(NAMES, (1.0, 5.0)),
        forgotten=(
            "facts of pocket's own made-up world, not trained on: 0.910 -> 0.640, "
            "change -0.270 (-0.340 to -0.200), n=200",
        ),
        curves=(
            Curve("train_loss", tuple((s, 2.0 / (s + 1)) for s in range(40))),
            Curve("dev_loss", ((0, 1.5), (20, 0.9), (39, 0.8))),
        ),
        tried=(
            Tried("models:/ragft-telecom-pocket/2", "reject", "2026-01-01 10:00 UTC", this=True),
            Tried("models:/ragft-telecom-pocket/3", "", "2026-01-02 10:00 UTC", this=False),
        ),
        all_contexts=f"mlflow run . -e compare -P context={','.join(CONTEXTS)} --env-manager local",
        source="all of them are in rows.json",
        provenance=(("version", "models:/ragft-telecom-pocket/2"), ("data", "telecom")),
    )


def hostile(report: Report, payload: str) -> Report:
    """Return the report with ``payload`` in every text of it."""
    bad = [
        replace(
            each,
            question=payload,
            kind=payload,
            references=(payload,),
            passages=(payload, f"{payload} again"),
            base=replace(each.base, text=payload, reasons=dict.fromkeys(NAMES, payload)),
            version=replace(each.version, text=f"{payload} too", reasons=dict.fromkeys(NAMES, payload)),
        )
        for each in report.questions
    ]
    results = tuple(replace(each, slice=payload) if each.slice else each for each in report.comparison.results)
    return replace(
        report,
        data=payload,
        base=payload,
        version=payload,
        trained=payload,
        left_out=payload,
        title=payload,
        three=((payload, payload),) * 3,
        health=payload,
        invented=tuple(bad[:2]),
        because=payload,
        reasons=(payload,),
        would_change=(payload,),
        forgotten=(payload,),
        advice=replace(report.advice, text=payload, command=payload),
        comparison=replace(report.comparison, results=results, advisory=(payload,)),
        questions=tuple(bad),
        tried=tuple(replace(each, name=payload) for each in report.tried),
        provenance=tuple((payload, payload) for _ in report.provenance),
        source=payload,
    )


def _asked(index: int, asked: Question, both: tuple[Scores, Scores], passage: str, passages: int, text: str) -> Asked:
    sides = []
    for number, side in enumerate(both):
        answer = text.format(side=number, i=index)
        found = {name: side["retrieved"][name][asked.id] for name in NAMES}
        sides.append(ShownAnswer(answer, found, dict.fromkeys(NAMES, f"Reason of {number} for {index}: {answer}")))
    gains = [_minus(after, before) for before, after in _pairs(both, asked.id)]
    shown = tuple(passage.format(i=index, j=j) for j in range(passages))
    return Asked(asked.id, asked.text, asked.kind, asked.references, shown, sides[0], sides[1], _gain(gains))


def _pairs(both: tuple[Scores, Scores], key: str) -> list[tuple[float | None, float | None]]:
    return [(both[0]["retrieved"][name][key], both[1]["retrieved"][name][key]) for name in NAMES]


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _gain(gains: Sequence[float | None]) -> float | None:
    known = [gain for gain in gains if gain is not None]
    return sum(known) / len(known) if len(known) == len(gains) else None
