import json
import subprocess
import sys
from pathlib import Path

import datasets
import huggingface_hub.constants
import pytest

from ragft.data.hub import read_hub
from ragft.data.load import FORMATS, load, load_with_account
from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.types import Dataset, Question
from tests.unit.data.layouts import DATA, PAPERS, columnar


def made(seed: int) -> Dataset:
    return Dataset("made", (), (Question("q", f"Seed {seed}?", ("yes",)),))


def columnar_papers() -> datasets.Dataset:
    papers = json.loads(PAPERS.read_text(encoding="utf-8"))
    return datasets.Dataset.from_list([columnar(*item) for item in papers.items()])


def test_a_format_by_name() -> None:
    dataset = load("qasper", str(PAPERS))
    assert (dataset.name, len(dataset.documents), len(dataset.questions)) == ("qasper", 4, 15)


def test_rows_with_documents_beside_them(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Alpha.", encoding="utf-8")
    (tmp_path / "rows.csv").write_text("question,answer,document\nA?,a,a.md\n", encoding="utf-8")
    dataset = load("rows", str(tmp_path / "rows.csv"), str(tmp_path / "docs"))
    assert dataset.questions[0].documents == ("a.md",)


def test_a_generator_gets_the_seed() -> None:
    assert load("made", seed=3, generators={"made": made}).questions[0].text == "Seed 3?"


def test_what_was_left_out_is_told() -> None:
    loaded = load_with_account("qasper", str(PAPERS.parent))
    assert loaded.skipped == {str(PAPERS.parent / "expected-token-f1.json"): {"not papers": 30}}


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load("qaspr", generators={"made": made})
    assert str(caught.value) == (
        f"dataset=qaspr is unknown. Did you mean qasper? Expected one of {', '.join(sorted([*FORMATS, 'made']))}, "
        "or a name on the Hugging Face hub (org/name)."
    )
    for name in ("", "a/b/c", "org/", "/name", "zzz"):
        with pytest.raises(ConfigError, match=r"is unknown\. Expected one of"):
            load(name)


@pytest.mark.parametrize(
    ("dataset", "path", "documents", "message"),
    [
        ("qasper", "", "", "dataset=qasper needs path="),
        ("qasper", "missing.json", "", r"path=missing.json does not exist. Give a file or a folder of papers"),
        ("qasper", str(PAPERS), "docs", "documents=docs has no use with dataset=qasper"),
        ("rows", str(PAPERS), "missing", "documents=missing does not exist"),
        ("made", "here", "", "path=here has no use with dataset=made"),
        ("allenai/qasper", "here", "", "path=here has no use with dataset=allenai/qasper"),
    ],
)
def test_paths_that_cannot_be(dataset: str, path: str, documents: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(dataset, path, documents, generators={"made": made})


def test_another_layout_is_refused() -> None:
    with pytest.raises(DataError, match=r"(?s)Expected papers with id.*record 1 \(line 1\)"):
        load("qasper", str(DATA / "bioasq" / "10B6_golden.json"))


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    papers = columnar_papers()
    papers.save_to_disk(str(tmp_path / "one"))
    assert load("qasper", str(tmp_path / "one")).sha256 == load("qasper", str(PAPERS)).sha256
    splits = datasets.DatasetDict(
        {"train": papers.select([0, 1]), "validation": papers.select([2]), "test": papers.select([3])}
    )
    splits.save_to_disk(str(tmp_path / "splits"))
    loaded = load("qasper", str(tmp_path / "splits"))
    assert {question.split for question in loaded.questions} == {"train", "dev", "test"}
    (tmp_path / "one" / "state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as a folder of save_to_disk"):
        load("qasper", str(tmp_path / "one"))


def test_a_hub_name_goes_through_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library takes a folder below the working directory for a repository of that name: no network is needed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "allenai" / "qasper").mkdir(parents=True)
    columnar_papers().to_json(tmp_path / "allenai" / "qasper" / "train.jsonl")
    dataset = load("allenai/qasper")
    assert dataset.name == "allenai/qasper"
    assert dataset.sha256 == load("qasper", str(PAPERS)).sha256
    (tmp_path / "org" / "mine").mkdir(parents=True)
    for split in ("train", "test"):
        (tmp_path / "org" / "mine" / f"{split}.csv").write_text(f"question,answer\n{split}?,a\n", encoding="utf-8")
    assert {question.split: question.text for question in load("org/mine").questions} == {
        "train": "train?",
        "test": "test?",
    }


def test_a_hub_data_set_with_its_documents_in_another_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "enelpol" / "rag-mini-bioasq"
    folder.mkdir(parents=True)
    configurations = "".join(
        f"- config_name: {name}\n  data_files: {name}.jsonl\n" for name in ("question-answer-passages", "text-corpus")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configurations}---\n", encoding="utf-8")
    row = {"question": "What?", "answer": "That.", "id": 0, "relevant_passage_ids": [797, 11]}
    (folder / "question-answer-passages.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    passages = [{"id": 797, "passage": "One."}, {"id": 11, "passage": "Two."}]
    (folder / "text-corpus.jsonl").write_text("".join(json.dumps(p) + "\n" for p in passages), encoding="utf-8")
    dataset = load("enelpol/rag-mini-bioasq")
    assert [document.text for document in dataset.documents] == ["One.", "Two."]
    assert dataset.questions[0].documents == ("797", "11")
    with pytest.raises(ConfigError, match="Name a configuration as dataset=org/name:configuration"):
        load("enelpol/rag-mini-bioasq:other")


def test_without_network_a_path_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(PrerequisiteError, match=r"dataset=org/name could not be fetched .* give path="):
        read_hub("org/name:configuration")


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, ragft.data.load, ragft.data.splits, ragft.data.answers; "
        "print(sorted({'torch', 'datasets', 'pyarrow', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
