"""What an adapter folder may hold and which adapter it is, checked before any file is parsed. Needs no torch."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ragft.errors import PrerequisiteError
from ragft.models.fingerprint import MANIFEST, verify_manifest
from ragft.types import digest

ADAPTER_WEIGHTS = "adapter_model.safetensors"
LINEAGE = "ragft.json"
# By allowed name, not by what a pickle or a program looks like: there is always one more extension.
ALLOWED = frozenset({
    ADAPTER_WEIGHTS, "adapter_config.json", LINEAGE, MANIFEST,
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
    "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
    "tekken.json",
})  # fmt: skip
TEMPLATES = "additional_chat_templates"
MOST_NAMED = 5


def check_adapter(folder: Path, identity: str) -> None:
    """Check that a folder holds the adapter that ``identity`` names, and nothing else.

    Only the manifest is parsed: a configuration that nobody vouches for can ask for any amount of memory.

    Raises:
        PrerequisiteError: If the folder is not there, holds foreign files, was changed, or holds another adapter.
    """
    found = identity_of(folder)
    if found != identity:
        raise PrerequisiteError(
            f"adapter {folder} is {found}, expected {identity}: its files and their manifest were replaced; restore "
            "the folder or train again"
        )


def identity_of(folder: Path) -> str:
    """Return the identity that the adapter in a folder claims, 64 hex digits; its files match its manifest.

    Raises:
        PrerequisiteError: If the folder is not there, holds foreign files, or was changed.
    """
    if not folder.is_dir():
        raise PrerequisiteError(f"adapter {folder} does not exist: expected a folder with {ADAPTER_WEIGHTS}")
    if foreign := sorted(foreign_files(folder)):
        more = f" and {len(foreign) - MOST_NAMED} more" if len(foreign) > MOST_NAMED else ""
        raise PrerequisiteError(
            f"adapter {folder} holds {', '.join(map(repr, foreign[:MOST_NAMED]))}{more}, which no adapter needs: an "
            f"adapter is {ADAPTER_WEIGHTS}, its configuration, its tokenizer and nothing that could be run; delete "
            "what is foreign, or train again"
        )
    files = verify_manifest(folder)
    if ADAPTER_WEIGHTS not in files:
        raise PrerequisiteError(f"adapter {folder} holds no {ADAPTER_WEIGHTS}: restore the folder or train again")
    return adapter_identity(files)


def foreign_files(folder: Path) -> Iterator[str]:
    """Yield the names of files below ``folder`` that no adapter has; a link is foreign whatever its name."""
    for entry in os.scandir(folder):
        plain = entry.is_file(follow_symlinks=False)
        if entry.name == TEMPLATES and entry.is_dir(follow_symlinks=False):
            for inner in os.scandir(entry):
                if not (inner.is_file(follow_symlinks=False) and inner.name.endswith(".jinja")):
                    yield f"{TEMPLATES}/{inner.name}"
        elif not plain or entry.name not in ALLOWED:
            yield entry.name


def adapter_identity(files: Mapping[str, str]) -> str:
    """Return the hash of an adapter's weights, configuration and tokenizer, 64 hex digits.

    The lineage is left out: it holds times, and two trainings with the same weights answer the same.
    """
    return digest({name: sha for name, sha in files.items() if name != LINEAGE})


def read_lineage(folder: Path) -> dict[str, Any]:
    """Return what an adapter folder says about its base and training.

    Raises:
        PrerequisiteError: If the file is missing or names no base.
    """
    path = folder / LINEAGE
    try:
        lineage: Any = json.loads(path.read_text(encoding="utf-8"))
        named = lineage["base"]["name"], lineage["base"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PrerequisiteError(f"{path} does not say which base the adapter belongs to ({error!r})") from error
    if not all(isinstance(value, str) for value in named):
        raise PrerequisiteError(f"{path} does not say which base the adapter belongs to: {named}")
    return dict(lineage)
