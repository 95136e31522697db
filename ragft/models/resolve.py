"""Finds and checks a base model on this machine, without torch and without a socket."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from ragft.errors import ConfigError, PrerequisiteError

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
MOST_HEADER_BYTES = 100_000_000  # the limit of the safetensors format


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """A base model that is present and complete.

    Attributes:
        name: As the user gave it.
        folder: Where its files lie.
        revision: Commit of a hub model; empty for a local folder.
    """

    name: str
    folder: Path
    revision: str


def check_base(name: str, revision: str = "") -> BaseFiles:
    """Return where a base model lies: a local folder, or a hub model that was downloaded before.

    Nothing is downloaded and no connection is opened.

    Raises:
        PrerequisiteError: If it is not on this machine, is incomplete, or has only pickled weights.
        ConfigError: If ``name`` is neither a folder nor a hub name.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        files = BaseFiles(name, folder.resolve(), "")
    elif folder.exists():
        raise ConfigError(f"base {name} is a file: expected a folder with config.json and *.safetensors")
    else:
        files = _from_cache(name, revision)
    _check_folder(files.folder, name)
    return files


def _from_cache(name: str, revision: str) -> BaseFiles:
    if name.startswith((".", "/", "~")):
        raise PrerequisiteError(f"base {name} does not exist: expected a folder with config.json and *.safetensors")
    try:
        config = try_to_load_from_cache(name, "config.json", revision=revision or None)
    except HFValidationError as error:
        raise ConfigError(f"base {name!r} is neither a folder nor a hub name such as org/model") from error
    if not isinstance(config, str):
        asked = f" --revision {revision}" if revision else ""
        raise PrerequisiteError(
            f"base {name}{f' at revision {revision}' if revision else ''} is not on this machine "
            f"(looked for a folder and in {constants.HF_HUB_CACHE}{_known(name)}): "
            f"run `hf download {name}{asked}` once where there is network, or give the path of a folder"
        )
    snapshot = Path(config).parent
    return BaseFiles(name, snapshot, snapshot.name)


def _known(name: str) -> str:
    """Return the revisions of the model that the cache holds, in words."""
    folder = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots"
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return f", which holds revision {', '.join(held)}" if held else ""


def _check_folder(folder: Path, name: str) -> None:
    config = _read_json(folder / "config.json", name)
    if "auto_map" in config:
        raise PrerequisiteError(
            f"base {name} brings its own Python code (auto_map in config.json), which ragft does not run: "
            "use a model of an architecture that transformers knows"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = [path.name for pattern in PICKLES for path in sorted(folder.glob(pattern))]
        held = f"only pickled weights, which can run code ({', '.join(pickles[:3])})" if pickles else "no weights"
        raise PrerequisiteError(
            f"base {name}: {folder} holds {held}; expected *.safetensors (convert it with `save_pretrained`)"
        )
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        _check_shards(set(_read_json(index, name).get("weight_map", {}).values()), weights, name)
    for path in weights:
        _check_complete(path, name)
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise PrerequisiteError(
            f"base {name}: {folder} holds no tokenizer; expected one of {', '.join(TOKENIZER_FILES)}"
        )


def _check_shards(expected: set[str], found: Sequence[Path], name: str) -> None:
    if missing := sorted(expected - {path.name for path in found}):
        raise PrerequisiteError(f"base {name} is incomplete: {', '.join(missing[:5])} missing; download it again")


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrerequisiteError(
            f"base {name}: {path} cannot be read ({error}); expected a model folder with config.json"
        ) from error
    if not isinstance(content, dict):
        raise PrerequisiteError(f"base {name}: {path} holds no JSON object")
    return content


def _check_complete(path: Path, name: str) -> None:
    """Compare a safetensors file's length with what its header announces.

    Layout: 8 bytes of header length (little endian), the header as JSON, the tensors' bytes.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        try:
            header = json.loads(stream.read(length)) if length <= min(size, MOST_HEADER_BYTES) else None
        except ValueError:
            header = None
    if not isinstance(header, dict):
        raise PrerequisiteError(f"base {name}: {path} is no safetensors file; download it again")
    ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise PrerequisiteError(
            f"base {name}: {path} has {size:,} bytes, its header says {expected:,}; download it again"
        )
