"""Presets, lists of the command line, and the cells they make."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from entrypoints.steps.matrix.cells import ADDRESSES, CHECKOUT, OF_RETRIEVAL, _made_of, cells_of, factors_of
from entrypoints.steps.matrix.plan import kinds_of
from entrypoints.steps.matrix.presets import PRESETS as RECORDS
from entrypoints.steps.matrix.presets import matrix_of
from ragft.errors import ConfigError
from ragft.params.searches import StudyParams
from ragft.params.values import PRESETS
from ragft.retrieval.reranking import reranker_sha256
from tests.tiny_reranker import make_tiny_reranker


def cells(**values: object) -> list[dict[str, object]]:
    params = StudyParams(**values)  # type: ignore[arg-type]
    return [{**cell.axes, "role": cell.role, "name": cell.name} for cell in cells_of(params, matrix_of(params))]


def test_every_preset_has_a_record_and_makes_cells() -> None:
    assert set(RECORDS) == set(PRESETS)
    for preset in PRESETS:
        assert cells(preset=preset), preset


def test_the_default_is_two_formats_by_two_seeds_and_the_agreement_check() -> None:
    made = cells()
    assert [(each["format"], each["seed"], each["role"]) for each in made] == [
        ("closed_book", 0, "cell"),
        ("closed_book", 1, "cell"),
        ("retrieved", 0, "cell"),
        ("retrieved", 1, "cell"),
        ("closed_book", 0, "agreement"),
    ]
    assert {each["estimator"] for each in made} == {"expected_no_rationale", "sampled"}
    params = StudyParams()
    check = cells_of(params, matrix_of(params))[-1]
    assert (check.compare.questions, check.compare.repeats, check.compare.estimator) == (40, 10, "sampled")


def test_lists_override_the_preset_and_cross() -> None:
    made = cells(samples="200,500", format="closed_book,retrieved", seeds="0,1,2", agreement="0")
    assert len(made) == 12
    assert len({each["name"] for each in made}) == 12
    assert {each["samples"] for each in made} == {200, 500}


def test_the_factors_of_causes_are_what_adapters_were_trained_with() -> None:
    """No adapter is trained on 0 samples, so 0 is no level that others can be compared with."""
    matrix = matrix_of(StudyParams(preset="causes", samples="0,200,500", epochs="1", judge="a,b", top_k="1,5"))
    assert factors_of(matrix) == {
        "format": ["closed_book", "retrieved"],
        "samples": ["200", "500"],
        "learning_rate": ["0.0002", "0.001"],
    }
    assert "samples" not in factors_of(matrix_of(StudyParams(preset="causes", samples="0,200")))
    assert factors_of(matrix_of(StudyParams())) == {}


def test_the_usual_number_of_passages_is_not_named_twice() -> None:
    with pytest.raises(ConfigError, match=r"twice: top_k 0 stands for .* 5 here, and top_k is 0,5: leave one out"):
        cells(top_k="0,5", dataset="qasper")


def test_a_share_that_teaches_to_abstain_is_crossed_with_the_formats_that_show_passages() -> None:
    made = cells(format="closed_book,raft", withheld_share="0,0.3", seeds="0", agreement="0")
    assert [(each["format"], each["withheld_share"]) for each in made] == [
        ("closed_book", 0.0), ("raft", 0.0), ("raft", 0.3),
    ]  # fmt: skip
    assert len({each["name"] for each in made}) == 3
    with pytest.raises(ConfigError, match=r"withheld_share is \(1.5,\), expected shares from 0 to 1"):
        cells(format="raft", withheld_share="1.5")


def test_the_published_matrix_leaves_the_base_out_of_its_cells() -> None:
    made = cells(preset="paper")
    assert len(made) == 3 * 3 * 3
    assert {each["samples"] for each in made} == {200, 500, 1000}
    assert {each["top_k"] for each in made} == {5}


def test_a_preset_can_vary_one_thing_at_a_time() -> None:
    settings = [(each["top_k"], each["chunk_chars"], each["context_window"]) for each in cells(preset="context")]
    assert settings == [(3, 400, 0), (1, 400, 0), (5, 400, 0), (3, 200, 0), (3, 800, 0), (3, 400, 256)]


def test_the_real_model_is_trained_in_four_ways_and_decided_without_a_judge() -> None:
    made = cells(preset="real")
    recipes = {(each["format"], each["unanswerable_share"]) for each in made}
    assert recipes == {("closed_book", 0.0), ("closed_book", 0.33), ("retrieved", 0.0), ("retrieved", 0.33)}
    assert len(made) == 3 * len(recipes)
    assert {(each["base"], each["judge"]) for each in made} == {("smollm2", "none")}
    params = StudyParams(preset="real")
    paths = [
        {each.finetune.path for each in cells_of(asked, matrix_of(asked))}
        for asked in (
            params,
            StudyParams(preset="real", path="mine.json"),
            StudyParams(preset="real", dataset="telecom"),
        )
    ]
    assert paths == [{str(CHECKOUT / "tests/data/squad")}, {"mine.json"}, {""}]
    assert (CHECKOUT / "tests/data/squad/dev-v2.0.json").is_file()


def test_paths_belong_to_data_sets_in_their_order() -> None:
    params = StudyParams(dataset="qasper,rows", path="a.json,b.jsonl", documents=",c", agreement="0", seeds="0")
    found = [(c.finetune.dataset, c.finetune.path, c.finetune.documents) for c in cells_of(params, matrix_of(params))]
    assert found[0] == ("qasper", "a.json", "")
    assert found[-1] == ("rows", "b.jsonl", "c")
    with pytest.raises(ConfigError, match=r"path is 'a\.json': 1 for 2 data sets"):
        cells(dataset="qasper,rows", path="a.json")


def test_names_belong_to_data_sets_in_their_order() -> None:
    params = StudyParams(dataset="qasper,rows", path=",b.jsonl", name=",towns", agreement="0", seeds="0")
    made = cells_of(params, matrix_of(params))
    assert [(cell.finetune.name, cell.compare.name) for cell in made] == [("", "")] * 2 + [("towns", "towns")] * 2
    assert [cell.name.partition("|")[0] for cell in made] == ["qasper"] * 2 + ["towns"] * 2
    with pytest.raises(ConfigError, match=r"name is 'towns': 1 for 2 data sets"):
        cells(dataset="qasper,rows", name="towns")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"samples": "200,many"}, "samples is '200,many': 'many' is not a whole number"),
        ({"seeds": "0,0"}, "seeds is '0,0', expected entries joined by commas, each once"),
        ({"learning_rate": "1e-3,fast"}, "'fast' is not a number"),
        ({"format": "closed_book,opened"}, "format holds 'opened', expected some of: closed_book"),
        ({"context": "none"}, "the verdict is given in retrieved, add it"),
        ({"split": "train"}, "what a model was trained on says nothing of new questions"),
        ({"samples": "0"}, "samples is 0 alone"),
        ({"preset": "causes", "seeds": "0,1"}, "main effects need at least 3 seeds"),
        ({"agreement": "1,2"}, "agreement is '1,2', expected one whole number"),
        ({"questions": "few"}, "'few' is not a whole number"),
        ({"preset": "huge"}, "preset is 'huge', expected one of: embedded"),
    ],
)
def test_what_cannot_be_used_is_named(values: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cells(**values)
    assert named in str(caught.value)


def test_every_list_can_be_given() -> None:
    lists = {field.name for field in dataclasses.fields(StudyParams)}
    assert {field.name for field in dataclasses.fields(RECORDS["embedded"])} - {"crossed", "factors"} <= lists


def test_passages_that_were_given_are_part_of_a_cell_by_their_content(tmp_path: Path) -> None:
    usual = cells_of(StudyParams(), matrix_of(StudyParams()))[0].compare
    contents = []
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(text)
        contents.append(_made_of(dataclasses.replace(usual, retrieved=str(path)), ()))
    assert contents[0] == contents[1] != contents[2]
    assert contents[0].keys() - _made_of(usual, ()).keys() == {"retrieved"}


def test_a_precision_that_was_asked_for_is_part_of_what_a_cell_is_and_the_usual_one_is_not() -> None:
    usual, full = (cells_of(params, matrix_of(params))[0] for params in (StudyParams(), StudyParams(dtype="float32")))
    for before, after in ((usual.finetune, full.finetune), (usual.compare, full.compare)):
        made_of = before.as_dict()
        assert made_of.pop("dtype") == "auto"
        assert made_of.pop("dev_questions", 0) == 0
        assert made_of.pop("unanswerable_share", -1.0) == -1.0
        assert made_of.pop("processes", 1) == 1
        assert made_of.pop("batch_tokens", 0) == 0
        assert made_of.pop("shard", False) is False
        assert made_of.pop("engine", "local") == "local"
        assert made_of.pop("retrieved", "") == ""
        usual_search = {"retriever": "dense", "reranker": "none", "language": "english", "index": "exact"}
        assert {name: made_of.pop(name) for name in usual_search} == usual_search
        assert made_of.pop("min_recall") == 0.99
        assert made_of.pop("uniform_labels", False) is False
        assert made_of.pop("verify", False) is False
        assert _made_of(before, ()) == made_of
        assert _made_of(after, ()) == made_of | {"dtype": "float32"}
    asked = cells_of(StudyParams(dev_questions=40), matrix_of(StudyParams()))[0].finetune
    assert _made_of(asked, ()).items() - _made_of(usual.finetune, ()).items() == {("dev_questions", 40)}
    assert kinds_of(usual)["train"] == "pocket lora closed_book"
    assert kinds_of(full)["train"] == "pocket float32 lora closed_book"


def test_a_study_varies_how_passages_are_found(tmp_path: Path) -> None:
    reranker = make_tiny_reranker(tmp_path / "tiny")
    made = cells(retriever="dense,hybrid", reranker=f"none,{reranker}", format="closed_book", seeds="0", agreement="0")
    assert [(each["retriever"], each["reranker"]) for each in made] == [
        ("dense", "none"), ("dense", str(reranker)), ("hybrid", "none"), ("hybrid", str(reranker)),
    ]  # fmt: skip
    assert len({each["name"] for each in made}) == 4
    params = StudyParams(retriever="hybrid", reranker=str(reranker), language="german", format="closed_book", seeds="0")
    (cell, *_) = cells_of(params, matrix_of(params))
    said = {"retriever": "hybrid", "language": "german", "reranker": reranker_sha256(str(reranker))}
    for side in (cell.compare, cell.finetune):
        assert said.items() <= _made_of(side, ()).items()
    # An adapter that was trained on questions alone is one and the same.
    assert not said.keys() & _made_of(cell.finetune, OF_RETRIEVAL).keys()
    with pytest.raises(ConfigError, match="retriever holds 'sparse', expected some of: dense, lexical, hybrid"):
        cells(retriever="dense,sparse")


def test_a_study_takes_passages_that_were_given_and_shares_out_its_trainings(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.jsonl" for name in ("a", "b")]
    for file in files:
        file.write_text(file.name)
    given = ",".join(map(str, files))
    params = StudyParams(
        dataset="telecom,squad", path=",x", retrieved=given, processes=2, seeds="0", format="retrieved"
    )
    (cell, other, *_) = made = cells_of(params, matrix_of(params))
    assert (
        [each.compare.retrieved for each in made[:2]]
        == [each.finetune.retrieved for each in made[:2]]
        == [*map(str, files)]
    )
    assert cell.finetune.processes == 2
    assert kinds_of(cell)["train"] == "pocket lora retrieved by 2"
    # Both make another adapter, and the passages another comparison.
    plain = cells_of(StudyParams(seeds="0", format="retrieved"), matrix_of(StudyParams(seeds="0", format="retrieved")))[
        0
    ]
    assert _made_of(cell.finetune, ADDRESSES).keys() - _made_of(plain.finetune, ADDRESSES).keys() == {
        "processes",
        "retrieved",
    }
    assert _made_of(cell.compare, ())["retrieved"] != _made_of(other.compare, ())["retrieved"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"retrieved": "a.jsonl,b.jsonl"}, "retrieved is 'a.jsonl,b.jsonl': 2 for 1 data sets"),
        ({"retrieved": "a.jsonl", "retriever": "hybrid"}, "retriever=hybrid was given with retrieved=a.jsonl"),
        ({"processes": 9}, "processes is 9 and batch_size 8"),
        ({"processes": 2, "executor": "ray"}, "processes is 2 and executor ray: a task of a cluster is one process"),
    ],
)
def test_what_a_study_cannot_share_out_or_show_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        cells_of(StudyParams(**values), matrix_of(StudyParams(**values)))


def test_a_precision_that_this_machine_lacks_is_not_the_one_a_cell_is_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoints.steps.matrix.cells.computable", lambda _: "float32")
    params = StudyParams(dtype="bfloat16")
    assert _made_of(cells_of(params, matrix_of(params))[0].finetune, ())["dtype"] == "float32"
