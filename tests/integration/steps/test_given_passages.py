"""Passages that another search found: ours written and read again, others' own, and what is refused."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mlflow
import pytest
import torch

from entrypoints.steps import compare, evaluate, finetune, prepare, promote, remedy, study
from entrypoints.steps.search import remedy as search
from entrypoints.steps.search.rejection import judged
from entrypoints.steps.shared.compared import Compared
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.preparation import ensure_prepared
from entrypoints.steps.shared.retrieved import retrieve
from entrypoints.steps.shared.weights import open_registry
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.verdict.causes import Cause
from ragft.errors import ConfigError, DataError
from ragft.params.data import BaseParams, PrepareParams
from ragft.params.scoring import EvaluateParams
from ragft.params.searches import RemedyParams, StudyParams
from ragft.params.training import FinetuneParams
from ragft.params.verdict import CompareParams
from ragft.store.passages import load_passages
from ragft.types import digest
from registry.versions import Version
from tests.tiny_model import make_tiny_model

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
torch.set_num_threads(1)
SPLITS = ("train", "train", "dev", "test", "test", "test", "confirm", "train")


@dataclass(frozen=True)
class Made:
    """Towns with documents, an adapter trained on passages of them, and what was retrieved here, in a file."""

    workspace: Workspace
    data: BaseParams
    train: FinetuneParams
    version: Version
    exported: Path
    said: list[str]

    def written(self, name: str, rows: list[dict[str, Any]]) -> str:
        path = self.exported.with_name(name)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    def evaluated(self, retrieved: str, **changes: Any) -> Evaluation:  # noqa: ANN401
        """The base's evaluation in the context retrieved."""
        asked = self.data.pick(EvaluateParams, **(QUICK | {"context": "retrieved"} | changes), retrieved=retrieved)
        return evaluate.run(asked, self.workspace)[0]

    def answers(self) -> int:
        with self.workspace.store.transaction() as cursor:
            row = cursor.execute("SELECT count(*) FROM answers").fetchone()
        return int(row[0]) if row else 0


QUICK = {"judge": "none", "max_new_tokens": 7}


def facts(number: int) -> dict[str, str]:
    return {
        "river": f"The river of town {number} is called Wend {number} and floods in spring.",
        "colour": f"The gate of town {number} is painted in shade {number} every year.",
    }


