"""What the answers of the studies in docs/real.md are made of, and what stands where a right answer of the base stood.

It reads the tables of answers that the studies logged, and takes the training samples from the store. What is counted
was fixed, with what is expected of it, before the studies were run; the rule that says what is right was mended after
the first of them.

    RAGFT_HOME=FOLDER python -m benchmarks.real --count STORE [STORE ...]    # adds what MLflow stores hold
    python -m benchmarks.real --table                                        # as docs/real.md shows it
    python -m benchmarks.real --figure                                       # docs/real.svg again

What is counted is added to `results/real_declared.jsonl`; an adapter that is there already stays as it is, since a
study can be computed in parts. `results/real.jsonl` holds the first run, whose answers were cut at 64 tokens; it is not
counted again.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow

from benchmarks import real_floor
from benchmarks.real_answers import Answered, Row, change, counted, lost, read_rows, taught_by
from benchmarks.real_tables import figure, summary, tables, verdicts
from entrypoints.environment import opened_workspace, prepare_environment
from ragft.analysis.statistics.clusters import cluster
from ragft.data.splits import subset_with_share
from ragft.params.values import LOCAL
from ragft.store.datasets import Preparation, find_preparation
from ragft.types import DECIDING

RESULTS = Path(__file__).with_name("results")
# The first run cut answers at 64 tokens, so that no verdict could be given; the other is the command as it is declared.
RUNS = {"first": RESULTS / "real.jsonl", "declared": RESULTS / "real_declared.jsonl"}
FIGURE = RESULTS.parents[1] / "docs" / "real.svg"
AXIS = "ragft.axis_"
NAMED = (
    "dataset", "format", "samples", "epochs", "learning_rate", "unanswerable_share", "withheld_share", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """An adapter of a study, with the tables of answers that its comparison logged.

    Attributes:
        tables: Context -> rows of the adapter's answers.
        verdict: The comparison's outcome, and what it rests on.
        engine: What answered for both sides.
    """

    axes: Mapping[str, str]
    tables: Mapping[str, Sequence[Row]]
    verdict: Mapping[str, Any]
    engine: str


def count(stores: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what is counted of every adapter and of its base in every context, from the runs in MLflow's stores."""
    prepare_environment()
    there: set[tuple[str, ...]] = set()
    with opened_workspace() as workspace:
        for uri in stores:
            bases: dict[tuple[str, str, str], Sequence[Row]] = {}
            for cell in _cells(uri, bases):
                preparation = find_preparation(workspace.store, cell.axes["dataset"])
                assert preparation is not None, cell.axes["dataset"]
                for row in _counted(cell, bases, preparation):
                    # Studies share cells: the settings' hold two of the recipes.
                    if (key := _key(row)) not in there:
                        there.add(key)
                        yield row


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return *row["axes"].values(), row["context"]


def _counted(
    cell: Cell, bases: Mapping[tuple[str, str, str], Sequence[Row]], preparation: Preparation
) -> Iterator[dict[str, Any]]:
    axes = cell.axes
    chosen = subset_with_share(
        preparation.splits["train"], int(axes["samples"]), float(axes["unanswerable_share"]), int(axes["seed"])
    )
    taught = taught_by([each.references[0] for each in chosen if each.answerable])
    questions = {each.id: each for split in preparation.splits.values() for each in split}
    for context, rows in cell.tables.items():
        of_base = bases[axes["dataset"], cell.engine, context]
        assert [row["id"] for row in of_base] == [row["id"] for row in rows], context
        before = read_rows(of_base, questions, context)
        after = read_rows(rows, questions, context)
        asked = [questions[row["id"]] for row in rows]
        labels = cluster(asked).labels
        sides = {"base": before, "adapter": after}
        yield {
            "axes": {name: axes[name] for name in NAMED},
            "context": context,
            # What has none is from before there was another one than torch.
            **({"engine": cell.engine} if cell.engine != LOCAL else {}),
            "change": change(before, after, [labels[each.id] for each in asked]),
            **{
                f"{side} {name}": counted(part, taught)
                for side, answers in sides.items()
                for name, part in _parts(answers).items()
            },
            "lost": lost(before, after, taught),
            **({"verdict": cell.verdict} if context == DECIDING else {}),
        }


def _parts(answers: Sequence[Answered]) -> dict[str, list[Answered]]:
    """Return the answers to questions that can be answered, and to those that cannot; only parts with any."""
    parts = {"answerable": [each for each in answers if each.answerable]}
    parts["unanswerable"] = [each for each in answers if not each.answerable]
    return {name: part for name, part in parts.items() if part}


def _cells(uri: str, bases: dict[tuple[str, str, str], Sequence[Row]]) -> list[Cell]:
    """Return the finished cells of a store; a base's go to ``bases`` by data, engine and context: cells share them."""
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
        verdict: dict[str, Any] = {}
        engine = LOCAL
        for each in _below(run.info.run_id, children):
            tags = each.data.tags
            if tags.get("ragft.step") == "compare":
                verdict, engine = verdict_of(each.info.run_id), each.data.params["engine"]
            if tags.get("ragft.step") != "evaluate" or "ragft.kind" not in tags:
                continue
            rows = _table(each.info.run_id)
            if tags["ragft.kind"] == "base":
                bases[axes["dataset"], each.data.params["engine"], tags["ragft.context"]] = rows
            else:
                tables[tags["ragft.context"]] = rows
        found.append(Cell(axes, tables, verdict, engine))
    return found


def _below(run: str, children: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    for child in children.get(run, ()):
        yield child
        yield from _below(child.info.run_id, children)


def verdict_of(run: str) -> dict[str, Any]:
    """Return the outcome of a comparison's run, and what it rests on."""
    decision, comparison = _json(run, "decision.json"), _json(run, "comparison.json")
    primary = next(each for each in comparison["results"] if each["primary"] and not each["slice"])
    measured = {each["name"]: each for each in comparison["guards"] if each["effect"] is not None}
    shown = {"right": primary, **measured}
    return {
        "outcome": decision["outcome"],
        "because": decision["because"],
        **{
            name: {
                **{key: each["effect"][key] for key in ("base", "version", "gain", "n", "clusters")},
                **{key: each["bounds"][key] for key in ("low", "high")},
            }
            for name, each in shown.items()
        },
    }


def _json(run: str, name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path=name)).read_text())


def _table(run: str) -> list[Row]:
    table = _json(run, "rows.json")
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def stored(run: str) -> list[dict[str, Any]]:
    """Return what was counted of a run, "first" or "declared"."""
    path = RUNS[run]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def blocks() -> dict[str, list[str]]:
    """Return the blocks of docs/real.md by name, and the README's table as ""."""
    first, declared = stored("first"), stored("declared")
    return {
        **tables(first),
        "verdicts": verdicts(declared),
        **{f"declared {name}": lines for name, lines in tables(declared).items()},
        "floor": real_floor.table(),
        "": summary(declared),
    }


def main() -> None:
    """Count, or print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", nargs="+", metavar="STORE")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--figure", action="store_true")
    options = parser.parse_args()
    if options.count:
        there = stored("declared")
        known = {_key(row) for row in there}
        rows = [*there, *(row for row in count(options.count) if _key(row) not in known)]
        RUNS["declared"].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if options.table:
        print("\n\n".join("\n".join([name, *lines]) for name, lines in blocks().items()))
    if options.figure:
        FIGURE.write_text(figure(stored("first"), stored("declared")), encoding="utf-8")


if __name__ == "__main__":
    main()
