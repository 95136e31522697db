"""What the answers of the studies in docs/real.md are made of, and what stands where a right answer of the base stood.

It reads the tables of answers that the studies logged, and takes the training samples from the store. What is counted
was fixed, with what is expected of it, before the studies were run; the rule that says what is right was mended after
the first of them.

    RAGFT_HOME=FOLDER python -m benchmarks.real --count STORE [STORE ...]    # MLflow stores -> results/real.jsonl
    python -m benchmarks.real --table                                        # as docs/real.md shows it
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from entrypoints.environment import opened_workspace, prepare_environment
from ragft.analysis.statistics.clusters import cluster
from ragft.analysis.statistics.mean_interval import mean_of
from ragft.data.splits import subset_with_share
from ragft.judging.abstention import abstains
from ragft.judging.outcomes import is_right, outcome_of
from ragft.judging.overlap import normalised_words
from ragft.judging.short_answers import gives, stands_in
from ragft.report.words import number, signed
from ragft.store.datasets import Preparation, find_preparation
from ragft.types import Question

OUTPUT = Path(__file__).with_name("results") / "real.jsonl"
LONG_QUOTE = 8
LOST = ("abstained", "after the first line", "training answer", "words of a passage", "other words")
AXIS = "ragft.axis_"
NAMED = (
    "dataset", "format", "samples", "epochs", "learning_rate", "unanswerable_share", "withheld_share", "seed",
)  # fmt: skip
CONTEXTS = ("oracle", "retrieved", "none", "withheld")
WORDS = {"closed_book": "on questions alone", "retrieved": "with passages"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """An answer with what it is held against.

    Attributes:
        passages: What was shown, as one text; "" for nothing.
        right: By the outcome; for a question without an answer, to abstain.
    """

    question: str
    text: str
    references: tuple[str, ...]
    passages: str
    answerable: bool
    right: bool

    @property
    def first_line(self) -> str:
        """The first line with anything on it."""
        return next((line for line in self.text.splitlines() if line.strip()), "")

    @property
    def words(self) -> list[str]:
        """The normalised words of the first line."""
        return normalised_words(self.first_line)

    @property
    def abstained(self) -> bool:
        """Whether it states nothing of what was asked."""
        return abstains(self.text, self.question)

    @property
    def quotes(self) -> bool:
        """Whether its first line stands word for word in what was shown."""
        return stands_in(self.words, normalised_words(self.passages))

    @property
    def quotes_at_length(self) -> bool:
        """Whether so many words in a row of the whole answer stand in what was shown."""
        said, shown = normalised_words(self.text), normalised_words(self.passages)
        runs = {tuple(shown[place : place + LONG_QUOTE]) for place in range(len(shown) - LONG_QUOTE + 1)}
        return any(tuple(said[place : place + LONG_QUOTE]) in runs for place in range(len(said) - LONG_QUOTE + 1))

    def repeats(self, taught: frozenset[tuple[str, ...]]) -> bool:
        """Return whether its first line is one of the training answers, and stands in nothing that was shown."""
        return tuple(self.words) in taught and not self.quotes

    def lost_to(self, taught: frozenset[tuple[str, ...]]) -> str:
        """Return what stands in the place of a right answer: one of `LOST`, the first that holds."""
        if self.abstained:
            return LOST[0]
        rest = self.text.partition(self.first_line)[2]
        if any(gives(rest, each, self.question) for each in self.references):
            return LOST[1]
        if self.repeats(taught):
            return LOST[2]
        return LOST[3] if self.quotes else LOST[4]


def taught_by(answers: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """Return the training answers as they are looked for; those that abstain are no answers."""
    return frozenset(tuple(normalised_words(each)) for each in answers if not abstains(each)) - {()}


def counted(answers: Sequence[Answered], taught: frozenset[tuple[str, ...]]) -> dict[str, float]:
    """Return the shares of the answers, their mean length in words, and how many there are."""
    found = {
        "right": [each.right for each in answers],
        "abstained": [each.abstained for each in answers],
        "quote": [each.quotes for each in answers],
        "long quote": [each.quotes_at_length for each in answers],
        "training answer": [each.repeats(taught) for each in answers],
    }
    shares = {name: sum(values) / len(values) for name, values in found.items()}
    return {"n": len(answers), **shares, "words": sum(len(each.text.split()) for each in answers) / len(answers)}


def lost(base: Sequence[Answered], tuned: Sequence[Answered], taught: frozenset[tuple[str, ...]]) -> dict[str, int]:
    """Return what stands where the base was right and the adapter is not, and how many it was right on alone.

    Both hold the same questions in one order; those without an answer are left out.
    """
    pairs = [(old, new) for old, new in zip(base, tuned, strict=True) if old.answerable]
    reasons = Counter(new.lost_to(taught) for old, new in pairs if old.right and not new.right)
    gained = sum(new.right and not old.right for old, new in pairs)
    return {**{name: reasons[name] for name in LOST}, "gained": gained}


def read_rows(rows: Sequence[Row], questions: Mapping[str, Question], context: str) -> list[Answered]:
    """Return a logged table of answers, graded by today's rule; in ``withheld`` no question can be answered."""
    found = []
    for row in rows:
        question, text = questions[row["id"]], str(row["output"] or "")
        abstained, answerable = abstains(text, question.text), question.answerable and context != "withheld"
        right = outcome_of(is_right(question, text), None, abstained=abstained) == "right" if answerable else abstained
        found.append(
            Answered(question.text, text, question.references, str(row["context"] or ""), answerable, bool(right))
        )
    return found


