"""A study of two cells killed with -9 in every window, again and again: the final tables are identical."""

import re
from pathlib import Path

from ragft.store.windows import WINDOWS
from tests.end_to_end.conftest import Checkout
from tests.end_to_end.test_study import STUDY, killed_in, same_fences, table

LEAST_KILLS = 20
OF_A_STUDY = [name for name in WINDOWS if not name.startswith(("promote.", "probe."))]


def test_tables_are_identical_after_twenty_kills(tmp_path: Path) -> None:
    calm = same_fences(Checkout(tmp_path / "calm", tmp_path))
    calm.step("study", **STUDY, export=tmp_path / "calm.json")
    kills: dict[str, int] = dict.fromkeys(OF_A_STUDY, 0)
    entered: set[str] = set()
    for home_number in range(10):
        home = same_fences(Checkout(tmp_path / f"home{home_number}", tmp_path))
        out = tmp_path / f"{home_number}.json"
        # Every home is killed at other entries of the windows, in their order; what a home has done it does not enter.
        for window in OF_A_STUDY:
            if killed_in(home, f"{window}:{home_number}", out):
                kills[window] += 1
                entered.add(window)
        rest = home.step("study", **STUDY, export=out)
        done = re.search(r"2 cells, of which (\d) are done", rest.stdout)
        assert done is not None
        assert rest.stdout.count("/2]") == 2 - int(done[1])
        assert table(out) == table(tmp_path / "calm.json"), home_number
        if sum(kills.values()) >= LEAST_KILLS:
            break
    assert sum(kills.values()) >= LEAST_KILLS, kills
    assert entered == set(OF_A_STUDY), kills
