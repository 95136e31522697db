"""Prepare: load, split, cut into passages, embed; the store then holds all that later steps need."""

from entrypoints.steps.shared.preparation import prepare
from entrypoints.steps.shared.workspace import Workspace
from ragft.params import PrepareParams
from ragft.store.datasets import Preparation


def run(params: PrepareParams, workspace: Workspace) -> Preparation:
    """Return the preparation of the data, made where it is missing.

    Raises:
        DataError: If the files cannot be read, naming every bad record.
        PrerequisiteError: If no path is given and nothing of that name was prepared before.
    """
    return prepare(params, workspace)
