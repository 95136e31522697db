"""Studies on a real store and a real MLflow database; what computes a cell is imagined."""

import dataclasses
import json
import platform
import shlex
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from entrypoints.steps import study
from entrypoints.steps.matrix.cells import Cell, Identities, cells_of
from entrypoints.steps.matrix.plan import kinds_of
from entrypoints.steps.matrix.presets import matrix_of
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.read_record import read_record
from ragft.analysis.study.findings import CellResult, Study, Work
from ragft.judging.calibration import calibrate
from ragft.params.searches import StudyParams
from ragft.result_versions import VERSIONS
from ragft.store.calibrations import save_calibration
from ragft.store.labels import Label, save_labels
from ragft.store.working import Working
from tests.unit.analysis.studies_of_cells import cell as imagined

# MLflow's own look at the columns of a table.
pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes are included")
PARAMS = StudyParams(agreement="0", seeds="0,1")


class Imagined:
    """Computes cells from their axes alone, and remembers which."""

    def __init__(self, stop_at: int = 10**6) -> None:
        self.computed: list[str] = []
        self._stop_at = stop_at

    def __call__(self, _: Identities, __: Working) -> "Imagined":
        return self

    def run(self, cell: Cell) -> CellResult:
        if len(self.computed) == self._stop_at:
            raise KeyboardInterrupt
        self.computed.append(cell.name)
        gain = -0.4 if cell.finetune.format == "closed_book" else 0.0
        axes = {name: str(value) for name, value in cell.axes.items()}
        work = tuple(Work(stage, kind, 100, 50.0, platform.node()) for stage, kind in kinds_of(cell).items())
        return dataclasses.replace(imagined(gain, seed=axes["seed"]), name=cell.name, axes=axes, work=work)


def test_the_same_study_again_computes_nothing_and_shows_the_same(workspace: Workspace, said: list[str]) -> None:
    first, again = Imagined(), Imagined()
    found = study.run(PARAMS, workspace, first)
    assert len(first.computed) == 4
    assert study.run(PARAMS, workspace, again) == found
    assert again.computed == []
    assert "4 cells, of which 4 are done" in said
    (line,) = [line for line in said if line.startswith("[2/4]")]
    assert line.startswith("[2/4] telecom|n200|lora closed_book s1: hold, accuracy -0.4")
    assert line.endswith(" left")


def test_labels_that_came_since_are_counted_and_the_command_that_counts_them_is_said(
    workspace: Workspace, said: list[str]
) -> None:
    label = Label(item="i", criterion="accuracy", scale="s", annotator="ann", value=3)
    # Those from before stand in the verdicts, and those under other criteria decide nothing.
    save_labels(workspace.store, [label])
    study.run(PARAMS, workspace, Imagined())
    save_labels(workspace.store, [dataclasses.replace(label, criterion="tone")])
    study.run(PARAMS, workspace, Imagined())
    assert not [line for line in said if "labels" in line]
    save_labels(workspace.store, [dataclasses.replace(label, item=item) for item in ("j", "k")])
    study.run(dataclasses.replace(PARAMS, seeds="0,1,2"), workspace, Imagined())
    (line,) = [line for line in said if "labels" in line]
    assert line.startswith("- people gave up to 2 labels since 4 of 6 cells were compared")
    assert "for telecom|n200|lora closed_book s0: mlflow run . -e compare -P dataset=telecom" in line
    words = shlex.split(line[line.index("mlflow run") :])
    given = dict(word.split("=", 1) for word in words if "=" in word)
    assert (given["model"], given["against"]) == (
        "models:/ragft-telecom-pocket/<number>",
        "models:/ragft-telecom-pocket/1",
    )
    (run, *_) = MlflowClient().search_runs(
        [MlflowClient().get_experiment_by_name("ragft").experiment_id]  # type: ignore[union-attr]
    )
    table = json.loads(Path(MlflowClient().download_artifacts(run.info.run_id, "cells.json")).read_text())
    place = [table["columns"].index(name) for name in ("cell", "labels_since")]
    since = {row[place[0]]: row[place[1]] for row in table["data"]}
    assert {name: count for name, count in since.items() if count} == dict.fromkeys(
        [name for name in since if not name.endswith("s2")], 2
    )


def test_a_judge_that_was_calibrated_since_is_said_with_the_command_that_knows_it(
    workspace: Workspace, said: list[str]
) -> None:
    cell = cells_of(PARAMS, matrix_of(PARAMS))[0]
    data = Identities(workspace).dataset(cell).sha256
    made = calibrate("accuracy", [1.0, 2.0], [1.0, 2.0], ["a", "b"], "people.csv").as_record()

    def calibrated(record: dict[str, Any], criterion: str, data: str) -> None:
        save_calibration(
            workspace.store, record, judge="j", criterion=criterion, estimator=cell.compare.estimator, data=data
        )

    # What was known before stands in the verdicts; other criteria and other data decide nothing.
    calibrated(made, "before", data)
    study.run(PARAMS, workspace, Imagined())
    calibrated({**made, "criterion": "tone"}, "tone", data)
    calibrated(made, "elsewhere", "other data")
    study.run(PARAMS, workspace, Imagined())
    assert not [line for line in said if "calibrated" in line]
    calibrated(made, "since", data)
    study.run(PARAMS, workspace, Imagined())
    (line,) = [line for line in said if "calibrated" in line]
    assert line.startswith("- a judge was calibrated since 4 of 4 cells were compared")
    assert "for telecom|n200|lora closed_book s0: mlflow run . -e compare -P dataset=telecom" in line


