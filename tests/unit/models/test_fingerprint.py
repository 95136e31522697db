"""A folder is what was saved, and a base is known by its content."""

import json
import shutil
from pathlib import Path

import pytest

from ragft.errors import PrerequisiteError
from ragft.models.fingerprint import MANIFEST, fingerprint_weights, verify_manifest, write_manifest


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights.safetensors").write_bytes(b"\x00\x01\x02")
    (tmp_path / "inner" / "note.txt").write_text("text")
    write_manifest(tmp_path)
    return tmp_path


def test_an_untouched_folder_passes(saved: Path) -> None:
    assert verify_manifest(saved).keys() == {"weights.safetensors", "inner/note.txt"}


def test_a_changed_file_is_named(saved: Path) -> None:
    (saved / "weights.safetensors").write_bytes(b"\x00\x01\x03")
    with pytest.raises(PrerequisiteError, match=r"weights.safetensors was changed"):
        verify_manifest(saved)


def test_a_missing_file_is_named(saved: Path) -> None:
    (saved / "inner" / "note.txt").unlink()
    with pytest.raises(PrerequisiteError, match=r"inner/note.txt is missing"):
        verify_manifest(saved)


def test_an_extra_file_is_named(saved: Path) -> None:
    (saved / "inner" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(PrerequisiteError, match=r"inner/pytorch_model.bin is not in the manifest"):
        verify_manifest(saved)


@pytest.mark.parametrize("content", ["", "[]", '{"sha256": ["a"]}', '{"sha256": {"a": 1}}'])
def test_a_manifest_that_is_none_is_refused(saved: Path, content: str) -> None:
    (saved / MANIFEST).write_text(content)
    with pytest.raises(PrerequisiteError, match=r"manifest.json"):
        verify_manifest(saved)


def test_a_folder_without_a_manifest_was_not_completely_saved(saved: Path) -> None:
    (saved / MANIFEST).unlink()
    with pytest.raises(PrerequisiteError, match="not saved completely"):
        verify_manifest(saved)


def test_the_same_content_elsewhere_has_the_same_fingerprint(tiny_base: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_base, tmp_path / "elsewhere"))
    (copy / "README.md").write_text("not part of the model")
    assert fingerprint_weights(copy) == fingerprint_weights(tiny_base)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_whatever_changes_the_answers_changes_the_fingerprint(tiny_base: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(tiny_base, tmp_path / "changed"))
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert fingerprint_weights(copy) != fingerprint_weights(tiny_base)


def test_no_weights_have_no_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    with pytest.raises(PrerequisiteError, match=r"no .*safetensors"):
        fingerprint_weights(tmp_path)
