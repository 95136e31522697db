"""The table of error rates in the docs is what the stored simulation says, and all its claims hold."""

import json
from pathlib import Path

import numpy as np

from benchmarks import aa, corrected_verdict, cut, guard_worlds, guards, variance
from benchmarks.variance_scores import FORMS, MORE, ORDERS
from benchmarks.variance_scores import OUTPUT as VARIANCE
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


def test_the_docs_show_the_table_of_the_stored_simulation_of_guards() -> None:
    stored = json.loads(guards.OUTPUT.read_text(encoding="utf-8"))
    worlds = [stored[str(number)] for number in range(len(guard_worlds.WORLDS))]
    text = (ROOT / "docs/verdict.md").read_text(encoding="utf-8")

    assert len(stored) == len(worlds)
    assert "\n".join(guards.table_of(worlds)) in text
    assert {(each["name"], each["documents"]) for each in worlds} == {
        (w.name, w.documents) for w in guard_worlds.WORLDS
    }
    (studies,) = {each["studies"] for each in worlds}
    assert f"{studies:,} studies for each boundary" in text
    assert guards.broken(worlds) == []


def test_the_docs_show_the_stored_comparisons_of_the_base_with_itself() -> None:
    stored = json.loads(aa.OUTPUT.read_text(encoding="utf-8"))
    text = (ROOT / "docs/verdict.md").read_text(encoding="utf-8")

    assert stored.keys() == set(aa.KINDS)
    assert "\n".join(aa.table_of(stored)) in text
    assert aa.sentence(stored) in " ".join(text.split())
    for found in stored.values():
        assert found["unscored"] == 0
        assert sum(found["outcomes"].values()) == found["resamples"] >= 400
        for wrong in ("promote", "reject"):
            assert aa.upper(found["outcomes"].get(wrong, 0), found["resamples"]) < 0.05


def test_the_docs_show_what_narrows_an_interval_as_the_stored_scores_say() -> None:
    measured = variance.Measured(json.loads(VARIANCE.read_text(encoding="utf-8")))
    text = (ROOT / "docs/verdict.md").read_text(encoding="utf-8")

    assert "\n".join(variance.table_of(measured)) in text
    assert variance.sentence(measured) in " ".join(text.split())
    assert "No score was missing" in text
    for name in ("one pass", *FORMS, *ORDERS, MORE, "sampled", "reasoned"):
        assert not np.isnan(measured.scores(name)).any()


def test_the_docs_show_where_the_judges_cut_lies() -> None:
    assert "\n".join(cut.table()) in (ROOT / "docs/metrics.md").read_text(encoding="utf-8")


def test_the_docs_show_the_stored_simulation_of_verdicts_that_people_correct() -> None:
    stored = json.loads(corrected_verdict.OUTPUT.read_text(encoding="utf-8"))
    text = (ROOT / "docs/judge.md").read_text(encoding="utf-8")

    assert stored.keys() <= {cell.key for cell in corrected_verdict.cells()}
    assert len(corrected_verdict.saving_table(stored)) == 2 + 60
    for lines in corrected_verdict.parts(stored).values():
        assert "\n".join(lines) in text
    null = [cell for cell in corrected_verdict.cells() if not cell.better]
    assert all(stored[cell.key]["studies"] >= 250 for cell in null)
