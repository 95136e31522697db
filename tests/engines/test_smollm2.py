"""SmolLM2-135M and an adapter of it on a real vLLM server; counted as skipped where `make smollm2` was not run."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from entrypoints.steps.shared import bases
from ragft.params.values import SMOLLM2
from tests.end_to_end.conftest import ROOT, Checkout
from tests.engines.conftest import Server

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(bases.SMOLLM2_PACKAGE) is None,
    reason=f"{bases.SMOLLM2_PACKAGE} is not installed: {bases.MAKE_SMOLLM2}",
)
DATA: dict[str, Any] = {"dataset": "squad", "path": ROOT / "tests" / "data" / "squad", "base": SMOLLM2, "top_k": 2}
TRAINING: dict[str, Any] = {"samples": 12, "epochs": 1, "batch_size": 2, "learning_rate": 1e-3, "dev_questions": 4}
MODEL = "models:/ragft-squad-smollm2/2"
# vLLM on a CPU copies an adapter's weights for each token that it reads, and takes minutes for these four.
QUESTIONS = {"base": 16, MODEL: 4}
# In bfloat16 two numbers that are next to each other round either way, and a greedy answer goes on from there: 10 of 16
# were equal. Of the base and the adapter none is.
FEWEST_EQUAL = 0.25


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A home with an adapter of SmolLM2, trained in bfloat16 on twelve samples."""
    made = Checkout(tmp_path_factory.mktemp("smollm2"), Path())
    made.step("setup")
    made.step("finetune", **DATA, **TRAINING, dtype="bfloat16")
    return made


@pytest.fixture(scope="module")
def server(home: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    (folder,) = (home.home / bases.BASES).glob(f"{SMOLLM2}-*")
    with Server(tmp_path_factory.mktemp("vllm") / "log.txt", base=folder) as running:
        yield running


def evaluated(home: Checkout, model: str, **engine: Any) -> tuple[Run, pd.DataFrame]:  # noqa: ANN401
    """Return the run of an evaluation and its rows."""
    asked = {**DATA, "questions": QUESTIONS[model], "context": "retrieved", "max_new_tokens": 32, "judge": "none"}
    home.step("evaluate", **asked, **engine, model=model, dtype="bfloat16")
    client = MlflowClient(home.tracking_uri)
    (experiment,) = client.search_experiments(filter_string="name = 'ragft'")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`ragft.step` = 'evaluate'", max_results=1)
    rows = pd.read_parquet(client.download_artifacts(run.info.run_id, "rows.parquet"))
    return run, rows.set_index("id")


@pytest.mark.parametrize("model", QUESTIONS)
def test_the_server_answers_as_this_process_up_to_rounding(home: Checkout, server: Server, model: str) -> None:
    _, here = evaluated(home, model)
    run, there = evaluated(home, model, engine="vllm", engine_url=server.url)
    assert run.data.tags["ragft.engine"] == "vllm 0.32.0 bfloat16"
    assert "its base is within" in run.data.tags["ragft.engine_check"]
    assert list(there.index) == list(here.index)
    assert len(there) == QUESTIONS[model]
    assert (there["output"] == here["output"]).mean() >= FEWEST_EQUAL
