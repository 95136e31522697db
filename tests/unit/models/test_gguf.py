"""A GGUF file becomes the base that it was made of: the same weights, the same tokens, the same template."""

import logging
import struct
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from ragft.errors import PrerequisiteError
from ragft.models import gguf
from ragft.models.chat import prompt_ids
from ragft.models.fingerprint import fingerprint_weights
from ragft.models.loading import load_base
from ragft.models.resolve import check_base
from tests.tiny_gguf import write_gguf

TEXTS = ("In 1889,  it had 12  floors.", "\n\n1", "a  12", "  ", "x\n\n\n 2nd ½ x² ٣", "Éa <|end|> z")


@pytest.fixture(scope="module")
def file(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tiny_base, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="module")
def unpacked(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf.convert(file, tmp_path_factory.mktemp("unpacked") / "bases" / "tiny")


def test_it_is_the_model_that_the_file_was_made_of(tiny_base: Path, unpacked: Path) -> None:
    found, original = (load_base(str(folder), device="cpu") for folder in (unpacked, tiny_base))
    assert check_base(str(unpacked)).folder == unpacked
    assert found.context_window == original.context_window == 4096
    ids = torch.tensor([original.tokenizer.encode("Which data sets are used?")])
    weights = found.model.state_dict()
    for name, weight in original.model.state_dict().items():
        assert torch.equal(weights[name], weight.bfloat16().float()), name
    with torch.no_grad():
        assert (found.model(ids).logits - original.model(ids).logits).abs().max() < 0.1


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_cut_as_before_the_conversion(tiny_base: Path, unpacked: Path, text: str) -> None:
    found, original = (AutoTokenizer.from_pretrained(folder) for folder in (unpacked, tiny_base))
    assert found.encode(text, add_special_tokens=False) == original.encode(text, add_special_tokens=False)
    assert found.decode(found.encode(text)) == text
    assert prompt_ids(found, text) == prompt_ids(original, text)


def test_control_tokens_stay_control_tokens(unpacked: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(unpacked)
    marked = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    assert marked == {"<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"}
    assert tokenizer.eos_token == "<|end|>"
    assert len(tokenizer) == 1024  # GPT-2's own end of text, which the model does not have, was not added


def test_the_same_file_gives_the_same_identity_and_no_leftovers(file: Path, unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / ".part-of-a-killed-process").mkdir()
    again = gguf.convert(file, tmp_path / "again")
    assert fingerprint_weights(again) == fingerprint_weights(unpacked)
    assert {path.name for path in tmp_path.iterdir()} == {"again", ".lock"}
    assert gguf.convert(file, again) == again


def test_a_conversion_that_fails_leaves_nothing(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", fail)
    with pytest.raises(KeyboardInterrupt):
        gguf.convert(file, tmp_path / "base")
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_a_tokenizer_without_a_template_asks_in_plain_text_and_says_so(
    tiny_base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = write_gguf(tiny_base, tmp_path / "plain.gguf", template=False)
    with caplog.at_level(logging.WARNING):
        folder = gguf.convert(plain, tmp_path / "plain")
    assert "plain.gguf has no chat template: questions are asked as plain text" in caplog.text
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(prompt_ids(tokenizer, "Why?")) == "User: Why?\nAssistant:"


def test_an_unknown_architecture_is_named_with_the_known_ones(tiny_base: Path, tmp_path: Path) -> None:
    strange = write_gguf(tiny_base, tmp_path / "strange.gguf", architecture="perceptron")
    with pytest.raises(PrerequisiteError, match=r"architecture 'perceptron'.*expected one of .*\bllama\b"):
        gguf.convert(strange, tmp_path / "base")


@pytest.mark.parametrize("pre", ["scissors", "default", ""])
def test_a_tokenizer_that_cuts_in_an_unknown_way_is_refused(tiny_base: Path, tmp_path: Path, pre: str) -> None:
    strange = write_gguf(tiny_base, tmp_path / "strange.gguf", pre=pre)
    with pytest.raises(PrerequisiteError, match=rf"the pre-tokenizer '{pre}', of which is not known.*smollm"):
        gguf.convert(strange, tmp_path / "base")


def test_a_file_that_lacks_a_weight_becomes_no_base(tiny_base: Path, tmp_path: Path) -> None:
    """transformers would draw the weight at random: another model each time."""
    part = write_gguf(tiny_base, tmp_path / "part.gguf", lacks="model.layers.1.mlp.up_proj.weight")
    with pytest.raises(
        PrerequisiteError, match=r"lacks 1 weights of its model, such as model\.layers\.1\.mlp\.up_proj"
    ):
        gguf.convert(part, tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("kept", [0, 3, 20, 200, 5_000, -100])
def test_a_file_that_is_cut_off_is_no_whole_one(file: Path, tmp_path: Path, kept: int) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(PrerequisiteError, match=r"broken\.gguf .*: download it again"):
        gguf.convert(broken, tmp_path / "base")
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize(
    "content",
    [b"version https://git-lfs.github.com/spec/v1\n", struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 2**60), b"GGUF" * 50],
)
def test_what_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(content)
    with pytest.raises(PrerequisiteError, match=r"is no whole GGUF file .*: download it again"):
        gguf.convert(path, tmp_path / "base")


def test_without_the_package_the_command_is_named(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.utils.is_gguf_available", lambda: False)
    with pytest.raises(PrerequisiteError, match="the package gguf is not installed: run `pip install gguf`"):
        gguf.convert(file, tmp_path / "base")
