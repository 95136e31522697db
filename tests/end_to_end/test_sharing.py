"""One study with the real steps by two processes on one home: as by one, and nothing is computed twice."""

import json
import re
import threading
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import Checkout
from tests.end_to_end.test_study import table
from tests.torture.attempt import Attempt, attempt
from tests.torture.ledger import look, prepare_store, runs_left_running
from tests.torture.life import adapters_of
from tests.torture.small_study import make_study, words_of
from tests.warm import Warm

ONCE = ("vectors", "retrievals", "answers", "study_cells")


def unnumbered(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Return what a study exported without the numbers of versions, and without the last digits of what is computed.

    A judge's scores of the same words differ by a hair with what else is in the batch.
    """
    return _rounded(json.loads(re.sub(r"(models:/[^/ ]+)/\d+", r"\1", json.dumps(table(path)))))


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 5) if isinstance(value, float) else value


def test_two_processes_compute_each_row_once_and_show_what_one_shows(tmp_path: Path) -> None:
    params = {**make_study(tmp_path / "study"), "seeds": "0,1,2,3"}
    alone, shared = (Checkout(tmp_path / name, params["base"]) for name in ("alone", "shared"))
    for home in (alone, shared):
        prepare_store(home.home)
    warm = Warm()
    try:
        whole = attempt(alone, words_of(params, tmp_path / "alone.json"), warm=warm)
        ended: dict[int, Attempt] = {}

        def run(number: int) -> None:
            ended[number] = attempt(shared, words_of(params, tmp_path / f"{number}.json"), warm=warm)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        warm.close()
    assert whole.code == 0, "".join(whole.said)
    assert [each.code for each in ended.values()] == [0, 0], "\n".join("".join(each.said) for each in ended.values())
    said = ["".join(each.said) for each in ended.values()]
    assert all("cells computed by 2 processes: " in each for each in said), said
    # Which number a version gets depends on whose adapter is ready first.
    expected = unnumbered(tmp_path / "alone.json")
    assert unnumbered(tmp_path / "0.json") == unnumbered(tmp_path / "1.json") == expected
    (found, made), (whole_found, whole_made) = look(shared.home), look(alone.home)
    # Cells and trials hold those numbers too, and judgements those digits.
    same = set(found) - {"study_cells", "trials", "judgements"}
    assert {name: found[name] for name in same} == {name: whole_found[name] for name in same}
    rows = {name: {part.partition(",")[0] for part in (found[name], whole_found[name])} for name in found}
    assert all(len(numbers) == 1 for numbers in rows.values()), rows
    # The base's answers among them: whoever comes second waits. Judgements are keyed by the words of an answer,
    # and both may judge the same words at once.
    assert {name: made[name] for name in ONCE} == {name: whole_made[name] for name in ONCE}
    assert adapters_of(shared.home) == adapters_of(alone.home)
    assert runs_left_running(shared.home) == 0
