"""What the answers of the studies in docs/real.md are made of, and what stands where a right answer of the base stood.

It reads the tables of answers that the studies logged, and takes the training samples from the store. What is
counted was fixed, with what is expected of it, before the studies were run.

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

from ragft.judging.abstention import abstains
from ragft.judging.overlap import normalised_words
from ragft.judging.short_answers import stands_in

OUTPUT = Path(__file__).with_name("results") / "real.jsonl"
LONG_QUOTE = 8
LOST = ("abstained", "after the first line", "training answer", "words of a passage", "other words")
AXIS = "ragft.axis_"
NAMED = (
    "dataset", "format", "samples", "epochs", "learning_rate", "unanswerable_share", "withheld_share", "seed",
)  # fmt: skip
SHARES = ("right", "abstained", "quote", "long quote", "training answer")
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
        if any(stands_in(normalised_words(each), normalised_words(self.text)) for each in self.references):
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


def read_rows(rows: Sequence[Row], context: str) -> list[Answered]:
    """Return a logged table of answers; in ``withheld`` no question can be answered."""
    return [
        Answered(
            str(row["input"]),
            str(row["output"] or ""),
            tuple(str(row["expected_output"] or "").split("\nor: ")),
            str(row["context"] or ""),
            bool(row["answerable"]) and context != "withheld",
            _right(row, context),
        )
        for row in rows
    ]


def _right(row: Row, context: str) -> bool:
    if bool(row["answerable"]) and context != "withheld":
        return bool(row["outcome"] == "right")
    return abstains(str(row["output"] or ""), str(row["input"]))


@dataclass(frozen=True)
class Cell:
    """An adapter of a study, with the tables of answers that its comparison logged.

    Attributes:
        tables: Context -> rows of the adapter's answers.
    """

    axes: Mapping[str, str]
    tables: Mapping[str, Sequence[Row]]


def count(stores: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is counted of every adapter and of its base in every context, from the runs in MLflow's stores."""
    from entrypoints.environment import opened_workspace, prepare_environment
    from ragft.data.splits import subset_with_share
    from ragft.store.datasets import find_preparation

    prepare_environment()
    bases: dict[tuple[str, str], Sequence[Row]] = {}
    cells: list[Cell] = []
    for uri in stores:
        cells += _cells(uri, bases)
    found: list[dict[str, Any]] = []
    with opened_workspace() as workspace:
        for cell in cells:
            axes = cell.axes
            preparation = find_preparation(workspace.store, axes["dataset"])
            assert preparation is not None, axes["dataset"]
            chosen = subset_with_share(
                preparation.splits["train"], int(axes["samples"]), float(axes["unanswerable_share"]), int(axes["seed"])
            )
            taught = taught_by([each.references[0] for each in chosen if each.answerable])
            for context, rows in cell.tables.items():
                before, after = read_rows(bases[axes["dataset"], context], context), read_rows(rows, context)
                found.append(
                    {
                        "axes": {name: axes[name] for name in NAMED},
                        "context": context,
                        **{
                            f"{side} {name}": counted(part, taught)
                            for side, answers in (("base", before), ("adapter", after))
                            for name, part in _parts(answers).items()
                        },
                        "lost": lost(before, after, taught),
                    }
                )
    return found


def _parts(answers: Sequence[Answered]) -> dict[str, list[Answered]]:
    """Return the answers to questions that can be answered, and to those that cannot; only parts with any."""
    parts = {"answerable": [each for each in answers if each.answerable]}
    parts["unanswerable"] = [each for each in answers if not each.answerable]
    return {name: part for name, part in parts.items() if part}


def _cells(uri: str, bases: dict[tuple[str, str], Sequence[Row]]) -> list[Cell]:
    """Return the finished cells of a store; tables of a base go to ``bases``, since cells share them."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs: list[Any] = []
    token = None
    while token is not None or not runs:
        page = client.search_runs(experiments, "attributes.status = 'FINISHED'", page_token=token)
        runs += page
        token = page.token
        if not token:
            break
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
    import mlflow

    table = json.loads(Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path="rows.json")).read_text())
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def stored() -> list[dict[str, Any]]:
    """Return what was counted."""
    return [json.loads(line) for line in OUTPUT.read_text().splitlines()]


def main() -> None:
    """Count, or print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", nargs="+", metavar="STORE")
    options = parser.parse_args()
    if options.count:
        rows = count(options.count)
        OUTPUT.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