def test_a_changed_study_computes_what_is_new(workspace: Workspace) -> None:
    study.run(PARAMS, workspace, Imagined())
    more = Imagined()
    found = study.run(dataclasses.replace(PARAMS, seeds="0,1,2", epochs="3"), workspace, more)
    assert found is not None
    assert more.computed == ["telecom|n200|lora closed_book s2", "telecom|n200|lora retrieved s2"]
    assert [group.seeds for group in found.groups] == [("0", "1", "2")] * 2


def test_a_study_that_was_stopped_goes_on(workspace: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt):
        study.run(PARAMS, workspace, Imagined(stop_at=3))
    rest = Imagined()
    study.run(PARAMS, workspace, rest)
    assert rest.computed == ["telecom|n200|lora retrieved s1"]
    runs = MlflowClient().search_runs(
        [MlflowClient().get_experiment_by_name("ragft").experiment_id]  # type: ignore[union-attr]
    )
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"]


def test_what_is_logged_and_exported_holds_every_cell(workspace: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "docs" / "study.json"
    found = study.run(dataclasses.replace(PARAMS, export=str(out)), workspace, Imagined())
    assert found is not None
    written = read_record(Study, json.loads(out.read_text()))
    assert written.groups == found.groups
    assert [cell.name for cell in written.cells] == [cell.name for cell in found.cells]
    # What is published names no machine.
    assert platform.node() not in out.read_text()
    (run,) = MlflowClient().search_runs(
        [MlflowClient().get_experiment_by_name("ragft").experiment_id]  # type: ignore[union-attr]
    )
    names = {artifact.path for artifact in MlflowClient().list_artifacts(run.info.run_id)}
    assert {"report.html", "cells.json", "cells.parquet", "figures", "params.json"} <= names
    table = json.loads(Path(MlflowClient().download_artifacts(run.info.run_id, "cells.json")).read_text())
    assert len(table["data"]) == 4 * 2
    assert run.data.metrics["cells_computed"] == 4


def test_a_cell_is_what_makes_it_and_nothing_else(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    identities = Identities(workspace)

    def keys(**values: Any) -> list[str]:  # noqa: ANN401
        params = dataclasses.replace(PARAMS, **{"seeds": "0", "format": "closed_book", **values})
        return [identities.cell(cell) for cell in cells_of(params, matrix_of(params))]

    (usual,) = keys()
    assert keys(seeds="0,1")[0] == usual
    for name, value in {
        "epochs": "2",
        "learning_rate": "0.1",
        "top_k": "4",
        "questions": "9",
        "split": "confirm",
    }.items():
        (other,) = keys(**{name: value})
        assert other != usual, name
    trainings = [
        identities.training(cell)
        for top_k in ("3", "4")
        for params in [dataclasses.replace(PARAMS, seeds="0", top_k=top_k)]
        for cell in cells_of(params, matrix_of(params))
    ]
    # Questions alone are trained on the same whatever is retrieved, passages are not.
    assert trainings[0] == trainings[2]
    assert trainings[1] != trainings[3]
    for kind in VERSIONS:
        with monkeypatch.context() as patch:
            patch.setitem(VERSIONS, kind, 99)
            assert keys() != [usual], kind
    assert keys() == [usual]


def test_a_plan_says_what_is_left_how_long_it_takes_and_what_it_can_show(workspace: Workspace, said: list[str]) -> None:
    study.run(PARAMS, workspace, Imagined())
    said.clear()
    more = dataclasses.replace(PARAMS, seeds="0,1,2", dry_run=True, price_input=1.0, price_output=2.0)
    assert study.run(more, workspace, Imagined(stop_at=0)) is None
    rows = {line.split("|")[2].split("  ")[0]: line.split() for line in said if line.startswith("telecom|")}
    assert [row[-1] for name, row in rows.items() if not name.endswith("s2")] == ["done"] * 4
    closed, passages = (rows[f"lora {form} s2"] for form in ("closed_book", "retrieved"))
    # The base was answered with the cells that are done: 1,000 questions of the adapter, two criteria each, and the 800
    # with an answer once more, where it is withheld and nothing is judged.
    assert closed[4:6] == ["1,800", "2,000"]
    tokens = [int(row[3].replace(",", "")) for row in (closed, passages)]
    assert 10_000 < tokens[0] < tokens[1] < 1_000_000
    text = "\n".join(said)
    assert "4 of 6 cells are done; time" in text
    assert "rates: earlier cells on this machine" in text
    assert "which costs at most" in text
    assert "telecom test: 1000 questions in 276 groups of documents show differences from 0." in text


def test_a_study_whose_models_are_elsewhere_is_listed(workspace: Workspace, said: list[str]) -> None:
    assert study.run(StudyParams(preset="paper", dry_run=True), workspace, Imagined(stop_at=0)) is None
    assert len([line for line in said if "|" in line]) == 27
    assert said[-1].startswith("27 cells; nothing more can be said: ")
