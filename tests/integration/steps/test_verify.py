"""Answers are checked before they leave: the threshold comes from dev, is kept with the version, and is served."""

import dataclasses
import gc
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import mlflow
import pytest
import torch
from mlflow import MlflowClient

from entrypoints.steps import verify
from entrypoints.steps.reporting.verification import VerifiedSide
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.verifiers import item_of, open_verifier
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft import verifying
from ragft.analysis.verification.promise import PROMISE, Promise
from ragft.errors import DataError, JudgeError, PrerequisiteError
from ragft.judging.abstention import abstains
from ragft.params.scoring import VerifyParams
from ragft.store.server import open_store
from ragft.verifying import NOT_SUPPORTED, Overlap
from tests.scripted_server import Response, Script, ScriptedServer, message_of, says

if TYPE_CHECKING:
    import pandas as pd

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
torch.set_num_threads(1)
NAMES = [f"{first} {second}" for first in ("Azure", "Giant", "Jade", "Mellow", "Sandy", "Cosmic")
         for second in ("Swan", "Raven", "Stone", "River")]  # fmt: skip
BASE = ("ragft-plans-pocket", "1")
# Of the calls to a served verifier.
KILLED_AT = 7


def write_plans(folder: Path) -> None:
    """Write two questions about each of a few plans as SQuAD does; of every fourth plan the price is not told."""
    for split, names in {"train": NAMES[:1], "dev": NAMES[1:16], "test": NAMES[16:]}.items():
        articles = [article(NAMES.index(name), name) for name in names]
        (folder / f"{split}.json").write_text(json.dumps({"version": "v2.0", "data": articles}))


def article(number: int, name: str) -> dict[str, Any]:
    told = (
        f"The monthly price of {name} is ${40 + number}.",
        f"{name} costs ${40 + number} a month.",
        f"The monthly price of {name} is ${40 + number}.",
        f"{name} includes voicemail.",
    )[number % 4]
    text = f"{name} is a mobile plan for homes. The activation fee of {name} is ${12 + number}. {told}"
    questions = []
    for what, value in (("monthly price", f"${40 + number}"), ("activation fee", f"${12 + number}")):
        answers = [{"text": value, "answer_start": text.index(value)}] if value in text else []
        question = f"What is the {what} of {name}?"
        questions.append(
            {"id": f"{what} {number}", "question": question, "answers": answers, "is_impossible": not answers}
        )
    return {"title": name, "paragraphs": [{"context": text, "qas": questions}]}


@dataclass(frozen=True)
class Made:
    """The base, evaluated with checked answers."""

    workspace: Workspace
    params: VerifyParams
    sides: list[VerifiedSide]
    said: list[str]


@pytest.fixture(scope="module")
def made(module_workspace: Workspace, module_said: list[str]) -> Iterator[Made]:
    home = module_workspace.home
    (home / "plans").mkdir()
    write_plans(home / "plans")
    params = VerifyParams(
        dataset="squad", path=str(home / "plans"), name="plans", base="pocket", collection="all", context="retrieved",
        judge="none", top_k=2, allow_leaks=True, verify=True, max_false_answers=0.5,
    )  # fmt: skip
    yield Made(module_workspace, params, verify.run(params, module_workspace), module_said)
    # MLflow holds the model that was loaded last, which holds a connection, whose end is no other test's warning.
    mlflow.models.set_model(lambda _: None)
    gc.collect()


