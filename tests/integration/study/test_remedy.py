"""A search for a remedy on a real store and a real MLflow database; what computes a trial is imagined."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from entrypoints.steps import finetune, remedy
from entrypoints.steps.search.remedy import RemedySearch
from entrypoints.steps.search.remedy_runner import RemedyRunner
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.worth import figures_of
from ragft.errors import ConfigError, DivergedError, PrerequisiteError
from ragft.params.searches import RemedyParams
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams
from ragft.store.tune_trials import Record, TuneTrial
from registry.versions import Lineage
from tests.unit.analysis.verdict.test_causes import rejected

# MLflow's own look at the columns of a table.
pytestmark = pytest.mark.filterwarnings("ignore:For backward compatibility, 'str' dtypes are included")
NAME = "ragft-telecom-pocket"
REJECTED, CHAMPION = f"models:/{NAME}/2", f"models:/{NAME}/1"
TRAINED = FinetuneParams(samples=8, epochs=3, learning_rate=1e-3)
COMPARED = CompareParams(
    dataset="telecom", base="pocket", judge="none", questions=50, margin=0.1, context="retrieved,withheld", verify=True
)
PARAMS = RemedyParams(model=f"models:/{NAME}@challenger")
HARMED = rejected("false_answers")
BASE = Lineage(kind="base", base="pocket", base_fingerprint="f" * 64, data="telecom", data_sha256="d" * 64, data_seed=0)
ADAPTER = replace(BASE, kind="adapter", adapter_sha256="a" * 64, method="lora", format="closed_book", samples=8)


class Imagined:
    """Finds more worth in a training with passages, and none in a rate that was lowered; counts what it computes."""

    computed: list[int]
    compared: list[int]

    def __init__(self, search: RemedySearch, _: Workspace) -> None:
        self.search = search

    def run(self, trial: TuneTrial) -> Record:
        """Return a worth that follows from the changes."""
        self.computed.append(trial.number)
        if "learning_rate" in trial.parameters:
            return {"value": None, "failure": "nothing was learnt", "version": "", "identity": "", "run": ""}
        value = {"raft": 0.1, "retrieved": 0.05}.get(trial.parameters.get("format", ""), 0.0)
        version = f"models:/m/{trial.number + 3}"
        worth = {"value": value, "figures": figures_of(HARMED), "questions": 10}
        return {**worth, "failure": "", "version": version, "identity": str(trial.number), "run": "r"}

    def compare(self, best: TuneTrial, trials: int) -> Record:
        """Return a verdict."""
        self.compared.append(best.number)
        claims: dict[str, list[str]] = {"harmful": [], "worse": [], "unsafe": [], "slipped": []}
        return {
            "version": (best.result or {})["version"],
            "against": CHAMPION,
            "chosen_from": f"{trials} trials by {self.search.objective} on dev",
            "verdict": "promote",
            "title": "Ship it",
            "run": "r",
            "figures": figures_of(HARMED),
            **claims,
        }


@pytest.fixture
def imagined() -> type[Imagined]:
    return type("Fresh", (Imagined,), {"computed": [], "compared": []})


def register(*lineages: Lineage) -> None:
    """Register a base as champion and adapters after it, the last of them challenger, each with its training run."""
    client = MlflowClient()
    client.create_registered_model(NAME)
    for lineage in lineages:
        with mlflow.start_run() as run:
            mlflow.log_dict(TRAINED.as_dict(), "params.json")
        client.create_model_version(NAME, f"runs:/{run.info.run_id}/model", run.info.run_id, lineage.tags())
    client.set_registered_model_alias(NAME, "champion", "1")
    if len(lineages) > 1:
        client.set_registered_model_alias(NAME, "challenger", str(len(lineages)))


def compared(outcome: str = "reject", comparison: Comparison | None = HARMED, split: str = "test") -> None:
    """Log a comparison of the challenger; without one it was killed on its way."""
    tags = {"ragft.step": "compare", "ragft.version": REJECTED, "ragft.against": CHAMPION, "ragft.split": split}
    with mlflow.start_run(tags={**tags, "ragft.verdict": outcome}):
        mlflow.log_dict(replace(COMPARED, split=split).as_dict(), "params.json")
        if comparison:
            mlflow.log_dict(json.loads(json.dumps(comparison.to_dict())), "comparison.json")


@pytest.fixture
def lost(workspace: Workspace) -> Workspace:
    """A workspace whose challenger was rejected for inventing answers."""
    register(BASE, ADAPTER)
    compared()
    return workspace


def test_the_best_of_what_the_causes_call_for_is_compared_once_and_the_same_command_computes_nothing(
    lost: Workspace, said: list[str], imagined: type[Imagined]
) -> None:
    found = remedy.run(PARAMS, lost, imagined)
    assert (imagined.computed, imagined.compared) == ([0, 1, 2], [1])
    changes = [each["changes"] for each in found.record["trials"]]
    assert changes == [
        {"format": "retrieved", "withheld_share": 0.25},
        {"format": "raft", "withheld_share": 0.25},
        {"format": "retrieved", "withheld_share": 0.5},
    ]
    assert f"{REJECTED} was rejected against {CHAMPION}:" in said
    assert "  - it invents answers where no passage has one: 20 → 70 % of 100 questions" in said
    assert any(line.startswith("v4 was chosen, of 3 adapters, for its worth on dev: +0.100") for line in said)
    assert said[-2].startswith("models:/m/4 is not worse in false answers: a rise beyond the margin is ruled out. Not")
    assert said[-1].startswith("to act on it: mlflow run . -e promote -P model=models:/m/4")
    table = [line for line in said if line.startswith("| false answers")]
    assert len(table) == 1 + 3 + 1
    said.clear()
    assert remedy.run(PARAMS, lost, imagined) == found
    assert (len(imagined.computed), len(imagined.compared)) == (3, 1)
    assert [line for line in said if line.startswith("| false answers")] == table
    client = MlflowClient()
    (run, *_) = client.search_runs(
        [client.get_experiment_by_name("ragft").experiment_id],  # type: ignore[union-attr]
        "tags.`ragft.step` = 'remedy'",
    )
    logged = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"remedy.json", "remedies.csv", "params.json"} <= logged
    assert (run.data.tags["ragft.verdict"], run.data.tags["ragft.remedied"]) == ("promote", REJECTED)
    assert found.sentence in run.data.tags["mlflow.note.content"]
    # More budget goes on; what failed is told, and never chosen.
    more = remedy.run(replace(PARAMS, budget=9), lost, imagined)
    assert imagined.computed == [0, 1, 2, 3]
    assert [each["failure"] for each in more.record["trials"]] == ["", "", "", "nothing was learnt"]
    assert any("failed: nothing was learnt" in line for line in said)


def test_trainings_and_comparisons_differ_from_the_rejected_ones_in_what_was_changed_alone(
    lost: Workspace, imagined: type[Imagined]
) -> None:
    seen: list[RemedySearch] = []

    class Seeing(Imagined):
        computed, compared = imagined.computed, imagined.compared

        def run(self, trial: TuneTrial) -> Record:
            seen.append(self.search)
            return dict(super().run(trial))

    remedy.run(replace(PARAMS, budget=1, dev_questions=20), lost, Seeing)
    (search,) = seen
    assert search.training({"format": "raft"}) == replace(TRAINED, format="raft", dev_questions=20)
    # Nothing is promised of a new adapter, so there is nothing to verify.
    assert search.compared == replace(COMPARED, against=CHAMPION, verify=False)
    assert search.on_dev == replace(search.compared, split="dev", questions=20)


def test_a_killed_search_goes_on_with_the_trial_that_it_was_at(
    lost: Workspace, said: list[str], imagined: type[Imagined]
) -> None:
    class Killed(Imagined):
        computed, compared = imagined.computed, imagined.compared

        def run(self, trial: TuneTrial) -> Record:
            if trial.number == 1:
                raise KeyboardInterrupt
            return dict(super().run(trial))

    with pytest.raises(KeyboardInterrupt):
        remedy.run(PARAMS, lost, Killed)
    assert imagined.computed == [0]
    remedy.run(PARAMS, lost, imagined)
    assert imagined.computed == [0, 1, 2]
    assert "3 trials, of which 1 are done" in said


def test_what_cannot_be_remedied_is_said_and_nothing_is_trained(workspace: Workspace, imagined: type[Imagined]) -> None:
    def asked(**changes: Any) -> str:  # noqa: ANN401
        return remedy.run(replace(PARAMS, **changes), workspace, imagined).sentence

    with pytest.raises(PrerequisiteError, match=rf"{PARAMS.model} is not in the registry"):
        asked()
    register(BASE, ADAPTER)
    with pytest.raises(ConfigError, match=rf"model is {CHAMPION}, which is a base: name an adapter"):
        asked(model=CHAMPION)
    with pytest.raises(ConfigError, match=f"{REJECTED} is {REJECTED}: it was not rejected"):
        asked(against=REJECTED)
    compared(split="confirm")
    compared(comparison=None)
    with pytest.raises(
        PrerequisiteError, match=rf"never compared with {CHAMPION} on test.*-e compare -P model={REJECTED} "
    ):
        asked()
    compared("hold")
    assert asked() == (
        f"{REJECTED} was not rejected: against {CHAMPION} on test the verdict is hold; nothing to remedy"
    )
    compared(comparison=rejected(worse=("accuracy",)))
    MlflowClient().set_model_version_tag(NAME, "2", "ragft.format", "retrieved")
    assert asked().startswith(
        f"{REJECTED} was rejected, and its comparison names no cause: every context may show one, "
    )
    compared(comparison=replace(HARMED, base=7))  # type: ignore[arg-type]  # another version's record
    with pytest.raises(
        PrerequisiteError, match=rf"cannot be read: Comparison.base is 7.*-e compare -P model={REJECTED} "
    ):
        asked()
    compared()
    run = MlflowClient().get_run(str(MlflowClient().get_model_version(NAME, "2").run_id))
    (Path(str(run.info.artifact_uri).removeprefix("file://")) / "params.json").unlink()
    with pytest.raises(PrerequisiteError, match=rf"run {run.info.run_id} does not say with which parameters it ran"):
        asked()
    assert (imagined.computed, imagined.compared) == ([], [])
    with pytest.raises(ConfigError, match="budget is 0, expected at least 1"):
        RemedyParams(budget=0)


def test_where_every_training_fails_the_reasons_are_told_and_test_is_not_asked(
    lost: Workspace, imagined: type[Imagined], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def fails(params: FinetuneParams, _: Workspace, *, challenges: bool) -> None:
        told.append((params.format, challenges))
        raise DivergedError("the loss is nan at step 3")

    monkeypatch.setattr(finetune, "run", fails)
    with pytest.raises(ConfigError, match=r"none of 3 trials came to a value: change the data.*\n  - trial 0, .*nan"):
        remedy.run(PARAMS, lost, RemedyRunner)
    # The alias must go on naming the rejected version, whatever is trained.
    assert told == [("retrieved", False), ("raft", False), ("retrieved", False)]
