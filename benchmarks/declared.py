"""Recipes with five seeds each on telecom, declared before they were run: what the verdict says of each.

Each adapter is trained by `finetune` and compared with the base by `compare`, on all test questions. Two recipes spoil
their training answers, so that a verdict that rejects nothing is found out. What is expected of a recipe, and what
would refute it, stands in docs/outcomes.md and was committed before the first run.

    RAGFT_HOME=FOLDER OMP_NUM_THREADS=1 python -m benchmarks.declared            # goes on where it was stopped
    python -m benchmarks.declared --table              # as docs/outcomes.md shows it, then as the README does
"""

import argparse
import dataclasses
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from entrypoints.environment import opened_workspace, prepare_environment
from ragft.analysis.verdict.comparison import Comparison
from ragft.params.training import FinetuneParams
from ragft.params.values import GUARDS, NO_JUDGE, POCKET
from ragft.params.verdict import CompareParams
from ragft.report.words import number, sentence, signed
from ragft.result_versions import VERSIONS
from ragft.types import Question
from registry.gate import Decision

OUTPUT = Path(__file__).with_name("results") / "declared.jsonl"
SEEDS = (0, 1, 2, 3, 4)
CONTEXTS = "retrieved,withheld"
Spoil = Callable[[Sequence[Question], int], list[Question]]


def shuffled(questions: Sequence[Question], seed: int) -> list[Question]:
    """Return the questions with each other's answers: none keeps its own, unless it is the only one."""
    order = random.Random(f"shuffled {seed}").sample(range(len(questions)), len(questions))
    given = dict(zip(order, [*order[1:], order[0]], strict=True))
    return [
        dataclasses.replace(each, references=questions[given[place]].references) for place, each in enumerate(questions)
    ]


def first_word(questions: Sequence[Question], seed: int) -> list[Question]:
    """Return the questions with answers of one word; there is no chance in it, so ``seed`` changes nothing."""
    del seed
    return [dataclasses.replace(each, references=(each.references[0].split()[0],)) for each in questions]


@dataclass(frozen=True)
class Recipe:
    """How adapters are trained, and what is expected of them.

    Attributes:
        settings: Parameters of `finetune`.
        outcome: The verdict that is expected.
        named: The claim that the verdict must rest on: a guard, or a primary; "" where it does not matter.
        least: In how many of the five.
        spoil: What is done to the training answers; None where they stay as they are.
        judged: True where the judge's accuracy and completeness decide, and not the outcome by program.
    """

    name: str
    settings: Mapping[str, Any]
    outcome: str
    named: str = ""
    least: int = 5
    spoil: Spoil | None = field(default=None, repr=False)
    judged: bool = False


TAUGHT_AS_USED: Mapping[str, Any] = {"format": "retrieved", "samples": 200, "epochs": 3, "learning_rate": 1e-3}
RECIPES = (
    Recipe(
        "A: closed-book, ten passes",
        {"format": "closed_book", "samples": 200, "epochs": 10, "learning_rate": 1e-3},
        "reject",
        "false_answers",
        4,
    ),
    Recipe(
        "B: with retrieved passages",
        TAUGHT_AS_USED,
        "reject",
        "false_answers",
        4,
    ),
    Recipe(
        "C: next to no training",
        {"format": "closed_book", "samples": 8, "epochs": 1, "learning_rate": 2e-4},
        "hold",
    ),
    Recipe(
        "D: with passages, a part of which cannot answer",
        {"format": "retrieved", "samples": 1000, "epochs": 2, "learning_rate": 1e-3, "withheld_share": 0.3},
        "promote",
        "right",
        4,
    ),
    Recipe("E: with each other's answers", TAUGHT_AS_USED, "reject", spoil=shuffled),
    Recipe("F: answers cut to the first word", TAUGHT_AS_USED, "reject", "completeness", spoil=first_word, judged=True),
)


def run(recipe: Recipe, seed: int, workspace: Any) -> dict[str, Any]:  # noqa: ANN401 - of a package imported late
    """Return what the verdict says of one adapter; what was computed before is taken from the store."""
    from entrypoints.steps import compare, finetune
    from entrypoints.steps.knowledge import lesson

    with _spoiled(lesson, recipe.spoil, seed):
        adapter = finetune.run(FinetuneParams(base=POCKET, seed=seed, **recipe.settings), workspace)
    asked = CompareParams(
        model=adapter.version.uri, against=f"models:/{adapter.version.name}/1", context=CONTEXTS, judge=NO_JUDGE
    )
    if recipe.judged:
        asked = dataclasses.replace(asked, judge="base", estimator="expected_no_rationale")
    compared = compare.run(asked, workspace)
    return record(recipe, seed, compared.comparison, compared.decision)


@contextmanager
def _spoiled(lesson: Any, spoil: Spoil | None, seed: int) -> Iterator[None]:  # noqa: ANN401 - a module
    """Let `finetune` see spoiled answers: the data stay telecom's, so base, questions and split are the same."""
    if spoil is None:
        yield
        return
    choose = lesson.subset_with_share
    with mock.patch.object(lesson, "subset_with_share", lambda *args: spoil(choose(*args), seed)):
        yield


