"""A study of two cells with the real steps: killed in the middle of writing one, it goes on and shows the same."""

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store
from tests.end_to_end.conftest import Checkout
from tests.torture.small_study import make_data

STUDY: dict[str, Any] = {
    "format": "closed_book",
    "samples": 4,
    "epochs": 2,
    "seeds": "0,1",
    "questions": 4,
    "agreement": 0,
    "max_new_tokens": 32,
}  # fmt: skip
OF_THIS_MACHINE = ("seconds", "work")


def table(path: Path) -> Any:  # noqa: ANN401 - JSON
    """What a study exported, without how long it took."""
    found = json.loads(path.read_text(encoding="utf-8"))
    found["cells"] = [{k: v for k, v in cell.items() if k not in OF_THIS_MACHINE} for cell in found["cells"]]
    return found


def same_fences(home: Checkout) -> Checkout:
    """Give the home's store a known secret: judges are shown fences made of it, and score by a hair otherwise."""
    home.home.mkdir(parents=True, exist_ok=True)
    with open_store(None, home.home) as store, store.transaction() as cursor:
        cursor.execute("UPDATE store SET secret = %s", [bytes(32)])
    leave_embedded(home.home)
    return home


def killed_in(home: Checkout, kill_point: str, study: dict[str, Any], out: Path) -> bool:
    """Start the study and kill it where it is held at the kill point; False where it ends without passing it."""
    words = [word for key, value in {**study, "export": out}.items() for word in (f"--{key}", str(value))]
    with home.start(
        [sys.executable, "-m", "entrypoints.study", *words], {"RAGFT_TEST_KILL_POINT": kill_point}
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("held at: "):
                os.kill(process.pid, signal.SIGKILL)
                break
        return process.wait() == -signal.SIGKILL


@dataclass(frozen=True)
class Homes:
    """A home where the study ran through, one where it was killed, and its parameters; the base is the pocket."""

    calm: Checkout
    killed: Checkout
    study: dict[str, Any]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    folder = tmp_path_factory.mktemp("study")
    study = {**STUDY, **make_data(folder / "data")}
    calm, killed = (same_fences(Checkout(folder / name, folder)) for name in ("calm", "killed"))
    calm.step("setup")
    calm.mlflow_run("study", cold=True, **study, export=calm.home / "study.json")
    return Homes(calm, killed, study)


def test_a_killed_study_goes_on_with_the_cell_in_flight(homes: Homes) -> None:
    killed, out = homes.killed, homes.killed.home / "study.json"
    # With the claim on the base in flight, beside that on the first cell.
    assert killed_in(killed, "claims.take:1", homes.study, out)
    assert killed_in(killed, "study.cell:1", homes.study, out)
    rest = killed.step("study", **homes.study, export=out)
    assert "2 cells, of which 1 are done" in rest.stdout
    assert rest.stdout.count("[2/2]") == 1
    assert "[1/2]" not in rest.stdout
    assert table(out) == table(homes.calm.home / "study.json")


def test_its_table_holds_judged_answers_of_both_adapters_and_what_decides(homes: Homes) -> None:
    found = table(homes.calm.home / "study.json")
    (group,) = found["groups"]
    assert group["seeds"] == ["0", "1"]
    changes = {(change["measure"], change["decides"]): change["n"] for change in group["changes"]}
    # Answers are short, so whether they are right decides, and not what the judge says.
    assert changes == {("accuracy", False): 4, ("completeness", False): 4, ("right", True): 4}
    assert {cell["outcome"] for cell in found["cells"]} <= {"promote", "hold", "reject", "inconclusive"}


def test_the_same_again_loads_no_model(homes: Homes) -> None:
    calm = homes.calm
    verbose = {"PYTHONVERBOSE": "1"}
    again = calm.step("study", cold=True, **homes.study, export=calm.home / "again.json", environment=verbose)
    assert "2 cells, of which 2 are done" in again.stdout
    assert table(calm.home / "again.json") == table(calm.home / "study.json")
    assert "import 'mlflow'" in again.stderr
    assert "import 'torch'" not in again.stderr
