"""A/A on real output: the base as its own challenger is hardly ever promoted, and hardly ever rejected.

The pocket model answers telecom's test questions twice, and the two times are compared under the whole rule: primaries,
the guards false answers and false refusals, slices, the gate. Nothing is there to be found. Three kinds of the same:

- *fresh judgements*: the same answers on both sides, judged anew on one of them (the sampled judge);
- *fresh answers, judged*: answers sampled at a temperature, with another seed on each side, and one pass of the judge;
- *fresh answers, no judge*: the same answers, with the primary `right`, which a rule tells.

Each kind is resampled: documents are drawn with replacement, and it is dealt anew which of a question's two sides is
the version (of its judgements, where they are fresh). The judge counts as one to rely on, which is the harder test.

    RAGFT_HOME=FOLDER OMP_NUM_THREADS=1 python -m benchmarks.aa --resamples 1000    # goes on where it was stopped
    python -m benchmarks.aa --table                                                 # as docs/verdict.md shows it
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import asked as pocket
from benchmarks.aa_study import GUARDS, Answers, Judgements, Study
from entrypoints.environment import opened_workspace, prepare_environment
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verdict.scale import Measured, Scale
from ragft.judging.backend import Estimator
from ragft.judging.g_eval import judge
from ragft.prompts.criterion import load_criterion
from ragft.types import DECIDING, WITHHELD, Answer, Context
from registry.gate import decide

OUTPUT = Path(__file__).with_name("results") / "aa.json"
CRITERIA = {name: load_criterion(name) for name in ("accuracy", "completeness")}
TEMPERATURE = 0.5
# (resamples + 1) alpha / 1, / 2, / 3 and / 4 are whole numbers.
OF_A_BOUND = 1439
KINDS = ("fresh judgements", "fresh answers, judged", "fresh answers, no judge")


def fresh_judgements(workspace: Workspace, questions: int, repeats: int) -> Study:
    """Return the greedy answers to some questions, each judged so often on each side."""
    asked = pocket.ask(workspace, questions, withheld=True)
    contexts: tuple[Context, ...] = (DECIDING, WITHHELD)
    model = pocket.generator("base")
    answers = {context: pocket.answers(asked, model, workspace, context) for context in contexts}
    known = pocket.numbers(asked, answers)
    judged = _judged(workspace, asked, answers[DECIDING], "sampled", 2 * repeats)
    return Study(
        asked.questions,
        {
            question.id: Judgements(
                {name: values[place] for name, values in judged.items()},
                {name: known[name][question.id] for name in GUARDS.values() if question.id in known[name]},
            )
            for place, question in enumerate(asked.questions)
        },
        list(CRITERIA.values()),
    )


def fresh_answers(workspace: Workspace, questions: int, *, judged: bool) -> Study:
    """Return two sampled answers to each question in each context, judged in one pass or by rule."""
    asked = pocket.ask(workspace, questions, withheld=True)
    contexts: tuple[Context, ...] = (DECIDING, WITHHELD)
    model = pocket.generator("base")
    sides = []
    for seed in (1, 2):
        sampler = pocket.Sampler(model, TEMPERATURE, seed)
        answers = {context: pocket.answers(asked, sampler, workspace, context) for context in contexts}
        known = pocket.numbers(asked, answers)
        if judged:
            scores = _judged(workspace, asked, answers[DECIDING], "expected_no_rationale", 1)
            ids = [question.id for question in asked.questions]
            known |= {
                name: {each: row[0] if row else None for each, row in zip(ids, rows, strict=True)}
                for name, rows in scores.items()
            }
        sides.append(known)
    measures: list[Measured] = list(CRITERIA.values()) if judged else [Scale("right")]
    names = [*(measure.name for measure in measures), *GUARDS.values()]
    return Study(
        asked.questions,
        {
            question.id: Answers(
                {n: (sides[0][n][question.id], sides[1][n][question.id]) for n in names if question.id in sides[0][n]}
            )
            for question in asked.questions
        },
        measures,
    )


def _judged(
    workspace: Workspace, asked: pocket.Asked, answers: Mapping[str, Answer], estimator: Estimator, repeats: int
) -> dict[str, list[tuple[float, ...]]]:
    """Return criterion -> the readable judgements of each answer, in the order of the questions."""
    with workspace.progress("judge") as line:
        found = judge(
            workspace.store,
            pocket.pocket_judge(),
            list(CRITERIA.values()),
            pocket.items(asked, answers),
            estimator=estimator,
            repeats=repeats,
            on_progress=line.tell,
        )
    return {
        name: [row.values or ((row.score.value,) * repeats if row.score.value is not None else ()) for row in rows]
        for name, rows in found.rows.items()
    }


def run(study: Study, resamples: int) -> dict[str, Any]:
    """Return what the gate said of the study as it came, and how often what of its resamples."""
    first = study.compared()
    rng, outcomes, shown = np.random.default_rng(0), Counter[str](), Counter[str]()
    for _ in range(resamples):
        claims, outcome = study.redrawn(rng).decided(first, rng, OF_A_BOUND)
        outcomes[outcome] += 1
        shown["a gain"] += bool(claims.superior)
        shown["a loss"] += bool(claims.worse)
        shown["harm"] += bool(claims.harmful)
    differ = {
        each.criterion: round(1 - each.effect.ties / each.effect.n, 3) for each in first.primaries if each.effect
    } | {each.name: round(1 - each.effect.ties / each.effect.n, 3) for each in first.guards if each.effect}
    return {
        "questions": first.questions,
        "groups": first.clusters,
        "measures": [each.criterion for each in first.primaries],
        "differ": differ,
        "unscored": sum(each.missing.asked - (each.effect.n if each.effect else 0) for each in first.primaries),
        "as they came": decide(first).outcome,
        "resamples": resamples,
        "outcomes": dict(outcomes),
        "shown": dict(shown),
    }


COLUMNS = (
    "what is fresh",
    "questions in groups",
    "questions whose two sides differ",
    "resamples",
    "promoted",
    "rejected",
    "hold",
    "inconclusive",
)


def rate(count: int, of: int) -> str:
    """Return a rate in percent with its upper 95 % limit (Clopper-Pearson, two-sided)."""
    return f"{100 * count / of:.1f} ({100 * upper(count, of):.1f})"


def upper(count: int, of: int) -> float:
    """Return the upper limit of a rate."""
    return float(stats.binomtest(count, of).proportion_ci().high)


def table_of(stored: Mapping[str, Any]) -> list[str]:
    """Return the stored kinds as a table in Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for kind in KINDS:
        found = stored[kind]
        counts, of = found["outcomes"], found["resamples"]
        differ = ", ".join(f"{name.replace('_', ' ')} {100 * share:.0f} %" for name, share in found["differ"].items())
        cells = [kind, f"{found['questions']:,} in {found['groups']}", differ, f"{of:,}"]
        cells += [rate(counts.get(outcome, 0), of) for outcome in ("promote", "reject")]
        cells += [f"{100 * counts.get(outcome, 0) / of:.1f}" for outcome in ("hold", "inconclusive")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def sentence(stored: Mapping[str, Any]) -> str:
    """Return the largest rates of a wrong promotion and of a wrong rejection."""
    most = []
    for outcome in ("promote", "reject"):
        count, of = max(
            ((stored[kind]["outcomes"].get(outcome, 0), stored[kind]["resamples"]) for kind in KINDS),
            key=lambda found: upper(*found),
        )
        most.append(f"in at most {100 * count / of:.1f} % (upper limit {100 * upper(count, of):.1f} %)")
    return f"Though nothing differs, the base is promoted {most[0]} of the resamples, and rejected {most[1]}."


def main() -> None:
    """Run what the output lacks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=0, help="of fresh answers; 0: all")
    parser.add_argument("--judged", type=int, default=150, help="questions of fresh judgements")
    parser.add_argument("--repeats", type=int, default=5, help="fresh judgements of an answer on each side")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--table", action="store_true", help="print the table of the output and run nothing")
    options = parser.parse_args()
    stored = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
    if not options.table:
        prepare_environment()
    for kind in () if options.table else options.only:
        # The same resamples of other questions are another row: name another output for them.
        if stored.get(kind, {}).get("resamples", 0) >= options.resamples:
            continue
        began = time.monotonic()
        with opened_workspace() as workspace:
            study = (
                fresh_judgements(workspace, options.judged, options.repeats)
                if kind == KINDS[0]
                else fresh_answers(workspace, options.questions, judged=kind == KINDS[1])
            )
        asked = time.monotonic()
        stored[kind] = run(study, options.resamples)
        options.output.write_text(json.dumps(stored, sort_keys=True, indent=1) + "\n", encoding="utf-8")
        print(f"{kind}: {asked - began:.0f} s to ask, {time.monotonic() - asked:.0f} s to resample", flush=True)
    if set(KINDS) <= stored.keys():
        print("\n".join([*table_of(stored), "", sentence(stored)]))


if __name__ == "__main__":
    main()
