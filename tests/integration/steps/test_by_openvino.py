"""Steps whose answers OpenVINO computes; skipped where it is not installed."""

import importlib.util
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

from entrypoints.steps import compare, evaluate, finetune
from entrypoints.steps.matrix.cells import Cell, Identities, cells_of
from entrypoints.steps.matrix.measure import STAGES
from entrypoints.steps.matrix.plan import kinds_of
from entrypoints.steps.matrix.presets import matrix_of
from entrypoints.steps.shared.weights import load_base_model
from entrypoints.steps.shared.workspace import Workspace
from ragft.models.openvino import package
from ragft.params.scoring import EvaluateParams
from ragft.params.searches import StudyParams
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams
from tests.integration.steps.test_served_version import towns
from tests.tiny_model import make_tiny_model

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("openvino_genai") is None, reason=f"openvino-genai is not installed: {package.INSTALL}"
    ),
    pytest.mark.filterwarnings("ignore"),  # MLflow's own ways with data frames, with pandas 3
    pytest.mark.slow,
]
torch.set_num_threads(1)
ENGINE: dict[str, Any] = {"engine": "openvino", "dtype": "float32"}


def test_a_verdict_on_its_answers_is_that_on_those_of_this_process(module_workspace: Workspace) -> None:
    home = module_workspace.home
    data = towns(home, top_k=2)
    base = str(make_tiny_model(home / "tiny"))
    train = {"samples": 4, "epochs": 4, "learning_rate": 0.02, "format": "retrieved", "allow_low_hit_rate": True}
    version = finetune.run(data.pick(FinetuneParams, base=base, **train), module_workspace).version
    asked: dict[str, Any] = {
        "base": base, "context": "retrieved", "max_new_tokens": 6, "judge": "none", "dtype": "float32",
    }  # fmt: skip

    def evaluated(model: str, **engine: Any) -> Any:  # noqa: ANN401
        (found,) = evaluate.run(data.pick(EvaluateParams, model=model, **{**asked, **engine}), module_workspace)
        return found

    for model in (version.uri, "base"):
        here, there = evaluated(model), evaluated(model, **ENGINE)
        assert [row.answer for row in there.rows] == [row.answer for row in here.rows]
        assert (there.engine, here.engine) == (f"openvino {package.load().version} float32", "")
        tags = MlflowClient().get_run(there.run_id).data.tags
        assert tags["ragft.engine"] == there.engine
        assert ("100% of the adapter's effect" in tags["ragft.engine_check"]) == (model != "base")
    judged: dict[str, Any] = {"judge": "base", "estimator": "expected_no_rationale"}
    found = compare.run(
        data.pick(CompareParams, model=version.uri, against="champion", **{**asked, **judged, **ENGINE}),
        module_workspace,
    )
    (check,) = [each for each in found.comparison.checks if each.name == "one engine"]
    assert (check.passed, check.detail) == (True, f"answers were computed by {there.engine}")
    assert "rows.parquet" in {file.path for file in MlflowClient().list_artifacts(there.run_id)}
    assert (home / "openvino").is_dir()
    assert [path.name for path in (home / "openvino").iterdir()] == [".lock"]

    def cell_of(**engine: Any) -> Cell:  # noqa: ANN401
        params = StudyParams(
            dataset="rows", path=data.path, documents=data.documents, name="towns", base=base, samples="4",
            format="retrieved", seeds="0", judge="none", agreement="0", **engine,
        )  # fmt: skip
        (cell,) = cells_of(params, matrix_of(params))
        return cell

    here_cell, there_cell = cell_of(dtype="float32"), cell_of(**ENGINE)
    identities = Identities(module_workspace)
    keys = {key(cell) for cell in (here_cell, there_cell) for key in (identities.cell, identities.base)}
    assert len(keys) == 4
    kinds = kinds_of(there_cell)
    assert kinds["answer"].endswith(" openvino")
    assert kinds["judge"] == kinds_of(here_cell)["judge"]
    assert STAGES["answer"](there_cell, load_base_model(base, "", "none", "float32"), identities) > 0