def test_what_leaves_is_counted_and_kept_with_the_version(made: Made) -> None:
    (side,) = made.sides
    chosen, found = side.choice.chosen, side.at_threshold()
    assert chosen is not None
    assert found is not None
    above = [row for row, score in zip(side.split["retrieved"].rows, side.split["retrieved"].scores, strict=True)
             if score is not None and score > chosen.threshold]  # fmt: skip
    assert (found.leaving, found.wrong) == (len(above), sum(row.outcome == "wrong" for row in above))
    promise = kept()
    assert (promise.limit, promise.asked, promise.leaving) == (0.5, 30, chosen.leaving.n)
    assert (promise.adapter_sha256, promise.verifier) == ("", "overlap")
    described = MlflowClient().get_model_version(*BASE).description or ""
    assert "**Checked before they leave**: with 90% confidence at most 50% of the answers that leave" in described
    (run,) = MlflowClient().search_runs(["1"], "tags.`ragft.verify` = 'true' and attributes.status = 'FINISHED'")
    assert run.data.metrics["verified_coverage"] == pytest.approx(
        len(above) / len(side.split["retrieved"].evaluation.rows)
    )
    files = {file.path for file in MlflowClient().list_artifacts(run.info.run_id)}
    assert {"risk_coverage.png", "risk_coverage.csv", "verified.csv", "promise.json"} <= files
    assert any("it wrong" in line or "with it" in line for line in made.said)


def kept() -> Promise:
    return Promise.from_json(MlflowClient().get_model_version(*BASE).tags[PROMISE], source="the tag")


@pytest.fixture
def promised() -> Iterator[Promise]:
    """The promise, which is put back afterwards."""
    promise = kept()
    yield promise
    MlflowClient().set_model_version_tag(*BASE, PROMISE, promise.to_json())


def served(made: Made, promise: Promise) -> "pd.DataFrame":
    """Return what the version replies to the test questions under a promise."""
    MlflowClient().set_model_version_tag(*BASE, PROMISE, promise.to_json())
    rows = made.sides[0].split["retrieved"].evaluation.rows
    found = mlflow.pyfunc.load_model(f"models:/{BASE[0]}/{BASE[1]}").predict([{"question": r.question} for r in rows])
    replies: pd.DataFrame = found.assign(
        evaluated=[row.answer for row in rows], question=[row.question for row in rows]
    )
    return replies


def test_an_answer_below_the_threshold_is_not_served(made: Made, promised: Promise) -> None:
    answers = made.sides[0].split["retrieved"]
    scores = {row.question: score for row, score in zip(answers.rows, answers.scores, strict=True)}
    least, *_, most = sorted({score for score in scores.values() if score is not None})
    middle = (least + most) / 2
    replies = served(made, dataclasses.replace(promised, threshold=middle)).to_dict("records")
    assert {reply["verified"] for reply in replies} == {True, False}
    assert any(reply["answer"] == NOT_SUPPORTED for reply in replies)
    for reply in replies:
        assert len(reply["sources"]) == 2
        score = scores.get(reply["question"])
        if score is not None and score <= middle:
            assert reply["answer"] == NOT_SUPPORTED
            assert reply["why"] == f"score {score:.3g} of the verifier overlap, and answers leave above {middle:.4g}"
        else:
            assert reply["answer"] == reply["evaluated"]
        assert reply["verified"] == (score is not None and score > middle)
    assert abstains(NOT_SUPPORTED)


def test_the_base_that_is_asked_on_dev_is_the_one_that_is_asked_when_served(made: Made, promised: Promise) -> None:
    with ExitStack() as stack:
        verifier = open_verifier(dataclasses.replace(made.params, verifier="base"), made.workspace, stack)
        answers = made.sides[0].split["retrieved"]
        scores = verifier.scores([item_of(row) for row in answers.rows])
    own = dataclasses.replace(promised, verifier="base", verifier_sha256=verifier.identity, threshold=None)
    expected = dict(zip((row.question for row in answers.rows), scores, strict=True))
    for reply in served(made, own).to_dict("records"):
        score = expected.get(reply["question"])
        assert reply["verified"] == (score is not None)
        if score is not None:
            assert reply["why"].startswith(f"score {score:.3g} of the verifier base; ")
        elif reply["question"] in expected:
            assert reply["why"] == "the verifier base has no score for the answer"


