"""A base that cannot be used is found out before torch is imported and without a socket."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.resolve import check_base

SCRIPT = """
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("a socket was opened")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from ragft.errors import RagftError
from ragft.models.resolve import check_base
try:
    check_base(sys.argv[1], sys.argv[2])
except RagftError as error:
    print(error.exit_code, error)
print("torch" in sys.modules, "transformers" in sys.modules)
"""


def copy_of(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def as_hub_model(folder: Path, cache: Path, name: str, commit: str) -> Path:
    """Lay a model folder out as the hub's cache does."""
    repo = cache / f"models--{name.replace('/', '--')}"
    snapshot = Path(shutil.copytree(folder, repo / "snapshots" / commit))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    return snapshot


@pytest.mark.parametrize("revision", ["", "0123abc"])
def test_a_missing_base_needs_neither_torch_nor_a_socket(tmp_path: Path, revision: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "someone/absent-model", revision],
        capture_output=True,
        text=True,
        check=True,
        env={"HF_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
    )
    message, imports = done.stdout.rsplit("\n", 2)[:2]
    assert message.startswith("3 base someone/absent-model ")
    assert "hf download someone/absent-model" in message
    assert imports == "False False"


def test_a_downloaded_base_is_found_in_the_cache(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "a" * 40
    snapshot = as_hub_model(tiny_base, tmp_path, "someone/tiny", commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = check_base("someone/tiny")
    assert (found.folder, found.revision) == (snapshot, commit)
    with pytest.raises(PrerequisiteError, match="holds revision aaaa"):
        check_base("someone/tiny", "b" * 40)


def test_a_folder_is_taken_as_it_is(tiny_base: Path) -> None:
    assert check_base(str(tiny_base)).folder == tiny_base.resolve()


def test_only_pickled_weights_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny_base, tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(PrerequisiteError, match=r"only pickled weights.*pytorch_model.bin"):
        check_base(str(folder))


def test_a_truncated_file_is_noticed(tiny_base: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny_base, tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(PrerequisiteError, match="its header says"):
        check_base(str(folder))


def test_a_file_that_is_no_safetensors_is_noticed(tiny_base: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny_base, tmp_path)
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(PrerequisiteError, match="is no safetensors file"):
        check_base(str(folder))


def test_a_missing_shard_is_named(tiny_base: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny_base, tmp_path)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(PrerequisiteError, match=r"model-00002-of-00002\.safetensors missing"):
        check_base(str(folder))


@pytest.mark.parametrize(
    ("lost", "said"), [("config.json", "config.json cannot be read"), ("tokenizer.json", "holds no tokenizer")]
)
def test_a_folder_without_what_it_needs_is_refused(tiny_base: Path, tmp_path: Path, lost: str, said: str) -> None:
    folder = copy_of(tiny_base, tmp_path)
    (folder / lost).unlink()
    with pytest.raises(PrerequisiteError, match=said):
        check_base(str(folder))


def test_a_model_with_code_of_its_own_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny_base, tmp_path)
    config = json.loads((folder / "config.json").read_text()) | {"auto_map": {"AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(PrerequisiteError, match="its own Python code"):
        check_base(str(folder))


@pytest.mark.parametrize("name", ["two/many/parts", "with blank", "-x/y"])
def test_a_name_that_cannot_be_one_is_a_wrong_parameter(name: str) -> None:
    with pytest.raises(ConfigError, match="neither a folder nor a hub name"):
        check_base(name)


def test_a_path_that_does_not_exist_is_no_hub_name() -> None:
    with pytest.raises(PrerequisiteError, match="does not exist"):
        check_base("./nowhere/at/all")


def test_a_file_is_no_base(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConfigError, match="is a file"):
        check_base(str(tmp_path / "model.gguf"))
