"""A study of two cells with the real steps: killed in the middle of writing one, it goes on and shows the same."""

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from ragft.store.embedded import leave_embedded
from ragft.store.server import open_store
from tests.end_to_end.conftest import ROOT, Checkout
from tests.end_to_end.test_readme import parse

STUDY: dict[str, Any] = {
    "format": "closed_book",
    "samples": 8,
    "epochs": 2,
    "seeds": "0,1",
    "questions": 6,
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


def killed_in(home: Checkout, kill_point: str, out: Path) -> bool:
    """Start the study and kill it where it is held at the kill point; False where it ends without passing it."""
    words = [word for key, value in {**STUDY, "export": out}.items() for word in (f"--{key}", str(value))]
    with home.start(
        [sys.executable, "-m", "entrypoints.study", *words], {"RAGFT_TEST_KILL_POINT": kill_point}
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("held at: "):
                os.kill(process.pid, signal.SIGKILL)
                break
        return process.wait() == -signal.SIGKILL


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Checkout]:
    """A home where the study ran through, and one where it was killed; the base is the pocket."""
    folder = tmp_path_factory.mktemp("study")
    calm, killed = (same_fences(Checkout(folder / name, folder)) for name in ("calm", "killed"))
    calm.step("setup")
    calm.mlflow_run("study", cold=True, **STUDY, export=calm.home / "study.json")
    return calm, killed


def test_a_killed_study_goes_on_with_the_cell_in_flight(homes: tuple[Checkout, Checkout]) -> None:
    calm, killed = homes
    params = {**STUDY, "export": killed.home / "study.json"}
    # With the claim on the base in flight, beside that on the first cell.
    assert killed_in(killed, "claims.take:1", killed.home / "study.json")
    assert killed_in(killed, "study.cell:1", killed.home / "study.json")
    rest = killed.step("study", **params)
    assert "2 cells, of which 1 are done" in rest.stdout
    assert rest.stdout.count("[2/2]") == 1
    assert "[1/2]" not in rest.stdout
    assert table(killed.home / "study.json") == table(calm.home / "study.json")


def test_its_table_holds_judged_answers_of_both_adapters(homes: tuple[Checkout, Checkout]) -> None:
    found = table(homes[0].home / "study.json")
    (group,) = found["groups"]
    assert group["seeds"] == ["0", "1"]
    changes = {(change["measure"], change["decides"]): change["n"] for change in group["changes"]}
    assert changes == {
        ("accuracy", True): 6,
        ("completeness", True): 6,
        ("truth_right", False): 6,
        ("false_answer", False): 5,
    }
    assert {cell["outcome"] for cell in found["cells"]} <= {"promote", "hold", "reject", "inconclusive"}


def test_the_same_again_loads_no_model(homes: tuple[Checkout, Checkout]) -> None:
    calm, _ = homes
    verbose = {"PYTHONVERBOSE": "1"}
    again = calm.step("study", cold=True, **STUDY, export=calm.home / "again.json", environment=verbose)
    assert "2 cells, of which 2 are done" in again.stdout
    assert table(calm.home / "again.json") == table(calm.home / "study.json")
    assert "import 'mlflow'" in again.stderr
    assert "import 'torch'" not in again.stderr


def test_every_study_of_the_docs_can_be_planned(homes: tuple[Checkout, Checkout]) -> None:
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("study.md", "results.md")]
    lines = [line for page in pages for line in page.splitlines() if line.startswith("mlflow run ")]
    assert len(lines) == 7
    for line in lines:
        step, params = parse(line)
        assert step == "study"
        said = homes[0].step(step, **{**params, "dry_run": True}).stdout
        assert re.search(r"^\d+ of \d+ cells are done; time ", said, flags=re.MULTILINE), line
        assert "groups of documents show differences from" in said