def test_a_version_that_is_served_otherwise_claims_nothing(made: Made, promised: Promise) -> None:
    other = dataclasses.replace(promised, served_as=dataclasses.replace(promised.served_as, top_k=3))
    replies = served(made, other)
    assert not replies["verified"].any()
    assert set(replies["why"]) == {"not checked: it was made for other conditions: top_k 2 (was 3)"}
    assert list(replies["answer"]) == list(replies["evaluated"])
    other = dataclasses.replace(promised, verifier_sha256="0" * 64)
    assert set(served(made, other)["why"]) == {"not checked: the verifier overlap is not the one it was made with"}


def test_without_a_promise_it_is_served_as_before(made: Made, promised: Promise) -> None:
    assert promised
    MlflowClient().delete_model_version_tag(*BASE, PROMISE)
    found: pd.DataFrame = mlflow.pyfunc.load_model(f"models:/{BASE[0]}/{BASE[1]}").predict(
        [{"question": "What is it?"}]
    )
    assert list(found.columns) == ["answer", "sources"]


def test_nothing_is_promised_of_a_version_whose_program_checks_nothing(made: Made, promised: Promise) -> None:
    MlflowClient().delete_model_version_tag(*BASE, "ragft.serves_checked")
    with pytest.raises(PrerequisiteError, match="registered by an earlier ragft"):
        open_registry().keep_promise(open_registry().base_of(BASE[0]), promised)
    MlflowClient().set_model_version_tag(*BASE, "ragft.serves_checked", "true")


def test_a_promise_that_nothing_keeps_is_refused_with_what_it_would_take(made: Made) -> None:
    with pytest.raises(DataError, match=r"at most 30% .* it would take about [\d,]+ dev questions, and there are 30"):
        verify.run(dataclasses.replace(made.params, max_false_answers=0.3), made.workspace)
    assert kept().limit == 0.5


def says_score(number: int, body: dict[str, Any]) -> Response:
    """Answer with the probability that an answer is supported, of which the length of the message decides."""
    del number
    supported = 0.05 + 0.9 * (len(message_of(body)) % 10) / 10
    tops = [{"token": "5", "logprob": math.log(supported)}, {"token": "1", "logprob": math.log(1 - supported)}]
    return says("5", logprobs={"content": [{"token": "5", "logprob": tops[0]["logprob"], "top_logprobs": tops}]})


def unknown_model(_: int, body: dict[str, Any]) -> Response:
    return Response(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (unknown_model, r"the verifier cannot be asked: http.*/v1.*The model `checker` does not exist"),
        (lambda *_: says("5"), r"the verifier's server offers no log probabilities, .* or verifier=overlap"),
        (lambda *_: Response(drop=True), r"the verifier cannot be asked: http.* gave no answer within 0.2 s"),
    ],
)
def test_a_verifier_that_cannot_be_asked_is_found_before_anything_is_computed(
    made: Made, script: Script, said: str
) -> None:
    answers = count(made, "answers")
    with ScriptedServer(script) as server, pytest.raises(JudgeError, match=said) as caught:
        asked = dataclasses.replace(made.params, verifier="checker", verifier_url=server.url, max_new_tokens=9)
        verify.run(dataclasses.replace(asked, deadline_s=0.2, timeout_s=0.2), made.workspace)
    assert caught.value.exit_code == 5
    assert count(made, "answers") == answers
    assert kept().verifier == "overlap"


