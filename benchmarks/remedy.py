"""The demo's closed-book adapter, which is rejected, and what a search for a remedy makes of it.

What is tried, and in which order, was fixed before this was run first (`ragft/analysis/verdict/remedies.py`).

    RAGFT_HOME=FOLDER OMP_NUM_THREADS=1 python -m benchmarks.remedy    # goes on where it was stopped
    python -m benchmarks.remedy --page                                 # writes what docs/remedy.md shows of it
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoints.environment import opened_workspace, prepare_environment
from ragft.params.searches import DemoParams, RemedyParams
from ragft.params.training import FinetuneParams
from ragft.params.values import NO_JUDGE
from ragft.params.verdict import CompareParams
from ragft.report.remedies import outcome, table, why

OUTPUT = Path(__file__).with_name("results") / "remedy.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "remedy.md"
START, END = "<!-- made by benchmarks.remedy -->\n", "<!-- end -->"
DEMO = DemoParams()
DEV_QUESTIONS = 100


def run() -> Mapping[str, Any]:
    """Return the record of the search; what was computed before is taken from the home."""
    prepare_environment()
    with opened_workspace() as workspace:
        from entrypoints.steps import compare, finetune, remedy

        version = finetune.run(DEMO.pick(FinetuneParams, withheld_share=0.0), workspace).version
        asked = DEMO.pick(CompareParams, model=version.uri, against=f"models:/{version.name}/1", judge=NO_JUDGE)
        compare.run(asked, workspace)
        params = RemedyParams(model=version.uri, against=asked.against, dev_questions=DEV_QUESTIONS)
        return remedy.run(params, workspace).record


def shown(record: Mapping[str, Any]) -> str:
    """Return what the page shows of a record, as Markdown."""
    causes = [f"- {each['words']}" for each in record["causes"]]
    said = f"{why(record)} {outcome(record)} The verdict: {record['verdict']['verdict']}."
    return "\n".join(["", "What was wrong with it:", "", *causes, "", *table(record), "", said, "", ""])


def with_record(page: str, record: Mapping[str, Any]) -> str:
    """Return the page with what it shows of a record."""
    before, _, rest = page.partition(START)
    return f"{before}{START}{shown(record)}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Run it and keep the record, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true")
    if not parser.parse_args().page:
        OUTPUT.write_text(json.dumps(run(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    record = json.loads(OUTPUT.read_text(encoding="utf-8"))
    PAGE.write_text(with_record(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


if __name__ == "__main__":
    main()
