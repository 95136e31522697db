"""Steps whose answers come from a server: the same as in process, under keys of their own, never from another model."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

from entrypoints.parameter_checks import check
from entrypoints.steps import compare, evaluate, finetune, fingerprint
from entrypoints.steps.matrix.cells import Identities, cells_of
from entrypoints.steps.matrix.presets import matrix_of
from entrypoints.steps.shared import engines
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, PrerequisiteError
from ragft.params.data import DataParams
from ragft.params.scoring import EvaluateParams
from ragft.params.searches import StudyParams
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams
from ragft.params.versions import FingerprintParams
from registry.versions import Version
from tests.integration.steps.test_served_version import towns
from tests.tiny_model import make_tiny_model
from tests.vllm_stand_in import Faults, VllmStandIn

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow's own ways with data frames, with pandas 3
    pytest.mark.slow,
]
torch.set_num_threads(1)


@dataclass(frozen=True)
class Made:
    """A base and an adapter on it."""

    workspace: Workspace
    version: Version
    base: Path
    data: DataParams
    said: list[str]

    def params(self, server: VllmStandIn | None, **changes: Any) -> EvaluateParams:  # noqa: ANN401
        """Return how a version is evaluated, on a server or in this process."""
        engine = {"engine": "vllm", "engine_url": server.url, "dtype": "float32", "deadline_s": 10.0} if server else {}
        values = {
            "base": str(self.base), "model": self.version.uri, "context": "retrieved", "max_new_tokens": 6,
            "judge": "none", "dataset": "rows", **engine, **changes,
        }  # fmt: skip
        return self.data.pick(EvaluateParams, **values)

    def stored(self) -> int:
        """Return how many answers are in the store."""
        with self.workspace.store.transaction() as cursor:
            cursor.execute("SELECT count(*) FROM answers")
            return int(cursor.fetchone()[0])  # type: ignore[index]


@pytest.fixture(scope="module")
def made(module_workspace: Workspace, module_said: list[str]) -> Made:
    home = module_workspace.home
    data = towns(home, top_k=2)
    base = make_tiny_model(home / "tiny")
    train = {"samples": 4, "epochs": 4, "learning_rate": 0.02, "format": "retrieved", "allow_low_hit_rate": True}
    version = finetune.run(data.pick(FinetuneParams, base=str(base), **train), module_workspace).version
    return Made(module_workspace, version, base, data, module_said)


@pytest.fixture
def server(made: Made) -> Iterator[VllmStandIn]:
    with VllmStandIn(made.base) as running:
        yield running


def test_answers_are_those_of_this_process_under_keys_of_their_own(made: Made, server: VllmStandIn) -> None:
    (here,) = evaluate.run(made.params(None), made.workspace)
    before = made.stored()
    (there,) = evaluate.run(made.params(server), made.workspace)
    assert [row.answer for row in there.rows] == [row.answer for row in here.rows]
    assert made.stored() - before == len({row.question for row in there.rows})
    assert (there.engine, here.engine) == ("vllm 0.32.0 float32", "")
    name = made.version.lineage.adapter_sha256
    assert server.loaded == {name: str(made.workspace.home / "engine" / name)}
    tags = MlflowClient().get_run(there.run_id).data.tags
    assert tags["ragft.engine"] == "vllm 0.32.0 float32"
    assert "100% of the adapter's effect" in tags["ragft.engine_check"]
    asked = len(server.bodies)
    evaluate.run(made.params(server), made.workspace)
    assert {body["max_tokens"] for body in server.bodies[asked:]} == {1}  # the check alone: every answer was there


def test_an_adapter_that_the_server_leaves_out_stops_the_step_and_no_answer_is_stored(made: Made) -> None:
    before = made.stored()
    with (
        VllmStandIn(made.base, Faults(scale=0.0), version="0.99") as broken,
        pytest.raises(PrerequisiteError, match=r"does not apply the adapter.*here and by 0 in the engine") as caught,
    ):
        evaluate.run(made.params(broken), made.workspace)
    assert caught.value.exit_code == 3
    assert made.stored() == before


def test_both_sides_of_a_comparison_and_the_judge_are_on_the_server(made: Made, server: VllmStandIn) -> None:
    found = compare.run(
        made.params(server).pick(
            CompareParams,
            model=made.version.uri,
            against="champion",
            context="retrieved",
            judge="base",
            estimator="expected_no_rationale",
        ),
        made.workspace,
    )
    (check,) = [each for each in found.comparison.checks if each.name == "one engine"]
    assert (check.passed, check.detail) == (True, "answers were computed by vllm 0.32.0 float32")
    models = {body["model"] for body in server.bodies if body["max_tokens"] > 1}
    assert models == {"the-base"}  # the version's answers are in the store
    judged = [body for body in server.bodies if len(body.get("logprob_token_ids", ())) == 5]
    assert {body["model"] for body in judged} == {"the-base"}


def test_answers_of_a_file_are_judged_on_the_server_too(made: Made, server: VllmStandIn, tmp_path: Path) -> None:
    rows = [{"input": f"Which river has town {n}?", "output": "Wend", "expected_output": f"Wend {n}"} for n in range(3)]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = made.params(
        server, answers=str(tmp_path / "answers.jsonl"), model="base", judge="base", estimator="expected_no_rationale"
    )
    (found,) = evaluate.run(asked, made.workspace)
    assert len(found.rows) == 3
    assert found.judged_by is not None
    judged = [body for body in server.bodies if len(body.get("logprob_token_ids", ())) == 5]
    assert judged
    assert {body["model"] for body in judged} == {"the-base"}


def test_what_travels_with_a_version_spares_this_process_its_weights(
    made: Made, server: VllmStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = fingerprint.run(FingerprintParams(model=made.version.uri, dtype="float32"), made.workspace)
    assert open_registry().probes(made.version) == probes.to_json()
    for name in ("load_version", "load_base_model"):
        monkeypatch.setattr(engines, name, lambda *_: pytest.fail("weights were loaded"))
    evaluate.run(made.params(server), made.workspace)


def test_a_base_that_does_not_fit_here_is_told_with_the_way_out(
    made: Made, server: VllmStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise PrerequisiteError("the base needs 140 GB.")

    monkeypatch.setattr(engines, "load_version", too_large)
    monkeypatch.setattr("registry.store.Registry.probes", lambda *_: "")
    with pytest.raises(PrerequisiteError, match=rf"140 GB.*entrypoints.fingerprint --model {made.version.uri}"):
        evaluate.run(made.params(server), made.workspace)


def test_an_adapter_on_a_quantised_base_is_refused(made: Made, server: VllmStandIn) -> None:
    lineage = dataclasses.replace(made.version.lineage, quantization="nf4")
    version = dataclasses.replace(made.version, lineage=lineage)
    with (
        ExitStack() as stack,
        pytest.raises(PrerequisiteError, match=r"trained on a base held in nf4.*engine=local"),
    ):
        opened = engines.open_engine(made.params(server), made.workspace, stack)
        engines.serve_version(opened, version, made.params(server), made.workspace)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"engine": "vllm"}, "without engine_url"),
        ({"engine": "vllm", "engine_url": "http://a:1/v1"}, "engine is vllm and dtype auto"),
        ({"engine_url": "http://a:1/v1"}, "engine is local, but engine_url is 'http://a:1/v1'"),
        ({"engine": "vllm", "engine_url": "http://u:p@a:1/v1", "dtype": "float32"}, "holds a password"),
        ({"engine": "tgi"}, "engine is 'tgi', expected one of: local, vllm"),
    ],
)
def test_bad_values_are_told_before_any_work(changes: dict[str, Any], told: str) -> None:
    for kind in (EvaluateParams, CompareParams, StudyParams):
        with pytest.raises(ConfigError, match=told):
            kind(**changes)


def test_two_files_can_be_judged_by_an_engine(tmp_path: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / name).write_text('{"input": "Who?", "output": "She", "expected_output": "She"}\n')
    asked: dict[str, Any] = {"answers": str(tmp_path / "one.jsonl"), "against": str(tmp_path / "two.jsonl")}
    check(CompareParams(**asked, engine="vllm", engine_url="http://a:1/v1", dtype="bfloat16"))
    with pytest.raises(ConfigError, match="leave dtype out"):
        check(CompareParams(**asked, dtype="bfloat16"))


def test_what_does_not_go_with_an_engine_is_told() -> None:
    engine: dict[str, Any] = {"engine": "vllm", "engine_url": "http://a:1/v1", "dtype": "bfloat16"}
    with pytest.raises(ConfigError, match=r"quantization is nf4.*leave quantization out"):
        EvaluateParams(quantization="nf4", **engine)
    with pytest.raises(ConfigError, match="model is served and engine vllm"):
        EvaluateParams(model="served", model_url="http://a:1/v1", served_model="m", **engine)


def test_a_study_on_a_server_has_keys_of_its_own(made: Made, server: VllmStandIn) -> None:
    def keys(**engine: Any) -> tuple[str, str]:  # noqa: ANN401
        params = StudyParams(
            dataset="rows", path=made.data.path, documents=made.data.documents, name="towns", base=str(made.base),
            samples="4", format="retrieved", seeds="0", judge="none", agreement="0", dtype="float32", **engine,
        )  # fmt: skip
        (cell,) = cells_of(params, matrix_of(params))
        identities = Identities(made.workspace)
        return identities.cell(cell), identities.base(cell)

    here, there = keys(), keys(engine="vllm", engine_url=server.url)
    with VllmStandIn(made.base) as elsewhere, VllmStandIn(made.base, version="0.33.0") as newer:
        assert keys(engine="vllm", engine_url=elsewhere.url, engine_folder="/mnt/adapters") == there
        another = keys(engine="vllm", engine_url=newer.url)
    assert len({*here, *there, *another}) == 6
    with pytest.raises(PrerequisiteError, match="no engine"):
        keys(engine="vllm", engine_url="http://127.0.0.1:9/v1")