def test_a_killed_run_goes_on_without_asking_a_served_verifier_twice(made: Made, promised: Promise) -> None:
    ended = threading.Event()

    def kills(number: int, body: dict[str, Any]) -> Response:
        if number == KILLED_AT:
            os.kill(killed.pid, signal.SIGKILL)
            ended.set()
        return Response(drop=True) if ended.is_set() else says_score(number, body)

    with ScriptedServer(kills) as first:
        asked: dict[str, Any] = {
            "verifier": "checker",
            "verifier_url": first.url,
            "max_false_answers": 0.9,
            "concurrency": 2,
        }
        params = dataclasses.replace(made.params, **asked)
        given = {name: value for name, value in params.as_dict().items() if value != getattr(VerifyParams(), name)}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        experiment = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "RAGFT_HOME": str(made.workspace.home)}
        killed = subprocess.Popen(
            [sys.executable, "-m", "entrypoints.evaluate", *words], env={**os.environ, **experiment}
        )
        assert killed.wait(120) == -signal.SIGKILL
    with ScriptedServer(says_score, port=urlsplit(first.url).port or 0) as second:
        (side,) = verify.run(params, made.workspace)
        times = len(second.calls)
        assert {body["model"] for body in second.calls} == {"checker"}
        messages = [[message_of(body) for body in server.calls] for server in (first, second)]
        assert len(messages[0]) > KILLED_AT
        assert len(set(messages[0]) & set(messages[1])) <= params.concurrency
        assert len(set(messages[1])) == len(messages[1])
        again = kept()
        assert (again.verifier, again.verifier_url, again.limit) == ("checker", second.url, 0.9)
        # What was asked of the test questions when they were scored is not asked again when they are served.
        answers = side.split["retrieved"]
        scores = {row.question: score for row, score in zip(answers.rows, answers.scores, strict=True)}
        least, *_, most = sorted({score for score in scores.values() if score is not None})
        middle = (least + most) / 2
        replies = served(made, dataclasses.replace(again, threshold=middle)).to_dict("records")
        assert {reply["verified"] for reply in replies} == {True, False}
        for reply in replies:
            score = scores.get(reply["question"])
            assert reply["verified"] == (score is not None and score > middle)
        assert len(second.calls) == times
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verifying, "SERVED_DEADLINE_S", 0.2)
            model = mlflow.pyfunc.load_model(f"models:/{BASE[0]}/{BASE[1]}")
        model.predict([{"question": "What is the activation fee of Azure Swan?"}])
        assert len(second.calls) == times + 1
    with pytest.raises(JudgeError, match=r"the verifier cannot be asked: http.* gave no answer within 0.2 s"):
        model.predict([{"question": "What is the monthly price of Azure Swan?"}])


def count(made: Made, table: str) -> int:
    with made.workspace.store.transaction() as cursor:
        row = cursor.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def test_a_promise_waits_for_whoever_moves_the_champion(made: Made, promised: Promise) -> None:
    (side,) = made.sides
    other = dataclasses.replace(side, dev=dataclasses.replace(side.dev, unknown=promised.unknown + 1))
    prepared = Prepared(made.params, ensure_prepared(made.params, made.workspace))
    waits = threading.Event()

    def say(line: str) -> None:
        if line == f"another process works on champion of {BASE[0]}: waiting for it":
            waits.set()

    def keeps() -> None:
        with mlflow.start_run():
            verify._keep(prepared, other, Overlap(), None, dataclasses.replace(made.workspace, say=say))

    keeping = threading.Thread(target=keeps)
    with open_store(os.environ["RAGFT_DSN"], made.workspace.home) as moving:
        with moving.lock(f"champion of {BASE[0]}"):
            keeping.start()
            assert waits.wait(60)
            assert kept() == promised
        keeping.join()
    assert kept() == dataclasses.replace(promised, unknown=promised.unknown + 1)


def test_a_promise_of_an_engines_answers_says_so_and_is_not_claimed_in_process(made: Made, promised: Promise) -> None:
    (side,) = made.sides
    by = dataclasses.replace(side.dev.evaluation, engine="vllm 0.32.0 float32")
    engines = dataclasses.replace(side, dev=dataclasses.replace(side.dev, evaluation=by))
    prepared = Prepared(made.params, ensure_prepared(made.params, made.workspace))
    made.said.clear()
    with mlflow.start_run():
        verify._keep(prepared, engines, Overlap(), None, made.workspace)
    assert kept() == dataclasses.replace(promised, engine="vllm 0.32.0 float32")
    why = (
        "it was made with answers of vllm 0.32.0 float32, and a served version answers itself: evaluate with -P engine="
    )
    assert why in made.said[-1]
    replies = served(made, kept())
    assert not replies["verified"].any()
    assert set(replies["why"]) == {f"not checked: {why}local"}
