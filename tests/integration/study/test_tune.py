"""Tunes on a real store and a real MLflow database; what computes a trial is imagined."""

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from entrypoints.steps import finetune, tune
from entrypoints.steps.matrix.cells import Identities, cells_of
from entrypoints.steps.matrix.presets import matrix_of
from entrypoints.steps.search import tune as search
from entrypoints.steps.search.show import rows
from entrypoints.steps.search.tune import Tune, tune_of
from entrypoints.steps.search.tune_runner import TuneRunner
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, DataError, DivergedError, NothingLearntError, PrerequisiteError, RagftError
from ragft.params.searches import StudyParams, TuneParams
from ragft.store.server import open_store
from ragft.store.tune_trials import Record, TuneTrial
from tests.integration.study.imagined_trials import Imagined

# MLflow's own look at the columns of a table.
pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes are included")
PARAMS = TuneParams(trials=12)


class Counting(Imagined):
    """Counts what is computed, by all of its kind; trials of rank 32 fail."""

    computed: list[int]
    compared: list[int]

    def run(self, trial: TuneTrial) -> Record:
        self.computed.append(trial.number)
        if trial.parameters.get("lora_rank") == 32:
            return {"value": None, "failure": "the loss became nan", "version": "", "identity": "", "run": ""}
        return super().run(trial)

    def compare(self, best: TuneTrial, trials: int) -> Record:
        self.compared.append(best.number)
        return super().compare(best, trials)


@pytest.fixture
def counting() -> type[Counting]:
    return type("Fresh", (Counting,), {"computed": [], "compared": []})


def values(found: tune.Tuned) -> list[tuple[Any, ...]]:
    return [(trial.parameters, (trial.result or {})["value"]) for trial in found.trials]


def test_the_same_tune_again_computes_nothing_and_shows_the_same(
    workspace: Workspace, said: list[str], counting: type[Counting]
) -> None:
    found = tune.run(PARAMS, workspace, counting)
    table = [line for line in said if "  done" in line or "  failed" in line]
    assert len(table) == 12
    assert (counting.computed, len(counting.compared)) == (list(range(12)), 1)
    said.clear()
    assert tune.run(PARAMS, workspace, counting) == found
    assert (len(counting.computed), len(counting.compared)) == (12, 1)
    assert "12 trials, of which 12 are done" in said
    assert [line for line in said if "  done" in line or "  failed" in line] == table
    assert any(line.startswith(f"the best on dev is trial {found.best.number}, ") for line in said)
    assert any("chosen from 12 trials by dev_loss on dev" in line for line in said)


def test_a_failed_trial_has_its_reason_and_the_others_go_on(
    workspace: Workspace, said: list[str], counting: type[Counting]
) -> None:
    found = tune.run(PARAMS, workspace, counting)
    states = [(row["lora_rank"] == 32, row["state"], row["failure"]) for row in rows(found.tune, found.trials)]
    assert set(states) == {(True, "failed", "the loss became nan"), (False, "done", "")}
    assert any(": failed, the loss became nan, " in line for line in said)
    least = min((trial.result or {})["value"] for trial in found.trials if (trial.result or {})["value"] is not None)
    assert (found.best.result or {})["value"] == least


def test_a_tune_whose_trials_all_failed_says_why_and_asks_nothing_of_test(
    workspace: Workspace, said: list[str], counting: type[Counting]
) -> None:
    params = TuneParams(space="epochs=1,2;lora_rank=8,16", trials=4)
    with pytest.raises(
        ConfigError, match=r"none of 4 trials came to a value: search another space\n  - trial 0, .*nan"
    ):
        tune.run(params, workspace, _failing(counting))
    assert counting.compared == []


def _failing(counting: type[Counting]) -> type[Counting]:
    """Return what fails whatever is tried."""
    failed = {"value": None, "failure": "the loss became nan", "version": "", "identity": "", "run": ""}
    return type("Failing", (counting,), {"run": lambda _, __: failed})