def change(
    base: Sequence[Answered], tuned: Sequence[Answered], labels: Sequence[str]
) -> dict[str, float | None] | None:
    """Return the change in right answers to questions that have one, with its interval; None where there are none.

    Args:
        base: Answers of the base.
        tuned: Those of the adapter, to the same questions in the same order.
        labels: The cluster of each question; questions that share a paragraph are one.
    """
    rows = [
        (float(new.right) - float(old.right), label)
        for old, new, label in zip(base, tuned, labels, strict=True)
        if old.answerable
    ]
    if not rows:
        return None
    mean = mean_of(np.array([gain for gain, _ in rows]), [label for _, label in rows])
    groups = len({label for _, label in rows})
    return {"gain": mean.value, "low": mean.low, "high": mean.high, "n": mean.n, "groups": groups}


@dataclass(frozen=True)
class Cell:
    """An adapter of a study, with the tables of answers that its comparison logged.

    Attributes:
        tables: Context -> rows of the adapter's answers.
    """

    axes: Mapping[str, str]
    tables: Mapping[str, Sequence[Row]]


def count(stores: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what is counted of every adapter and of its base in every context, from the runs in MLflow's stores."""
    prepare_environment()
    there: set[tuple[str, ...]] = set()
    with opened_workspace() as workspace:
        for uri in stores:
            bases: dict[tuple[str, str], Sequence[Row]] = {}
            for cell in _cells(uri, bases):
                preparation = find_preparation(workspace.store, cell.axes["dataset"])
                assert preparation is not None, cell.axes["dataset"]
                for row in _counted(cell, bases, preparation):
                    # Studies share cells: the settings' hold two of the recipes.
                    if (key := (*row["axes"].values(), row["context"])) not in there:
                        there.add(key)
                        yield row


def _counted(
    cell: Cell, bases: Mapping[tuple[str, str], Sequence[Row]], preparation: Preparation
) -> Iterator[dict[str, Any]]:
    axes = cell.axes
    chosen = subset_with_share(
        preparation.splits["train"], int(axes["samples"]), float(axes["unanswerable_share"]), int(axes["seed"])
    )
    taught = taught_by([each.references[0] for each in chosen if each.answerable])
    questions = {each.id: each for split in preparation.splits.values() for each in split}
    for context, rows in cell.tables.items():
        of_base = bases[axes["dataset"], context]
        assert [row["id"] for row in of_base] == [row["id"] for row in rows], context
        before = read_rows(of_base, questions, context)
        after = read_rows(rows, questions, context)
        asked = [questions[row["id"]] for row in rows]
        labels = cluster(asked).labels
        sides = {"base": before, "adapter": after}
        yield {
            "axes": {name: axes[name] for name in NAMED},
            "context": context,
            "change": change(before, after, [labels[each.id] for each in asked]),
            **{
                f"{side} {name}": counted(part, taught)
                for side, answers in sides.items()
                for name, part in _parts(answers).items()
            },
            "lost": lost(before, after, taught),
        }


def _parts(answers: Sequence[Answered]) -> dict[str, list[Answered]]:
    """Return the answers to questions that can be answered, and to those that cannot; only parts with any."""
    parts = {"answerable": [each for each in answers if each.answerable]}
    parts["unanswerable"] = [each for each in answers if not each.answerable]
    return {name: part for name, part in parts.items() if part}


def _cells(uri: str, bases: dict[tuple[str, str], Sequence[Row]]) -> list[Cell]:
    """Return the finished cells of a store; tables of a base go to ``bases``, since cells share them."""
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = list(client.search_runs(experiments, "attributes.status = 'FINISHED'", max_results=50_000))
    children: dict[str, list[Any]] = {}
    for run in runs:
        children.setdefault(run.data.tags.get("mlflow.parentRunId", ""), []).append(run)
    found = []
    for run in runs:
        tags = run.data.tags
        if tags.get("ragft.step") != "study cell":
            continue
        axes = {key.removeprefix(AXIS): value for key, value in tags.items() if key.startswith(AXIS)}
        tables: dict[str, Sequence[Row]] = {}
        for each in _below(run.info.run_id, children):
            tags = each.data.tags
            if tags.get("ragft.step") != "evaluate" or "ragft.kind" not in tags:
                continue
            rows = _table(each.info.run_id)
            if tags["ragft.kind"] == "base":
                bases[axes["dataset"], tags["ragft.context"]] = rows
            else:
                tables[tags["ragft.context"]] = rows
        found.append(Cell(axes, tables))
    return found


def _below(run: str, children: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    for child in children.get(run, ()):
        yield child
        yield from _below(child.info.run_id, children)


def _table(run: str) -> list[Row]:
    table = json.loads(Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path="rows.json")).read_text())
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def stored() -> list[dict[str, Any]]:
    """Return what was counted."""
    return [json.loads(line) for line in OUTPUT.read_text().splitlines()]