def write_rows(folder: Path) -> None:
    """Write two questions about each of a few towns."""
    documents, questions = [], []
    for number, split in enumerate(SPLITS):
        filler = [f"Town {number} has {count} bridges and a market on day {count}." for count in range(3)]
        documents.append({"id": f"t{number}", "text": "\n\n".join([*facts(number).values(), *filler])})
        for name, fact in facts(number).items():
            questions.append({"id": f"{name}{number}", "question": f"Which {name} has town {number}?", "answer": fact,
                              "document": f"t{number}", "evidence": [fact], "split": split})  # fmt: skip
    (folder / "documents.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    (folder / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))


@pytest.fixture(scope="module")
def made(module_workspace: Workspace, module_said: list[str]) -> Made:
    home = module_workspace.home
    write_rows(home)
    data = BaseParams(
        dataset="rows", path=str(home / "questions.jsonl"), documents=str(home / "documents.jsonl"), name="towns",
        chunk_chars=80, top_k=3, allow_leaks=True, base=str(make_tiny_model(home / "tiny")),
    )  # fmt: skip
    exported = home / "retrieved.jsonl"
    prepare.run(data.pick(PrepareParams, export_retrieved=str(exported)), module_workspace)
    train = data.pick(
        FinetuneParams, samples=4, epochs=2, learning_rate=0.01, format="retrieved", withheld_share=0.5,
        allow_low_hit_rate=True,
    )  # fmt: skip
    version = finetune.run(train, module_workspace).version
    return Made(module_workspace, data, train, version, exported, module_said)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_question_is_written_with_its_passages_and_falling_scores(made: Made) -> None:
    rows = rows_of(made.exported)
    assert len(rows) == 2 * len(SPLITS)
    assert set(rows[0]) == {"id", "question", "passages", "gold", "withheld"}
    for row in rows:
        assert [set(given) for given in row["passages"]] == [{"id", "document", "text", "score"}] * 3
        scores = [given["score"] for given in row["passages"]]
        assert scores == sorted(scores, reverse=True)
        assert -1 <= scores[-1] <= scores[0] <= 1.000001
    assert f"wrote the passages of 16 questions to {made.exported}" in "\n".join(made.said)


def test_a_round_trip_generates_nothing_and_gives_the_identical_verdict(made: Made) -> None:
    asked = made.data.pick(
        CompareParams, model=made.version.uri, context="none,retrieved,withheld,oracle,oracle_distractors", **QUICK
    )
    ours = compare.run(asked, made.workspace)
    answers = made.answers()
    theirs = compare.run(dataclasses.replace(asked, retrieved=str(made.exported)), made.workspace)
    assert made.answers() == answers > 0
    for uri, contexts in ours.sides.items():
        assert set(contexts) == set(theirs.sides[uri]) == set(asked.contexts())
        for context, evaluation in contexts.items():
            assert theirs.sides[uri][context].rows == evaluation.rows
            assert theirs.sides[uri][context].metrics == evaluation.metrics
    assert ours.comparison.conditions["retrieval"] != theirs.comparison.conditions["retrieval"]
    assert dataclasses.replace(theirs.comparison, conditions={}) == dataclasses.replace(ours.comparison, conditions={})
    assert (theirs.decision.outcome, theirs.decision.reasons) == (ours.decision.outcome, ours.decision.reasons)


def test_a_round_trip_trains_nothing_anew(made: Made) -> None:
    again = finetune.run(dataclasses.replace(made.train, retrieved=str(made.exported)), made.workspace)
    assert again.result.reused
    assert again.version.identity == made.version.identity


def theirs(number: int, name: str, passages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"question": f"Which {name} has town {number}?", "passages": passages}


def chunks(number: int) -> dict[str, str]:
    """The town in other pieces than ours."""
    return {
        "both": f"Guide to town {number}. {' '.join(facts(number).values())}",
        "market": f"Town {number} has 1 bridges and a market on day 1.",
    }


def others_rows() -> list[dict[str, Any]]:
    """A search's log: the evidence first, third, under an unknown name, nowhere, of another town, and first."""
    far = {"text": "The shire has no towns.", "document": "crawl/77"}
    return [
        theirs(3, "river", [{"text": chunks(3)["both"], "document": "t3", "score": 2.5}, {**far, "score": 1}]),
        theirs(3, "colour", [far, {"text": chunks(3)["market"], "document": "t3"},
                             {"text": chunks(3)["both"], "document": "t3"}]),
        theirs(4, "river", [{"text": "An empty page."}, {"text": chunks(4)["both"], "document": "https://towns/4"}]),
        theirs(4, "colour", [far, {"text": chunks(3)["market"], "document": "t3"}]),
        theirs(5, "river", [{"text": chunks(5)["both"], "document": "t4"}, far]),
        theirs(5, "colour", [{"text": chunks(5)["both"]}]),
    ]  # fmt: skip


def test_evidence_is_found_in_the_passages_of_others(made: Made) -> None:
    found = made.evaluated(made.written("others.jsonl", others_rows()))
    numbers = {row.id: [row.numbers[name] for name in ("hit_at_3", "recall_at_3", "mrr")] for row in found.rows}
    assert numbers == {
        "river3": [1, 1, 1],
        "colour3": [1, 1, pytest.approx(1 / 3)],
        "river4": [1, 1, 0.5],
        "colour4": [0, 0, 0],
        "river5": [0, 0, 0],
        "colour5": [1, 1, 1],
    }
    assert found.metrics["hit_at_3/mean"] == pytest.approx(4 / 6)
    # Who refuses where the passages lack the evidence does no harm.
    assert {row.id for row in found.rows if not row.guard} == {"colour4", "river5"}
    assert {row.id: len(row.passages) for row in found.rows}["colour3"] == 3
    assert "those of log.jsonl; the version is served with passages of its own documents" in served(made, found)


def served(made: Made, evaluation: Evaluation) -> str:
    """What a promotion on these answers says of how the version is served."""
    made.said.clear()
    assert evaluation.served_as is not None
    nothing = cast(Compared, None)  # it is asked for the old champion alone, and there is none
    promote._say_how_it_is_served(evaluation.served_as, None, evaluation, nothing, "log.jsonl", made.workspace)
    return "\n".join(made.said)


def test_both_sides_see_the_same_bytes_which_the_store_keeps(made: Made) -> None:
    path = made.written("bytes.jsonl", others_rows())
    asked = made.data.pick(CompareParams, model=made.version.uri, context="retrieved,withheld", **QUICK, retrieved=path)
    compared = compare.run(asked, made.workspace)
    base, adapter = (side["retrieved"] for side in compared.sides.values())
    assert [row.passages for row in base.rows] == [row.passages for row in adapter.rows]
    assert base.conditions == adapter.conditions
    assert base.conditions["retrieval"] == digest([base.collection, 3])
    assert base.collection == adapter.collection != made.evaluated("").collection
    text = chunks(3)["both"]
    kept = digest(["t3", 0, text])
    assert load_passages(made.workspace.store, [kept])[kept].text == text
    # What cannot answer comes from the others' passages, of documents that the data know.
    withheld = {text for side in compared.sides.values() for row in side["withheld"].rows for text in row.passages}
    assert withheld == {chunks(3)["market"]}


def test_ids_of_the_store_stand_for_their_texts(made: Made) -> None:
    full = [row for row in rows_of(made.exported) if row["id"][-1] in "345"]
    lean = [{"id": row["id"], "passages": [{"id": given["id"]} for given in row["passages"]]} for row in full]
    ours, found = made.evaluated(""), made.evaluated(made.written("ids.jsonl", lean))
    assert [row.passages for row in found.rows] == [row.passages for row in ours.rows]
    assert found.metrics["mrr/mean"] == ours.metrics["mrr/mean"]


def test_data_without_documents_are_asked_with_the_passages_of_others(made: Made) -> None:
    path = made.written("others.jsonl", others_rows())
    bare = {"documents": "", "name": "bare", "context": "none,retrieved", "prompt": "default"}
    asked = made.data.pick(EvaluateParams, **(QUICK | bare), retrieved=path)
    alone, shown = evaluate.run(asked, made.workspace)
    assert (alone.context, shown.context) == ("none", "retrieved")
    assert shown.metrics["hit_at_3/mean"] == pytest.approx(4 / 6)
    assert shown.served_as is not None
    assert (shown.served_as.context, shown.served_as.collection) == ("none", "")
    assert "the version is served without passages: it has no documents" in served(made, shown)
    with pytest.raises(ConfigError, match=r"or give documents=\.\.\. to prepare, or retrieved="):
        made.evaluated("", documents="", name="bare")


def test_more_questions_without_passages_than_one_in_a_hundred_are_refused_and_listed(made: Made) -> None:
    rows = others_rows()
    with pytest.raises(DataError, match="no passages for 2 of 6 questions of test, at most 1% may have none") as caught:
        made.evaluated(made.written("few.jsonl", [{**rows[0], "passages": []}, *rows[1:5]]))
    assert set(caught.value.problems) == {"river3: Which river has town 3?", "colour5: Which colour has town 5?"}


def test_passages_of_test_documents_are_refused_for_train(made: Made) -> None:
    preparation = ensure_prepared(made.data, made.workspace)
    train = preparation.splits["train"]
    rows = [{"id": q.id, "passages": [{"text": "Fine.", "document": q.documents[0]}]} for q in train]
    rows[1]["gold"] = [{"text": "Told in advance.", "document": "t4"}]
    params = dataclasses.replace(made.data, retrieved=made.written("leak.jsonl", rows))
    with pytest.raises(DataError, match="questions of train 1 passages of documents that test and confirm ask") as told:
        retrieve(params, preparation, "train", train, made.workspace)
    assert told.value.problems == (f"{train[1].id}: document t4",)
    allowed = dataclasses.replace(params, collection="all")
    assert len(retrieve(allowed, preparation, "train", train, made.workspace).questions) == len(train)


def test_a_remedy_is_trained_and_asked_with_the_passages_that_were_given(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, registry = str(made.exported), open_registry()
    rejected = finetune.run(dataclasses.replace(made.train, seed=1, retrieved=given), made.workspace).version
    asked = made.data.pick(
        CompareParams,
        model=rejected.uri,
        context="retrieved",
        primary="answer_f1",
        margin=0.2,
        retrieved=given,
        **QUICK,
    )
    compare.run(asked, made.workspace)
    # Which verdict a tiny model comes to is chance, so rejection and cause are imagined; all else is real.
    monkeypatch.setattr(remedy, "judged", lambda params: dataclasses.replace(judged(params), outcome="reject"))
    monkeypatch.setattr(search, "causes_of", lambda _, __: (Cause("distractor robustness"),))
    params = RemedyParams(model=f"models:/{rejected.name}@challenger", budget=1)
    found = remedy.run(params, made.workspace)
    (trial,) = found.record["trials"]
    mended = registry.get(trial["version"])
    assert (trial["changes"], mended.lineage.format, mended.lineage.seed) == ({"format": "raft"}, "raft", 1)
    assert trial["figures"]["answer_f1"]["n"] == 2, "dev has one town"
    assert found.record["verdict"]["figures"]["answer_f1"]["n"] == 6, "test has three"
    assert mended.chosen_from == "1 trial by gain_less_harm on dev"
    trained, compared = (_run_of(step, mended) for step in ("finetune", "compare"))
    assert tracking.params_of(trained, FinetuneParams).retrieved == given
    shown = tracking.params_of(compared, CompareParams)
    assert (shown.retrieved, shown.margin, shown.max_new_tokens, shown.split) == (given, 0.2, 7, "test")
    with made.workspace.store.transaction() as cursor:
        looks = cursor.execute("SELECT split_part(data, ' ', 4), outcome FROM trials WHERE name = %s", [mended.uri])
        outcomes = dict(looks.fetchall())
    assert outcomes["dev"].startswith("gain_less_harm ")
    assert outcomes["test"] == found.record["verdict"]["verdict"]
    # The alias still names the rejected version, so the same command goes on, and finds everything done.
    assert remedy.run(params, made.workspace) == found
    assert registry.get(params.model).uri == rejected.uri


def test_a_study_trains_and_asks_with_the_passages_that_were_given(made: Made) -> None:
    shared: dict[str, Any] = {
        name: getattr(made.data, name) for name in ("dataset", "path", "documents", "name", "base")
    }
    params = StudyParams(
        **shared, retrieved=str(made.exported), chunk_chars="80", top_k="3", allow_leaks=True, allow_low_hit_rate=True,
        samples="4", epochs="2", learning_rate="0.01", format="retrieved", seeds="0", context="retrieved",
        agreement="0", judge="none", max_new_tokens=7,
    )  # fmt: skip
    found = study.run(params, made.workspace)
    assert found is not None
    (cell,) = found.cells
    assert cell.questions == 6
    for step in ("finetune", "compare"):
        said = f"tags.`ragft.step` = '{step}'"
        newest, *_ = mlflow.search_runs(filter_string=said, order_by=["start_time DESC"], output_format="list")
        assert tracking.params_of(newest.info.run_id, BaseParams).retrieved == str(made.exported)


def _run_of(step: str, version: Version) -> str:
    """The run of a step that is about a version."""
    said = f"tags.`ragft.step` = '{step}' and tags.`ragft.version` = '{version.uri}'"
    (run,) = mlflow.search_runs(filter_string=said, output_format="list")
    return str(run.info.run_id)