def test_one_process_tries_the_same_again_and_another_seed_something_else(
    workspace: Workspace, new_schema: Callable[[], str], tmp_path: Path, counting: type[Counting]
) -> None:
    once = tune.run(PARAMS, workspace, counting)
    with open_store(new_schema(), tmp_path) as other:
        again = tune.run(PARAMS, dataclasses.replace(workspace, store=other), counting)
    assert values(again) == values(once)
    different = tune.run(dataclasses.replace(PARAMS, sampler_seed=1), workspace, counting)
    assert not [trial for trial in values(different) if trial in values(once)]


def test_more_trials_go_on_with_the_tune_and_are_worth_more_than_chance(
    workspace: Workspace, said: list[str], counting: type[Counting]
) -> None:
    few = tune.run(PARAMS, workspace, counting)
    more = tune.run(dataclasses.replace(PARAMS, trials=24), workspace, counting)
    assert "24 trials, of which 12 are done" in said
    assert values(more)[:12] == values(few)
    assert counting.computed == list(range(24))
    rates = [trial.parameters["learning_rate"] for trial in more.trials]
    # Within a factor of two of the best: 0.3 of the space's two decades, and more of what a sampler asks that learns.
    near = [1.5e-4 <= rate <= 6e-4 for rate in rates]
    assert sum(near[12:]) > sum(near[:12])
    # The tune remembers all its trials, whatever is asked for later.
    assert len(tune.run(PARAMS, workspace, counting).trials) == 24


def test_a_changed_space_or_objective_is_another_tune(workspace: Workspace) -> None:
    identities = Identities(workspace)

    def key(**changes: Any) -> str:  # noqa: ANN401
        return tune_of(dataclasses.replace(PARAMS, **changes), identities).key

    usual = key()
    assert key(trials=30) == key(judge="none") == key(questions=50) == key(margin=0.1) == usual
    assert key(space="epochs=1..5;lora_rank=8,16,32;learning_rate=0.00001..0.001") == usual
    # What is tuned has no value beside the space.
    assert key(learning_rate=0.5, lora_rank=64) == usual
    changed: list[dict[str, Any]] = [
        {"space": "learning_rate=1e-5..1e-2;lora_rank=8,16,32;epochs=1..5"},
        {"objective": "right"},
        {"sampler_seed": 1},
        {"samples": 100},
        {"seed": 1},
        {"dev_questions": 20},
        {"max_new_tokens": 64},
        {"data_seed": 1},
    ]
    assert len({usual, *(key(**each) for each in changed)}) == 1 + len(changed)


def test_a_small_space_is_tried_point_by_point_and_no_further(
    workspace: Workspace, said: list[str], counting: type[Counting]
) -> None:
    found = tune.run(TuneParams(space="epochs=1..3;lora_rank=8,16", trials=20), workspace, counting)
    points = [(trial.parameters["epochs"], trial.parameters["lora_rank"]) for trial in found.trials]
    assert sorted(points) == [(1, 8), (1, 16), (2, 8), (2, 16), (3, 8), (3, 16)]
    assert "the space has 6 points, so there are no more trials" in said


def test_table_curve_and_both_plots_are_logged(workspace: Workspace, counting: type[Counting]) -> None:
    found = tune.run(TuneParams(trials=40), workspace, counting)
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("ragft").experiment_id])  # type: ignore[union-attr]
    logged = {file.path for folder in ("", "figures") for file in client.list_artifacts(run.info.run_id, folder)}
    assert {"trials.csv", "trials.json", "figures/history.png", "figures/importance.png"} <= logged
    for name in ("history", "importance"):
        picture = Path(client.download_artifacts(run.info.run_id, f"figures/{name}.png")).read_bytes()
        assert picture.startswith(b"\x89PNG")
    shares = json.loads(Path(client.download_artifacts(run.info.run_id, "importance.json")).read_text())
    assert max(shares, key=lambda name: shares[name]) == "learning_rate", shares
    curve = {point.step: point.value for point in client.get_metric_history(run.info.run_id, "tuned_dev_loss")}
    assert curve == {number: value for number, (_, value) in enumerate(values(found)) if value is not None}
    assert run.data.tags["ragft.best_trial"] == str(found.best.number)
    assert run.data.tags["ragft.verdict"] == "promote"