def record(recipe: Recipe, seed: int, comparison: Comparison, decision: Decision) -> dict[str, Any]:
    """Return what is kept of a verdict: JSON values; gains above 0 are better, guards' rises above 0 are worse."""
    primaries = {
        each.criterion: {
            "base": each.effect.base,
            "version": each.effect.version,
            "low": each.bounds.low,
            "high": each.bounds.high,
            "n": each.effect.n,
            "missing": each.missing.dropped,
        }
        for each in comparison.primaries
        if each.effect
    }
    guards = {
        each.name: {
            "base": each.effect.base,
            "version": each.effect.version,
            "low": -each.bounds.high,
            "high": -each.bounds.low,
            "n": each.effect.n,
        }
        for each in comparison.guards
        if each.effect and each.bounds
    }
    claims = comparison.claims
    return {
        "recipe": recipe.name,
        "seed": seed,
        "settings": dict(recipe.settings),
        "verdict_rule": VERSIONS["verdict"],
        "outcome": decision.outcome,
        "title": decision.summary.title,
        "because": decision.because,
        "reasons": list(decision.reasons),
        "harmful": list(claims.harmful),
        "worse": list(claims.worse),
        "superior": list(claims.superior),
        "questions": comparison.questions,
        "groups": comparison.clusters,
        "primaries": primaries,
        "guards": guards,
    }


def as_expected(recipe: Recipe, found: Mapping[str, Any]) -> bool:
    """Return whether a verdict is what was declared, for the reason that was declared."""
    named = {*found["harmful"], *found["worse"], *found["superior"]}
    return found["outcome"] == recipe.outcome and (not recipe.named or recipe.named in named)


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the verdicts as Markdown, a section a recipe, and whether each declaration held."""
    lines: list[str] = []
    for recipe in RECIPES:
        own = sorted((row for row in rows if row["recipe"] == recipe.name), key=lambda row: row["seed"])
        if not own:
            continue
        lines += [*_head(own), *(_line(row) for row in own), "", _said(recipe, own), ""]
    return lines[:-1]


def summary(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line a recipe, as the README shows it: the range over the seeds of what decides, and the verdicts.

    A recipe whose primaries are a judge's is left out: its numbers are on another scale.
    """
    lines = [
        "| adapters, a seed each | right answers | invented answers, where no passage has one | verdict |",
        "|---|---|---|---|",
    ]
    for recipe in RECIPES:
        own = [row for row in rows if row["recipe"] == recipe.name]
        if not own or recipe.judged:
            continue
        if len(lines) == 2:
            first = own[0]
            cells = (_range([side["base"]]) for side in (first["primaries"]["right"], first["guards"]["false_answers"]))
            lines.append(f"| the base | {' | '.join(cells)} | |")
        cells = (
            _range([row[kind][name]["version"] for row in own])
            for kind, name in (("primaries", "right"), ("guards", "false_answers"))
        )
        outcomes = Counter(row["outcome"] for row in own).most_common()
        said = ", ".join(f"{outcome} {count} of {len(own)}" for outcome, count in outcomes)
        lines.append(f"| {recipe.name.partition(': ')[2]} | {' | '.join(cells)} | {said} |")
    return lines


def _range(shares: Sequence[float]) -> str:
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _head(own: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [*own[0]["primaries"], *GUARDS]
    columns = ["seed", "verdict", *(name.replace("_", " ") for name in names), "recommendation"]
    return [
        f"#### {own[0]['recipe']}",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
    ]


def _line(row: Mapping[str, Any]) -> str:
    cells = [str(row["seed"]), row["outcome"]]
    for each in row["primaries"].values():
        change = signed(each["version"] - each["base"])
        cells.append(f"{change} [{signed(each['low'])}, {signed(each['high'])}]")
    for name in GUARDS:
        each = row["guards"].get(name)
        cells.append(
            f"{number(100 * each['base'], 0)} → {number(100 * each['version'], 0)} % "
            f"[{signed(100 * each['low'], 0)}, {signed(100 * each['high'], 0)}]"
            if each
            else "not measured"
        )
    # Version numbers say nothing here: each home counts its own.
    title = re.sub(r"\bv\d+\b", "it", row["title"].replace("Keep v1", "Keep the base"))
    return f"| {' | '.join([*cells, sentence(title)])} |"


def _said(recipe: Recipe, own: Sequence[Mapping[str, Any]]) -> str:
    """Return whether what was declared came out."""
    met = sum(as_expected(recipe, row) for row in own)
    named = f" for {recipe.named.replace('_', ' ')}" if recipe.named else ""
    least = f"at least {recipe.least}" if recipe.least < len(SEEDS) else recipe.least
    came = "as declared" if met >= recipe.least else "refuted" if len(own) == len(SEEDS) else "not decided yet"
    return (
        f"Declared: {recipe.outcome}{named} in {least} of {len(SEEDS)}. Found: {met} of {len(own)}, "
        f"{came}. {own[0]['questions']:,} questions in {own[0]['groups']:,} groups each."
    )


def stored(path: Path = OUTPUT) -> list[dict[str, Any]]:
    """Return the verdicts that are kept."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def main() -> None:
    """Run what is not stored yet, seed by seed, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--recipes", default="", help="letters, such as AC; all where it is left out")
    given = parser.parse_args()
    if given.table:
        print("\n".join([*table(stored()), "", *summary(stored())]))
        return
    prepare_environment()
    with opened_workspace() as workspace:
        for seed in SEEDS:
            for recipe in RECIPES:
                known = {(row["recipe"], row["seed"]) for row in stored()}
                if (recipe.name, seed) in known or recipe.name[0] not in (given.recipes or recipe.name[0]):
                    continue
                line = json.dumps(run(recipe, seed, workspace), sort_keys=True)
                with OUTPUT.open("a", encoding="utf-8") as out:
                    out.write(f"{line}\n")


if __name__ == "__main__":
    main()
