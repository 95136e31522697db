"""A version is served as it was compared when it was promoted, and only from the files that were registered."""

import dataclasses
import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import pytest
import torch
import uvicorn
from mlflow import MlflowClient
from mlflow.entities import SpanType
from openai import BadRequestError, OpenAI

from entrypoints.steps import compare, evaluate, finetune, promote, rollback
from entrypoints.steps.shared.bases import require_base_of
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verification.promise import PROMISE, Promise
from ragft.chat.server import chat_app
from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.models.fingerprint import write_manifest
from ragft.params.data import DataParams
from ragft.params.scoring import EvaluateParams
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams, PromoteParams
from ragft.params.versions import RollbackParams
from ragft.retrieval.reranking import reranker_sha256
from ragft.verifying import NOT_SUPPORTED, Overlap
from registry.versions import Version
from tests.tiny_model import make_tiny_model
from tests.tiny_reranker import make_tiny_reranker

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
torch.set_num_threads(1)
TOWNS = 8
PROMPT = "Read this:\n$passages\n\nThen say in few words: $question"


@dataclass(frozen=True)
class Made:
    """A base, an adapter, and how they are compared: not as a version is served unless told."""

    workspace: Workspace
    version: Version
    promoted: PromoteParams
    said: list[str]

    @property
    def back(self) -> RollbackParams:
        """A rollback of the model that the version belongs to."""
        return RollbackParams(dataset="rows", name="towns", base=self.promoted.base)

    @property
    def folder(self) -> Path:
        """Where the files of the version lie in the artifact store."""
        source = MlflowClient().get_model_version(self.version.name, str(self.version.number)).source or ""
        place = MlflowClient().get_logged_model(source.rpartition("/")[2]).artifact_location
        return Path(urlsplit(str(place)).path)


