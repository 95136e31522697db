"""Checkpoints that are known to be whole."""

import shutil
from pathlib import Path

from peft import PeftModel

from ragft.errors import PrerequisiteError
from ragft.models.fingerprint import verify_manifest
from ragft.store.disk import MIB

SECONDS_BETWEEN = 120.0
KEPT = 2
# Of each trained number: 4 bytes of weight and 8 of the optimiser in each of three checkpoints (two are kept while
# the next is written), and 4 each in the adapter and in the copy that is registered.
_BYTES_PER_PARAMETER = 3 * 12 + 2 * 4
_BYTES_BESIDE = 32 * MIB  # tokenizers, and what an optimiser's file has around its numbers


def room_for_training(model: PeftModel) -> int:
    """Return how many bytes a training needs on the disk."""
    trainable, _ = model.get_nb_trainable_parameters()
    return int(trainable * _BYTES_PER_PARAMETER + _BYTES_BESIDE)


def checkpoints_newest_first(folder: Path) -> list[Path]:
    """Return the trainer's checkpoint folders below ``folder``, whole or not, by step."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    return sorted(found, key=lambda path: -int(path.name.removeprefix("checkpoint-")))


def newest_valid(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint below ``folder``, or None, and why each newer one was passed over.

    A checkpoint is whole when its manifest, which is written last, is there and every file matches it. Others are
    removed, since training would fail on them.
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
