"""What SmolLM2 does with the few questions of BioASQ and Qasper that this repository ships, as docs/real.md shows it.

    python -m benchmarks.real_floor --count STORE [STORE ...]    # from the MLflow stores of the studies
    python -m benchmarks.real_floor                              # the table again

So few questions say nothing about an adapter; whether the base reads such texts at all is all that is asked.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow

RESULTS = Path(__file__).with_name("results") / "real_floor.json"
CONTEXTS = ("oracle", "retrieved", "none")


def count(stores: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield token F1 of every side of the studies in every context, with how many questions could be right or wrong."""
    for uri in stores:
        client = mlflow.MlflowClient(uri)
        experiments = [each.experiment_id for each in client.search_experiments()]
        for run in client.search_runs(experiments, "attributes.status = 'FINISHED'", max_results=50_000):
            tags, metrics = run.data.tags, run.data.metrics
            if tags.get("ragft.step") == "evaluate" and tags.get("ragft.context") in CONTEXTS:
                yield {
                    "data": tags["ragft.data"],
                    "side": "base" if tags["ragft.kind"] == "base" else tags["ragft.format"],
                    "context": tags["ragft.context"],
                    "n": int(metrics["answer_f1/n_scored"]),
                    "f1": round(metrics["answer_f1/mean"], 3),
                    "right_or_wrong": int(metrics["right/n_scored"]),
                }


def table() -> list[str]:
    """Return the table as Markdown."""
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    lines = ["| data | answered by | n | token F1: right passage | retrieved | none |", "|---|---|---|---|---|---|"]
    for data, side in dict.fromkeys((row["data"], row["side"]) for row in rows):
        of = {row["context"]: row for row in rows if (row["data"], row["side"]) == (data, side)}
        told = " | ".join(f"{of[context]['f1']:.2f}" if context in of else "–" for context in CONTEXTS)
        lines.append(f"| {data} | {side} | {of['retrieved']['n']} | {told} |")
    return lines


def main() -> None:
    """Count, or print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", nargs="+", metavar="STORE")
    options = parser.parse_args()
    if options.count:
        found = {json.dumps(row, sort_keys=True) for row in count(options.count)}
        text = ",\n".join(sorted(found))
        RESULTS.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    print("\n".join(table()))


if __name__ == "__main__":
    main()
