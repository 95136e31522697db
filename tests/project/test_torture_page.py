"""The docs say of the stored torture what its record holds, and a record with a fault is not stored."""

import random

from tests.torture.moments import Calm, draw
from tests.torture.page import BLOCK, PAGE, sentence, stored

TIMES = Calm(startup=3.0, loading=8.0, work=15.0, shutdown=2.0)


def test_the_page_says_what_the_record_holds() -> None:
    (found,) = BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    assert found[0] == f"{found[1]}{sentence(stored())}{found[2]}"


def test_the_record_lost_nothing_and_changed_no_table() -> None:
    record = stored()
    assert record["kills"] == sum(record["phases"].values()) >= 10
    assert (record["rows_lost"], record["problems"]) == (0, [])
    assert record["homes"] > 1
    assert record["phases"]["work"] > record["kills"] / 4


def test_moments_are_drawn_over_the_whole_run_and_most_where_work_is_done() -> None:
    chance = random.Random(0)
    drawn = [draw(chance, TIMES, first=False) for _ in range(2000)]
    work = [delays["work"] for delays in drawn if "work" in delays]
    assert 0 <= min(work) < TIMES.loading  # imports are killed too
    assert max(work) <= TIMES.work
    assert sum(delay >= TIMES.loading for delay in work) > 0.8 * len(drawn)
    for phase, most in (("start-up", TIMES.startup), ("shutdown", TIMES.shutdown)):
        delays = [each[phase] for each in drawn if phase in each]
        assert len(delays) > 50
        assert max(delays) <= most
    # Without a store there is no secret yet: the first kill never lets the work begin.
    assert all(draw(chance, TIMES, first=True)["work"] == 0 for _ in range(50))
