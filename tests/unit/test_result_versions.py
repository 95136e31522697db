"""Every key of a kept result names the version of the code that made it."""

import importlib.metadata
from pathlib import Path

import pytest

from ragft.judging.backend import JudgeBackend, LocalJudge
from ragft.judging.served import ServedJudge
from ragft.models.endpoint import Endpoint
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base
from ragft.params.training import FinetuneParams
from ragft.prompts.answer import load_answer_prompt
from ragft.result_versions import VERSIONS
from ragft.retrieval.embedding import Embedder
from ragft.training.encoding import encode
from ragft.training.formats import TrainingExample
from ragft.training.methods import TrainingSettings
from ragft.training.trainer import training_key
from tests.tiny_model import tiny_base  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> LoadedModel:  # noqa: F811
    return load_base(str(tiny_base), device="cpu")


def key_of_training(base: LoadedModel) -> str:
    encoded = encode([TrainingExample("a", "Why?", (), "So.")], base, load_answer_prompt(), 512)
    return training_key(base, encoded, encoded, TrainingSettings.from_params(FinetuneParams()))


def test_a_mended_training_trains_again(base: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = key_of_training(base)
    assert key_of_training(base) == usual
    monkeypatch.setitem(VERSIONS, "training", VERSIONS["training"] + 1)
    assert key_of_training(base) != usual


@pytest.mark.parametrize("library", ["torch", "peft", "bitsandbytes", "optimum-quanto", "accelerate", "tokenizers"])
def test_another_version_of_a_library_trains_again(
    base: LoadedModel, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    usual = key_of_training(base)
    there = importlib.metadata.version
    monkeypatch.setattr("ragft.result_versions.version", lambda name: "0.0.1" if name == library else there(name))
    assert key_of_training(base) != usual


def test_a_mended_judge_is_another_judge(base: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint("http://localhost:1/v1", "some") as endpoint:
        judges: list[JudgeBackend] = [LocalJudge(Generator(base)), ServedJudge(endpoint)]
        usual = [judge.identity for judge in judges]
        monkeypatch.setitem(VERSIONS, "answering", VERSIONS["answering"] + 1)
        assert [judge.identity for judge in judges] == usual
        monkeypatch.setitem(VERSIONS, "judging", VERSIONS["judging"] + 1)
        assert not {judge.identity for judge in judges} & set(usual)


def test_a_mended_embedder_is_another_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Embedder().id
    monkeypatch.setitem(VERSIONS, "embedding", VERSIONS["embedding"] + 1)
    assert Embedder().id != usual
