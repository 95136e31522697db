"""The table of error rates in the docs is what the stored simulation says, and all its claims hold."""

from pathlib import Path

from benchmarks.verdict import table_of
from benchmarks.worlds import WORLDS

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = (ROOT / "benchmarks/results/verdict.txt").read_text(encoding="utf-8")


def test_the_docs_show_the_table_of_the_stored_simulation() -> None:
    table = table_of(OUTPUT)
    assert len(table) == 2 + len(WORLDS)
    assert "\n".join(table) in (ROOT / "docs/verdict.md").read_text(encoding="utf-8")


def test_the_stored_simulation_ran_every_world_and_all_held() -> None:
    assert OUTPUT.count("NOT HELD") == 0
    assert OUTPUT.rstrip().endswith("Everything holds.")
    assert all(
        f"{world.name}: {world.sizes.sum()} questions in {world.documents} documents" in OUTPUT for world in WORLDS
    )
