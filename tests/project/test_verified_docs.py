"""The tables of checked answers are what the stored output says, and the promise is kept as often as it says."""

import json
from pathlib import Path

from scipy.stats import binom

from benchmarks import verified

ROOT = Path(__file__).resolve().parents[2]
STORED = json.loads(verified.OUTPUT.read_text(encoding="utf-8"))
DOCS = (ROOT / "docs/verified.md").read_text(encoding="utf-8")


def test_the_docs_show_the_simulated_worlds_and_none_breaks_more_promises_than_it_may() -> None:
    assert verified.simulated_table(STORED) in DOCS
    assert len(STORED["simulated"]) == len(verified.WORLDS) == 56
    for each in STORED["simulated"]:
        # What a true 10 % would show in all but 1 of 200 simulations.
        assert each["broken"] <= binom.ppf(0.995, each["studies"], 0.1), each
    assert max(each["broken"] / each["studies"] for each in STORED["simulated"]) < 0.1


def test_the_docs_show_the_draws_on_telecom_and_at_most_a_tenth_breaks_the_promise() -> None:
    assert verified.telecom_table(STORED) in DOCS
    draws = [draw for each in STORED["telecom"] for draw in each["draws"]]
    assert len(draws) >= 2 * len(verified.LIMITS)
    for draw in draws:
        assert draw["resamples"] >= 200
        assert draw["broken"] <= 0.1 * draw["resamples"], draw
    # Not kept by never being made.
    assert max(draw["promised"] for draw in draws) > 100
