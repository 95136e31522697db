"""A study of two cells killed with -9 at every kill point, again and again: the final tables are identical."""

import re
from pathlib import Path

from ragft.store.kill_points import KILL_POINTS
from tests.end_to_end.conftest import Checkout
from tests.end_to_end.test_study import STUDY, killed_in, same_fences, table

LEAST_KILLS = 20
OF_A_STUDY = {name for name in KILL_POINTS if not name.startswith(("promote.", "register.", "probe.", "traces."))}
# In the order in which a cell passes them: one that is killed at is not passed, one that is never reached would let the
# study run to its end. The second adapter needs no preparation, and may say what is judged already.
FIRST = (
    "claims.take",
    "prepare.save",
    "prepare.embed",
    "prepare.freeze",
    "finetune.checkpoint",
    "generate.write",
    "retrieve.freeze",
    "judge.write",
    "study.cell",
)
SECOND = ("finetune.checkpoint", "generate.write", "study.cell")
# Entered more than once by each cell: every other home is killed there one entry later, with half of it written.
OFTEN = ("prepare.save", "finetune.checkpoint", "generate.write")


def test_tables_are_identical_after_twenty_kills(tmp_path: Path) -> None:
    assert set(FIRST) == OF_A_STUDY
    calm = same_fences(Checkout(tmp_path / "calm", tmp_path))
    calm.step("study", **STUDY, export=tmp_path / "calm.json")
    kills: dict[str, int] = dict.fromkeys(FIRST, 0)
    for home_number in range(4):
        home = same_fences(Checkout(tmp_path / f"home{home_number}", tmp_path))
        out = tmp_path / f"{home_number}.json"
        for kill_point in (*FIRST, *SECOND):
            entry = home_number % 2 if kill_point in OFTEN else 0
            if killed_in(home, f"{kill_point}:{entry}", STUDY, out):
                kills[kill_point] += 1
        rest = home.step("study", **STUDY, export=out)
        done = re.search(r"2 cells, of which (\d) are done", rest.stdout)
        assert done is not None
        assert rest.stdout.count("/2]") == 2 - int(done[1])
        assert table(out) == table(tmp_path / "calm.json"), home_number
        if sum(kills.values()) >= LEAST_KILLS:
            break
    assert sum(kills.values()) >= LEAST_KILLS, kills
    assert all(kills.values()), kills
