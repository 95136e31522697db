"""What `promote` made of adapters of SmolLM2 on telecom's split `confirm`, as docs/real.md shows it.

python -m benchmarks.real_confirm --count STORE    # from MLflow's store of the runs
python -m benchmarks.real_confirm                  # the table again
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow

from benchmarks.real import verdict_of
from benchmarks.real_tables import bounded

RESULTS = Path(__file__).with_name("results") / "real_confirm.json"
MEASURES = {"right": 1, "false_answers": -1, "false_refusals": -1}


def count(uri: str) -> Iterator[dict[str, Any]]:
    """Yield each verdict on ``confirm``, with what the adapter was trained on."""
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments()]
    chosen = "tags.`ragft.step` = 'compare' and params.split = 'confirm' and attributes.status = 'FINISHED'"
    for run in client.search_runs(experiments, chosen, order_by=["attributes.start_time ASC"]):
        name, number = run.data.tags["ragft.version"].removeprefix("models:/").split("/")
        trained = client.get_run(client.get_model_version(name, number).run_id or "").data.params
        yield {
            "trained": {key: trained[key] for key in ("dataset", "format", "samples", "unanswerable_share", "seed")},
            "engine": run.data.params["engine"],
            "verdict": verdict_of(run.info.run_id),
        }


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table as Markdown."""
    lines = [
        "| trained | without an answer | verdict | right, of all | false answers | false refusals |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        trained, found = row["trained"], row["verdict"]
        told = " | ".join(bounded(found[name], sign) for name, sign in MEASURES.items())
        recipe = f"{trained['dataset']}, {trained['format']}, {trained['samples']}, seed {trained['seed']}"
        lines.append(f"| {recipe} | {float(trained['unanswerable_share']):g} | {found['outcome']} | {told} |")
    return lines


def main() -> None:
    """Count, or print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", metavar="STORE")
    options = parser.parse_args()
    if options.count:
        RESULTS.write_text(json.dumps(list(count(options.count)), indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(json.loads(RESULTS.read_text(encoding="utf-8")))))


if __name__ == "__main__":
    main()
