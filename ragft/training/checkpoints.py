"""Checkpoints that are known to be whole."""

import shutil
from pathlib import Path

from ragft.errors import PrerequisiteError
from ragft.models.fingerprint import verify_manifest


def checkpoints_newest_first(folder: Path) -> list[Path]:
    """Return the trainer's checkpoint folders below ``folder``, whole or not, by step."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    return sorted(found, key=lambda path: -int(path.name.removeprefix("checkpoint-")))


def newest_valid(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint below ``folder``, or None, and why each newer one was passed over.

    A checkpoint is whole when its manifest, written last, is there and every file matches it. Those that are
    not are removed, since training would stumble over them.
    """
    passed: list[str] = []
    for path in checkpoints_newest_first(folder):
        try:
            verify_manifest(path)
        except PrerequisiteError as error:
            passed.append(str(error))
            shutil.rmtree(path)
        else:
            return path, passed
    return None, passed
