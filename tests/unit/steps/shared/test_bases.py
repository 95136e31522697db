"""Bases with a short name, and GGUF files: where they load from, and what is said where they are not there."""

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from entrypoints.steps.shared import bases
from entrypoints.steps.shared.bases import base_path, require_base
from ragft.errors import PrerequisiteError
from ragft.params.values import SMOLLM2
from tests.tiny_gguf import write_gguf
from tests.tiny_model import tiny_base  # noqa: F401 - a fixture


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAGFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package."""
    folder = tmp_path / bases.SMOLLM2_PACKAGE
    folder.mkdir()
    spec = ModuleSpec(bases.SMOLLM2_PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == bases.SMOLLM2_PACKAGE else None)
    return folder


def test_any_gguf_file_is_a_base_and_is_unpacked_once(
    tiny_base: Path,  # noqa: F811
    tmp_path: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = write_gguf(tiny_base, tmp_path / "tiny.GGUF")
    folder = require_base(str(file)).folder
    assert folder.parent == home / "bases"
    assert folder.name.startswith("tiny-")
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert base_path(str(file)) == str(folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == made
    assert capsys.readouterr().out.count("unpacking tiny.GGUF") == 1
    write_gguf(tiny_base, file, template=False)
    assert base_path(str(file)) != str(folder)


def test_only_its_owner_can_open_what_was_unpacked(tiny_base: Path, tmp_path: Path, home: Path) -> None:  # noqa: F811
    folder = Path(base_path(str(write_gguf(tiny_base, tmp_path / "tiny.gguf"))))
    assert {path.stat().st_mode & 0o077 for path in (home, folder, *folder.iterdir())} == {0}


def test_a_gguf_file_that_is_not_there_is_no_hub_name(home: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"base models/x\.gguf does not exist: expected a GGUF file"):
        require_base("models/x.gguf")


def test_without_the_package_the_message_is_the_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PrerequisiteError, match="base smollm2 is not installed: run `make smollm2` once"):
        require_base(SMOLLM2)


def test_a_package_without_its_file_is_not_installed(home: Path, package: Path) -> None:
    with pytest.raises(PrerequisiteError, match="run `make smollm2`"):
        require_base(SMOLLM2)


def test_another_file_than_the_published_one_is_refused(home: Path, package: Path) -> None:
    (package / bases.SMOLLM2_FILE).write_bytes(b"GGUF of somebody else")
    with pytest.raises(PrerequisiteError, match=r"is not the published file \(sha256 .* run `make smollm2` again"):
        require_base(SMOLLM2)


def test_what_was_unpacked_needs_no_package(tiny_base: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (home / "bases").mkdir(parents=True)
    (home / "bases" / f"smollm2-{bases.SMOLLM2_SHA256[:12]}-1").symlink_to(tiny_base)
    assert require_base(SMOLLM2).folder == tiny_base
