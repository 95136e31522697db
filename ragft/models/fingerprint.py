"""The identity of weights, and the manifest that proves a folder is what was saved. Needs no torch."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ragft.errors import PrerequisiteError
from ragft.types import digest

MANIFEST = "manifest.json"
# What a base model is, besides its safetensors files: everything that changes what it computes or reads.
IDENTITY_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content, 64 hex digits; the file is streamed."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_weights(folder: Path) -> str:
    """Return the identity of a base model folder: weights, configuration and tokenizer, 64 hex digits.

    It depends on the content and names of the safetensors and `IDENTITY_FILES`, not on where the folder lies.

    Raises:
        PrerequisiteError: If the folder holds no safetensors file.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise PrerequisiteError(f"{folder} holds no *.safetensors file: nothing to take a fingerprint of")
    return digest(_hash_files(folder, [*weights, *(folder / name for name in IDENTITY_FILES)]))


def folder_sha256(folder: Path, *, without: Iterable[str] = ()) -> str:
    """Return the hash of every file below ``folder``, names and content, 64 hex digits.

    ``without`` names files and folders in it that are left out.
    """
    left_out = {folder / name for name in without}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and left_out.isdisjoint((path, *path.parents)))
    return digest(_hash_files(folder, paths))


def write_manifest(folder: Path) -> dict[str, str]:
    """Write the sha256 of every file below ``folder`` into its manifest and return them by name.

    The manifest appears in one step, as the last file, so a folder with a manifest was written completely.
    """
    files = _hash_files(folder, _payload(folder))
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(json.dumps({"sha256": files}, indent=2, sort_keys=True), encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return files


def verify_manifest(folder: Path) -> dict[str, str]:
    """Check every file below ``folder`` against its manifest and return the sha256 of each by name.

    Raises:
        PrerequisiteError: Naming each file that is missing, was changed, or does not belong there.
    """
    expected = _read_manifest(folder)
    found = _hash_files(folder, _payload(folder))
    problems = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name} is not in the manifest" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name} was changed" for name in sorted(found.keys() & expected.keys()) if found[name] != expected[name]
    ]
    if problems:
        raise PrerequisiteError(
            f"{folder} is not what was saved: {'; '.join(problems[:5])}{' …' if len(problems) > 5 else ''}. "
            "Restore the folder or train again."
        )
    return found


def _read_manifest(folder: Path) -> Mapping[str, str]:
    path = folder / MANIFEST
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrerequisiteError(f"{path} cannot be read ({error}): the folder was not saved completely") from error
    hashes = content.get("sha256") if isinstance(content, dict) else None
    if not isinstance(hashes, dict) or not all(isinstance(value, str) for value in hashes.values()):
        raise PrerequisiteError(f"{path} is no manifest: expected an object with 'sha256', a hash for each file")
    return hashes


def _payload(folder: Path) -> list[Path]:
    own = {folder / MANIFEST, folder / f"{MANIFEST}.partial"}
    return sorted(path for path in folder.rglob("*") if path.is_file() and path not in own)


def _hash_files(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    present = [path for path in paths if path.is_file()]
    with ThreadPoolExecutor(max_workers=4) as pool:  # hashing releases the interpreter lock
        return dict(
            zip((path.relative_to(folder).as_posix() for path in present), pool.map(file_sha256, present), strict=True)
        )