def tables(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the tables of docs/real.md by name, as Markdown."""
    ordered = sorted(rows, key=_order)
    answerable = [row for row in ordered if row["change"]]
    return {
        "reading": [
            "| trained | seed | context | right | change | words an answer | quote |",
            "|---|---|---|---|---|---|---|",
            *(_reading(row) for row in answerable),
        ],
        "abstaining": [
            "| trained | seed | context | abstains | words an answer | quote |",
            "|---|---|---|---|---|---|",
            *(_abstaining(row) for row in ordered if "adapter unanswerable" in row and row["context"] != "none"),
        ],
        "lost": [
            f"| trained | seed | context | lost | {' | '.join(LOST)} | gained |",
            f"|---|---|---|---|{'---|' * len(LOST)}---|",
            *(_losses(row) for row in answerable),
        ],
    }


def summary(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the main table, as the README shows it: the recipes that were asked with the right passage alone."""
    asked = [row for row in sorted(rows, key=_order) if row["axes"]["dataset"] == "squad"]
    shown = [row for row in asked if row["context"] == "oracle"]
    retrieved = {_adapter(row): row for row in asked if row["context"] == "retrieved"}
    lines = [
        "| 200 pairs of SQuAD, SmolLM2-135M | right, with the right passage | right, with retrieved passages "
        "| abstains where no passage answers | right in all 600, with retrieved passages |",
        "|---|---|---|---|---|",
    ]
    first, other = shown[0], retrieved[_adapter(shown[0])]
    rights = [_percent(each["base answerable"]["right"]) for each in (first, other)]
    silent = _percent(other["base unanswerable"]["abstained"])
    lines.append(f"| the base | {' | '.join(rights)} | {silent} | {_in_all(other, 'base')} |")
    for row in shown:
        other = retrieved[_adapter(row)]
        rights = [f"{_percent(each['adapter answerable']['right'])} ({_interval(each)})" for each in (row, other)]
        silent = _percent(other["adapter unanswerable"]["abstained"])
        refusals = " and refusals" if float(row["axes"]["unanswerable_share"]) > 0 else ""
        name = f"{WORDS[row['axes']['format']]}{refusals}, seed {row['axes']['seed']}"
        lines.append(f"| {name} | {' | '.join(rights)} | {silent} | {_in_all(other, 'adapter')} |")
    return lines


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    axes = row["axes"]
    shares = float(axes["unanswerable_share"]), float(axes["withheld_share"])
    usual = axes["dataset"] != "squad", int(axes["samples"]) != 200
    recipe = (*usual, -int(axes["epochs"]), -float(axes["learning_rate"]), axes["format"], *shares)
    return (*recipe, int(axes["seed"]), CONTEXTS.index(row["context"]))


def _adapter(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row["axes"].values())


def _named(row: Mapping[str, Any]) -> str:
    axes = row["axes"]
    passes = "1 pass" if axes["epochs"] == "1" else f"{axes['epochs']} passes"
    shares = [
        f"{float(axes[name]):g} {word}"
        for name, word in (("unanswerable_share", "unanswerable"), ("withheld_share", "withheld"))
        if float(axes[name]) > 0
    ]
    data = [axes["dataset"]] if axes["dataset"] != "squad" else []
    rate = f"{float(axes['learning_rate']):.0e}"
    recipe = ", ".join([*data, axes["format"], axes["samples"], *shares, passes, rate])
    return f"{recipe} | {axes['seed']} | {row['context']}"


def _reading(row: Mapping[str, Any]) -> str:
    base, adapter = row["base answerable"], row["adapter answerable"]
    return (
        f"| {_named(row)} | {_percent(base['right'])} → {_percent(adapter['right'])} | {_interval(row)} "
        f"| {_pair(base, adapter)} |"
    )


def _abstaining(row: Mapping[str, Any]) -> str:
    base, adapter = row["base unanswerable"], row["adapter unanswerable"]
    silent = f"{_percent(base['abstained'])} → {_percent(adapter['abstained'])} of {base['n']}"
    return f"| {_named(row)} | {silent} | {_pair(base, adapter)} |"


def _pair(base: Mapping[str, float], adapter: Mapping[str, float]) -> str:
    words = f"{number(base['words'], 0)} → {number(adapter['words'], 0)}"
    return f"{words} | {_percent(base['quote'])} → {_percent(adapter['quote'])}"


def _losses(row: Mapping[str, Any]) -> str:
    found = row["lost"]
    counts = " | ".join(str(found[name]) for name in LOST)
    return f"| {_named(row)} | {sum(found[name] for name in LOST)} | {counts} | {found['gained']} |"


def _in_all(row: Mapping[str, Any], side: str) -> str:
    """Return the share of right answers to questions with an answer and without."""
    parts = [row[f"{side} {name}"] for name in ("answerable", "unanswerable")]
    return _percent(sum(part["right"] * part["n"] for part in parts) / sum(part["n"] for part in parts))


def _percent(share: float) -> str:
    """Return whole percents; what is not nothing does not round to it."""
    return f"{100 * share:.1f} %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _interval(row: Mapping[str, Any]) -> str:
    found = row["change"]
    return f"{signed(100 * found['gain'], 0)} [{signed(100 * found['low'], 0)}, {signed(100 * found['high'], 0)}]"


def main() -> None:
    """Count, or print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", nargs="+", metavar="STORE")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.count:
        OUTPUT.write_text("".join(json.dumps(row) + "\n" for row in count(options.count)))
    if options.table:
        parts = [*tables(stored()).values(), summary(stored())]
        print("\n\n".join("\n".join(lines) for lines in parts))


if __name__ == "__main__":
    main()
