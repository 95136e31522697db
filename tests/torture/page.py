"""The sentence of the docs on the last stored torture, made from its record."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUTCOME = ROOT / "benchmarks" / "results" / "torture.json"
PAGE = ROOT / "docs" / "study.md"
BLOCK = re.compile(r"(<!-- made by make torture -->\n).*?(<!-- end -->)", re.DOTALL)


def sentence(record: dict[str, Any]) -> str:
    """Return what the docs say of a torture."""
    phases = ", ".join(f"{count} in {phase}" for phase, count in record["phases"].items())
    again = record["in_flight_and_written_again"]
    twice = ", ".join(f"{count} {name}" for name, count in again.items() if count) or "none"
    return (
        f"The last stored torture (seed {record['seed']}): {record['kills']} kills with -9 at random moments\n"
        f"({phases}) in {record['homes']} studies; rows lost: {record['rows_lost']};\n"
        f"rows that a kill met before they were committed and that were written again: {twice};\n"
        f"exported tables, adapters and all tables of Postgres that differ from an unkilled study: "
        f"{len(record['problems'])}.\n"
    )


def stored() -> dict[str, Any]:
    """Return the stored record."""
    found: dict[str, Any] = json.loads(OUTCOME.read_text(encoding="utf-8"))
    return found


def update(record: dict[str, Any]) -> None:
    """Write the sentence into the docs."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda found: f"{found[1]}{sentence(record)}{found[2]}", text), encoding="utf-8")
