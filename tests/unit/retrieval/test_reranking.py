"""A cross-encoder is loaded from what it should be, reads pairs in batches, and counts what it could not read whole."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer, BertForSequenceClassification

from ragft.errors import PrerequisiteError
from ragft.retrieval.reranking import Reranker, reranker_sha256
from tests.tiny_reranker import make_tiny_reranker

QUESTION = "Which method is used for question answering?"
PASSAGES = [
    "We use a method.",
    "Nothing of the kind.",
    "An answer to a question.",
    "We use a method for answers. " * 20,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_reranker(tmp_path_factory.mktemp("reranker") / "tiny")


def test_scores_are_the_logits_of_the_model_itself(folder: Path) -> None:
    reranker = Reranker(str(folder), "cpu")
    scores = reranker.scores(QUESTION, PASSAGES)
    model, tokenizer = (
        BertForSequenceClassification.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    tokens = tokenizer([QUESTION] * 4, PASSAGES, truncation=True, padding=True, max_length=64, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**tokens).logits[:, 0].tolist()
    assert scores == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 3) for score in scores}) == 4
    assert reranker.scores(QUESTION, []) == []


def test_what_does_not_fit_the_window_is_counted(folder: Path) -> None:
    reranker = Reranker(str(folder), "cpu")
    assert (reranker.window, reranker.pairs, reranker.cut) == (64, 0, 0)
    reranker.scores(QUESTION, PASSAGES)
    reranker.scores("a lone \ud800 surrogate", PASSAGES[:1])
    assert (reranker.pairs, reranker.cut) == (5, 1)


def test_requests_at_once_get_what_one_gets(folder: Path) -> None:
    reranker = Reranker(str(folder), "cpu")
    alone = reranker.scores(QUESTION, PASSAGES)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: reranker.scores(QUESTION, PASSAGES), range(60)))
    assert found == [alone] * 60
    assert (reranker.pairs, reranker.cut) == (4 * 61, 61)


def test_the_hash_is_of_what_decides_a_score(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "README.md").write_text("a card")
    assert reranker_sha256(str(copy)) == reranker_sha256(str(folder)) == Reranker(str(folder), "cpu").sha256
    other = make_tiny_reranker(tmp_path / "other", seed=1)
    assert reranker_sha256(str(other)) != reranker_sha256(str(folder))


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def with_pickled_weights(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    without_weights(folder)


def with_damaged_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def with_an_embedders_body(folder: Path) -> None:
    AutoModel.from_pretrained(folder).save_pretrained(folder)


def with_three_labels(folder: Path) -> None:
    make_tiny_reranker(folder, labels=3)


def without_a_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def with_code_of_its_own(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    auto_map = {"AutoConfig": "evil.Config", "AutoModelForSequenceClassification": "evil.Model"}
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": auto_map}))
    (folder / "evil.py").write_text("raise SystemExit('it was run')")


def with_a_broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def with_weights_that_are_no_numbers(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {**weights, "classifier.bias": torch.tensor([float("nan")])}, folder / "model.safetensors", {"format": "pt"}
    )


REFUSED: dict[Callable[[Path], None], str] = {
    without_weights: "has no weights",
    with_pickled_weights: r"has only pytorch_model\.bin, which can run code when it is opened",
    with_damaged_weights: "cannot be loaded",
    with_an_embedders_body: "is BertModel with .* labels?, expected a cross-encoder",
    with_three_labels: "is BertForSequenceClassification with 3 labels, expected a cross-encoder",
    without_a_head: r"has no weights for its head \(classifier",
    with_code_of_its_own: "brings code of its own, which is not run",
    with_a_broken_config: "has no config.json that can be read",
    with_weights_that_are_no_numbers: "scores a passage with what is no number",
}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_what_is_no_cross_encoder_in_safetensors_is_refused(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    spoil(copy)
    with pytest.raises(PrerequisiteError, match=f"the reranker {copy} {REFUSED[spoil]}"):
        Reranker(str(copy), "cpu").scores(QUESTION, PASSAGES)


@pytest.mark.parametrize("name", ["cross-encoder/not-downloaded", "/nowhere/at/all", "no\x00path"])
def test_a_reranker_that_is_not_here_is_named(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="is no folder here and was not downloaded: give the folder"):
        Reranker(name)