def write_rows(folder: Path) -> None:
    """Write two questions about each of a few towns: one to train on, one to test with."""
    documents, questions = [], []
    for number in range(TOWNS):
        facts = {"river": f"The river of town {number} is called Wend {number}.",
                 "colour": f"The gate of town {number} is painted in shade {number}."}  # fmt: skip
        filler = [f"Town {number} has {count} bridges and a market on day {count}." for count in range(3)]
        documents.append({"id": f"t{number}", "text": "\n\n".join([*facts.values(), *filler])})
        split = ("train", "train", "dev", "test", "test", "test", "confirm", "train")[number % 8]
        for name, fact in facts.items():
            questions.append({"id": f"{name}{number}", "question": f"Which {name} has town {number}?", "answer": fact,
                              "document": f"t{number}", "evidence": [fact], "split": split})  # fmt: skip
    (folder / "documents.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    (folder / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))


def towns(folder: Path, top_k: int) -> DataParams:
    """Write the rows, and return the parameters that read them."""
    write_rows(folder)
    return DataParams(
        dataset="rows", path=str(folder / "questions.jsonl"), documents=str(folder / "documents.jsonl"), name="towns",
        chunk_chars=60, top_k=top_k, collection="all", allow_leaks=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(module_workspace: Workspace, module_said: list[str]) -> Made:
    home = module_workspace.home
    (home / "prompt.txt").write_text(PROMPT)
    data = towns(home, top_k=4)
    base = str(make_tiny_model(home / "tiny"))
    train = {"samples": 4, "epochs": 2, "learning_rate": 0.01, "format": "retrieved", "allow_low_hit_rate": True}
    version = finetune.run(data.pick(FinetuneParams, base=base, **train), module_workspace).version
    promoted = data.pick(
        PromoteParams, dataset="rows", base=base, model=version.uri, prompt=str(home / "prompt.txt"),
        max_new_tokens=7, context_window=110, top_k=3, chunk_chars=80, estimator="expected_no_rationale",
        force=True, reason="a test", retriever="hybrid", reranker=str(make_tiny_reranker(home / "reranker")),
    )  # fmt: skip
    return Made(module_workspace, version, promoted, module_said)


def predicted(uri: str, questions: list[str]) -> tuple[list[str], list[list[str]]]:
    found = mlflow.pyfunc.load_model(uri).predict([{"question": text} for text in questions])
    return list(found["answer"]), [list(sources) for sources in found["sources"]]


def as_compared(made: Made, uri: str) -> tuple[list[str], list[str], list[list[str]]]:
    """The questions, answers and passages of the comparison, which are in the store."""
    asked = made.promoted.pick(EvaluateParams, model=uri, judge="none", context="retrieved")
    (evaluation,) = evaluate.run(asked, made.workspace)
    rows = evaluation.rows
    assert any(row.facts["dropped_passages"] for row in rows)
    return [row.question for row in rows], [row.answer for row in rows], [list(row.passages) for row in rows]


def test_the_first_rollback_says_that_nothing_was_promoted_yet(made: Made) -> None:
    with pytest.raises(PrerequisiteError, match="nothing was promoted yet: version 1 is champion of ragft-towns-tiny"):
        rollback.run(made.back, made.workspace)
    with pytest.raises(PrerequisiteError, match="there is no model ragft-villages-tiny in the registry"):
        rollback.run(dataclasses.replace(made.back, name="villages"), made.workspace)


def test_what_was_compared_is_what_is_served(made: Made) -> None:
    uri, registry = made.version.uri, open_registry()
    base = registry.get(f"models:/{made.version.name}/1")
    usual = registry.served_as(made.version)
    assert (usual.max_new_tokens, usual.top_k, usual.context) == (128, 4, "retrieved")
    promote.run(made.promoted, made.workspace)

    questions, answers, passages = as_compared(made, uri)
    Path(made.promoted.prompt).write_text("$passages another prompt $question")  # what was promoted does not follow
    assert predicted(f"models:/{made.version.name}@champion", questions) == (answers, passages)
    served = registry.served_as(made.version)
    assert served.answer_prompt.render("q", ["p"]) == "Read this:\n[1] p\n\nThen say in few words: q"
    assert (served.max_new_tokens, served.context_window, served.top_k, served.chunk_chars) == (7, 110, 3, 80)
    assert (served.retriever, served.language, served.index) == ("hybrid", "english", "exact")
    assert served.reranker_sha256 == reranker_sha256(made.promoted.reranker)
    assert registry.served_as(base).max_new_tokens == 128
    said = "\n".join(made.said)
    assert f"it is served as it was compared: prompt {served.answer_prompt.sha256[:12]}, max_new_tokens 7" in said
    assert "max_new_tokens 7 (was 128), context_window 110 (was the model's)" in said
    assert "retriever hybrid (was dense)" in said
    assert "reranked by" in said
    assert "passages are served from all documents" not in said
    card = MlflowClient().get_model_version(made.version.name, "2").description or ""
    assert "max\\_new\\_tokens 7" in card

    Path(made.promoted.prompt).write_text(PROMPT)
    made.said.clear()
    for _ in range(2):
        assert rollback.run(made.back, made.workspace).number == 1
    assert made.said == [
        "models:/ragft-towns-tiny/1 is champion again; version 2 is marked as rolled back",
        "version 1 is the first champion there was; another rollback changes nothing",
        "models:/ragft-towns-tiny/1 is champion already, and stays so",
        "version 1 is the first champion there was; another rollback changes nothing",
    ]
    assert len(predicted(f"models:/{made.version.name}@champion", questions[:1])[1][0]) == 4


@contextmanager
def promised(made: Made, version: Version, threshold: float, collection: str = "") -> Iterator[Promise]:
    """Keep a promise with a version while the block runs; ``collection`` names one of other passages than all."""
    asked = made.promoted.pick(EvaluateParams, model=version.uri, judge="none", context="retrieved")
    (evaluation,) = evaluate.run(asked, made.workspace)
    assert evaluation.served_as is not None
    promise = Promise(
        limit=0.1, confidence=0.9, threshold=threshold, verifier="overlap", verifier_url="",
        verifier_sha256=Overlap().identity, data="towns", data_sha256="", data_seed=0, asked=9, answers=9, leaving=1,
        wrong=0, clusters=1, rho=0.0, unknown=0, p=0.05, served_as=evaluation.served_as,
        collection=collection or evaluation.collection, base_fingerprint=version.lineage.base_fingerprint,
        adapter_sha256=version.lineage.adapter_sha256,
    )  # fmt: skip
    open_registry().keep_promise(version, promise)
    try:
        yield promise
    finally:
        MlflowClient().delete_model_version_tag(version.name, str(version.number), PROMISE)


def test_a_version_with_its_verifier_counts_as_abstaining_where_nothing_may_leave(made: Made) -> None:
    asked = made.promoted.pick(
        CompareParams, judge="none", context="retrieved", verify=True, against=f"models:/{made.version.name}/1"
    )
    with pytest.raises(ConfigError, match=r"nothing is promised of the answers of models:/ragft-towns-tiny/2: make"):
        compare.run(asked, made.workspace)
    with promised(made, made.version, 1.0):
        checked = compare.run(asked, made.workspace)
        plain = compare.run(dataclasses.replace(asked, verify=False), made.workspace)
        with pytest.raises(ConfigError, match=r"made under other conditions: top_k 2 \(was 3\)"):
            compare.run(dataclasses.replace(asked, top_k=2), made.workspace)
    version, against = checked.sides[made.version.uri]["retrieved"], checked.sides[checked.against.uri]["retrieved"]
    assert {row.outcome for row in version.rows} == {"abstained"}
    assert "abstained" not in {row.outcome for row in against.rows}
    assert {row.answer for row in plain.sides[made.version.uri]["retrieved"].rows}.isdisjoint({NOT_SUPPORTED})
    assert checked.comparison.conditions.keys() - plain.comparison.conditions.keys() == {"checked"}


def test_what_was_compared_with_its_verifier_is_what_is_served(made: Made) -> None:
    asked = dataclasses.replace(made.promoted, judge="none", context="retrieved", verify=True)
    base = open_registry().get(base_uri(made))
    questions, answers, _ = as_compared(made, made.version.uri)
    made.said.clear()
    with promised(made, base, 1.0), promised(made, made.version, 1.0) as promise:
        with pytest.raises(ConfigError, match=r"is served with its verifier overlap, .*; add -P verify=True"):
            promote.run(dataclasses.replace(asked, verify=False), made.workspace)
        promote.run(asked, made.workspace)
        served, _ = predicted(f"models:/{made.version.name}@champion", questions)
        rollback.run(dataclasses.replace(made.back, to=1), made.workspace)
        with pytest.raises(PrerequisiteError, match=r"what is promised of the answers of .* changed while it was"):
            promote._check_same_promise(dataclasses.replace(made.version, promise="another"))
    newest, before = mlflow.search_runs(
        search_all_experiments=True,
        filter_string="tags.`ragft.checked` LIKE '%' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
        max_results=2,
        output_format="list",
    )
    # The version is asked first, then the champion, of which nothing leaves.
    assert [run.data.tags["ragft.model"] for run in (before, newest)] == [made.version.uri, "base"]
    rows = mlflow.artifacts.load_dict(f"runs:/{before.info.run_id}/rows.json")
    compared = [row[rows["columns"].index("output")] for row in rows["data"]]
    assert NOT_SUPPORTED not in answers
    assert served == compared == [NOT_SUPPORTED] * len(questions)
    said = "\n".join(made.said)
    assert f"answers of {base.uri} are checked too, by its own promise" in said
    assert f"its answers are checked before they leave: {promise.words}" in said
    card = MlflowClient().get_model_version(made.version.name, "2").description or ""
    assert "what its verifier did not let leave counted as an abstention; once promoted, it is served so" in card


def test_bytecode_beside_a_loaded_program_is_no_other_file(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    predicted(made.version.uri, ["Which river has town 3?"])
    assert list((made.folder / "__pycache__").glob("serving.*.pyc"))
    open_registry().verify(made.version)


def test_passages_of_a_split_alone_are_said_not_to_be_what_is_served(made: Made) -> None:
    made.said.clear()
    with promised(made, made.version, 1.0, collection="dev's own"):
        with pytest.raises(
            ConfigError, match=r"is not applied where it is served: .* -P collection=all -P verify=True"
        ):
            promote.run(dataclasses.replace(made.promoted, verify=True), made.workspace)
        promote.run(dataclasses.replace(made.promoted, collection="split"), made.workspace)
    assert "-P collection=all compares as it is served" in "\n".join(made.said)
    assert "its promise is not applied where it is served, so nothing is checked" in "\n".join(made.said)
    rollback.run(dataclasses.replace(made.back, to=1), made.workspace)


def test_no_version_is_crowned_whose_base_is_another(made: Made) -> None:
    require_base_of(made.version)
    other = dataclasses.replace(made.version.lineage, base_fingerprint="0" * 64)
    with pytest.raises(PrerequisiteError, match=f"{'0' * 64}, here it has .*: restore that base"):
        require_base_of(dataclasses.replace(made.version, lineage=other))


def test_a_prompt_that_no_tag_holds_is_refused_before_anything_is_compared(made: Made, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(f"$passages $question {'word ' * 20_000}")
    with pytest.raises(ConfigError, match="100,021 characters as JSON"):
        promote.run(dataclasses.replace(made.promoted, prompt=str(tmp_path / "long.txt")), made.workspace)


def base_uri(made: Made) -> str:
    return f"models:/{made.version.name}/1"


@pytest.fixture(scope="module")
def model(made: Made) -> Any:  # noqa: ANN401 - MLflow types what it takes and gives too widely
    """The base as MLflow loads it: what the other tests promote does not change how it is served."""
    return mlflow.pyfunc.load_model(base_uri(made))


def chat(*texts: str) -> dict[str, list[dict[str, str]]]:
    """A chat whose last message is a user's."""
    roles = ("user", "assistant") * len(texts)
    return {"messages": [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]}


def test_a_chat_is_answered_as_its_last_question_is_whole_and_in_pieces(made: Made, model: Any) -> None:  # noqa: ANN401
    question = "Which river has town 3?"
    plain = model.predict([{"question": question}, {"question": "Which colour has town 4?"}])
    whole = model.predict(chat("Hello", "Yes?", question))
    (choice,) = whole["choices"]
    assert choice["message"] == {"role": "assistant", "content": plain["answer"][0]}
    assert whole["model"] == base_uri(made)
    assert [source["text"] for source in whole["custom_outputs"]["sources"]] == list(plain["sources"][0])
    assert {source["document"] for source in whole["custom_outputs"]["sources"]} <= {f"t{n}" for n in range(TOWNS)}
    assert whole["custom_outputs"]["ignored_messages"] == 2
    assert whole["usage"]["completion_tokens"] > 1

    *pieces, end = model.predict_stream(chat(question))
    assert len(pieces) > 3
    assert "".join(piece["choices"][0]["delta"]["content"] for piece in pieces) == plain["answer"][0]
    assert (end["usage"], end["choices"][0]["finish_reason"]) == (whole["usage"], choice["finish_reason"])
    *pieces, end = model.predict_stream({"question": question})
    assert "".join(piece["answer"] for piece in pieces) == plain["answer"][0]
    assert end == {"answer": "", "sources": list(plain["sources"][0])}

    for wrong in ([{"query": "Which?"}], {"messages": [{"role": "assistant", "content": "Yes?"}]}):
        with pytest.raises(DataError, match="expected"):
            model.predict(wrong)


def test_an_answer_leaves_a_trace_with_its_passages_and_its_tokens(model: Any) -> None:  # noqa: ANN401
    before = mlflow.get_last_active_trace_id()
    for _ in model.predict_stream(chat("Which river has town 3?")):
        pass
    mlflow.flush_trace_async_logging()
    found = mlflow.get_trace(mlflow.get_last_active_trace_id() or "")
    assert found is not None
    assert found.info.trace_id != before
    spans = {span.name: span for span in found.data.spans}
    assert [spans[name].span_type for name in ("answer", "retrieve", "generate")] == [
        SpanType.CHAIN, SpanType.RETRIEVER, SpanType.CHAT_MODEL,
    ]  # fmt: skip
    assert {span.parent_id for name, span in spans.items() if name != "answer"} == {spans["answer"].span_id}
    documents = spans["retrieve"].outputs
    assert len(documents) == 4
    assert {document["metadata"]["doc_uri"] for document in documents} <= {f"t{n}" for n in range(TOWNS)}
    usage = found.info.token_usage or {}
    assert usage["output_tokens"] > 1

    mlflow.tracing.disable()
    try:
        model.predict(chat("Which river has town 3?"))
    finally:
        mlflow.tracing.enable()
    assert mlflow.get_last_active_trace_id() == found.info.trace_id


def test_openais_client_talks_to_the_server(made: Made, model: Any) -> None:  # noqa: ANN401
    uri = base_uri(made)
    plain = model.predict([{"question": "Which river has town 3?"}])
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(chat_app(model, uri), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        client = OpenAI(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1", api_key="none", max_retries=0)
        assert [model.id for model in client.models.list()] == [uri]
        asked: dict[str, Any] = {"model": uri, "messages": chat("Which river has town 3?")["messages"]}
        whole = client.chat.completions.create(**asked, temperature=0)
        assert whole.choices[0].message.content == plain["answer"][0]
        sources = (whole.model_extra or {})["custom_outputs"]["sources"]
        assert [source["text"] for source in sources] == list(plain["sources"][0])
        pieces = list(client.chat.completions.create(**asked, stream=True))
        assert len(pieces) > 3
        assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == plain["answer"][0]
        for wrong, said in (
            ({"model": "gpt"}, f"model is 'gpt', expected '{uri}'"),
            ({"n": 2}, "n is 2, which is not offered"),
            ({"messages": [{"role": "user", "content": "word " * 9000}]}, "alone does not fit"),
            ({"messages": [{"role": "user", "content": "word " * 9000}], "stream": True}, "alone does not fit"),
            ({"messages": []}, "messages is [], expected a list"),
        ):
            with pytest.raises(BadRequestError) as refused:
                client.chat.completions.create(**(asked | wrong))
            assert said in refused.value.message
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def folder(made: Made) -> Iterator[Path]:
    """The files of the version, which are put back afterwards."""
    place = made.folder
    kept = Path(shutil.copytree(place, place.with_name(f"{place.name}.kept")))
    yield place
    shutil.rmtree(place)
    kept.rename(place)


def swap_weights(folder: Path) -> None:
    path = folder / "artifacts" / "adapter" / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    write_manifest(path.parent)


def ask_for_a_huge_rank(folder: Path) -> None:
    path = folder / "artifacts" / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "r": 10**9}))
    write_manifest(path.parent)


def add_a_program(folder: Path) -> None:
    (folder / "artifacts" / "adapter" / "evil.py").write_text("")
    write_manifest(folder / "artifacts" / "adapter")


def serve_from_elsewhere(folder: Path) -> None:
    path = folder / "artifacts" / "serving.json"
    path.write_text(path.read_text().replace('"max_new_tokens": 128', '"max_new_tokens": 1'))


def leave_the_adapter_out(folder: Path) -> None:
    path = folder / "MLmodel"
    text = path.read_text()
    begin, end = text.index("      adapter:"), text.index("      serving:")
    path.write_text(text[:begin] + text[end:])


TAMPERED = {
    swap_weights: "its files and their manifest were replaced",
    ask_for_a_huge_rank: "its files and their manifest were replaced",
    add_a_program: "'evil.py', which no adapter needs",
    serve_from_elsewhere: "is not what was registered",
    leave_the_adapter_out: "was registered with an adapter",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__)
def test_a_tampered_version_is_neither_served_nor_crowned(made: Made, folder: Path, tamper: object) -> None:
    tamper(folder)  # type: ignore[operator]
    with pytest.raises(PrerequisiteError, match=TAMPERED[tamper]):  # type: ignore[index]
        mlflow.pyfunc.load_model(made.version.uri)
    with pytest.raises(PrerequisiteError, match=made.version.uri):
        open_registry().verify(made.version)


def test_files_that_were_not_fetched_from_the_registry_are_not_served(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copied / "registered_model_meta").unlink(missing_ok=True)
    with pytest.raises(PrerequisiteError, match=r"load a version by its address there, models:/<name>/<number>"):
        mlflow.pyfunc.load_model(str(copied))


def test_a_tag_that_says_nothing_sensible_is_refused(made: Made) -> None:
    client, where = MlflowClient(), (made.version.name, str(made.version.number))
    client.set_model_version_tag(*where, "ragft.served_as", '{"top_k": "many"}')
    with pytest.raises(DataError, match="top_k is 'many', expected int"):
        mlflow.pyfunc.load_model(made.version.uri)
    client.delete_model_version_tag(*where, "ragft.served_as")
