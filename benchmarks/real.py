"""What the answers of the studies in docs/real.md are made of, and what stands where a right answer of the base stood.

It reads the tables of answers that the studies logged, and takes the training samples from the store. What is counted
was fixed, with what is expected of it, before the studies were run; the rule that says what is right was mended after
the first of them.

    RAGFT_HOME=FOLDER python -m benchmarks.real --count STORE [STORE ...]    # MLflow stores -> results/real.jsonl
    python -m benchmarks.real --table                                        # as docs/real.md shows it
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow

from benchmarks.real_answers import Answered, Row, change, counted, lost, read_rows, taught_by
from benchmarks.real_tables import summary, tables
from entrypoints.environment import opened_workspace, prepare_environment
from ragft.analysis.statistics.clusters import cluster
from ragft.data.splits import subset_with_share
from ragft.store.datasets import Preparation, find_preparation

OUTPUT = Path(__file__).with_name("results") / "real.jsonl"
AXIS = "ragft.axis_"
NAMED = (
    "dataset", "format", "samples", "epochs", "learning_rate", "unanswerable_share", "withheld_share", "seed",
)  # fmt: skip


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