def test_without_optuna_the_message_is_the_command(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optuna" else usual(name))
    with pytest.raises(PrerequisiteError, match=r"tune needs Optuna, .* run pip install '\.\[tune\]'"):
        tune.run(PARAMS, workspace, Counting)


def test_values_that_do_not_go_together_are_refused_before_any_trial(workspace: Workspace) -> None:
    params = TuneParams(space="withheld_share=0..0.5;format=closed_book,retrieved")
    with pytest.raises(
        ConfigError, match=r"space holds format=closed_book, withheld_share=0\.125, which finetune cannot"
    ):
        tune.run(params, workspace, Counting)


def test_every_trial_continues_the_same_adapter(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    challengers = iter(("models:/ragft-telecom-pocket/2", "models:/ragft-telecom-pocket/3"))
    registry = SimpleNamespace(get=lambda _: SimpleNamespace(uri=next(challengers)))
    monkeypatch.setattr(search, "open_registry", lambda: registry)
    asked = TuneParams(space="epochs=1..3", continue_from="models:/ragft-telecom-pocket@challenger")
    first, later = (tune_of(asked, Identities(workspace)) for _ in range(2))
    assert first.params.continue_from == "models:/ragft-telecom-pocket/2"
    assert later.key != first.key


def test_an_engine_that_cannot_hold_what_is_tried_is_refused(workspace: Workspace) -> None:
    engine: dict[str, Any] = {"engine": "vllm", "engine_url": "http://a:1/v1", "dtype": "float32"}
    with pytest.raises(ConfigError, match="engine is vllm and method dora"):
        tune.run(TuneParams(space="method=lora,dora", **engine), workspace, Counting)
    engine_here: dict[str, Any] = {"engine": "openvino", "dtype": "float32"}
    with pytest.raises(ConfigError, match="engine is openvino and method dora"):
        tune.run(TuneParams(space="method=lora,dora", **engine_here), workspace, Counting)
    both = StudyParams(base="pocket,smollm2", judge="none", method="lora,ia3", **engine_here)
    with pytest.raises(ConfigError, match="engine is openvino with method lora, ia3"):
        cells_of(both, matrix_of(both))
    params = StudyParams(base="pocket,smollm2", judge="none", **engine)
    with pytest.raises(ConfigError, match="a server holds one base"):
        cells_of(params, matrix_of(params))


@pytest.mark.parametrize("error", [ConfigError, DataError, DivergedError, NothingLearntError])
def test_a_training_that_comes_to_nothing_is_a_failed_trial(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: type[RagftError]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error("the loss is nan at step 3")

    monkeypatch.setattr(finetune, "run", fails)
    found = _runner(workspace).run(TuneTrial(0, "task", {"epochs": 2}))
    assert found == {
        "value": None, "failure": "the loss is nan at step 3", "version": "", "identity": "", "run": "",
    }  # fmt: skip
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("ragft").experiment_id])  # type: ignore[union-attr]
    assert run.info.status == "FAILED"


def test_another_error_ends_the_tune_and_marks_no_trial(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise PrerequisiteError("the base is not on this machine")

    monkeypatch.setattr(finetune, "run", fails)
    with pytest.raises(PrerequisiteError, match="the base is not on this machine"):
        tune.run(PARAMS, workspace, TuneRunner)
    with workspace.store.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM tune_trials WHERE result IS NOT NULL").fetchone() == (0,)
        assert cursor.execute("SELECT owner, failure FROM claims").fetchall() == [("", "")], "given back"


def _runner(workspace: Workspace) -> TuneRunner:
    asked: Tune = tune_of(TuneParams(space="epochs=1..3"), Identities(workspace))
    return TuneRunner(asked, workspace)
