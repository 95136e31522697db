"""Where the data of a step comes from: generated, from files, or as it was prepared before. Needs no torch."""

import dataclasses
from pathlib import Path

from entrypoints.steps.workspace import Workspace
from ragft.data.load import FORMATS, load
from ragft.errors import PrerequisiteError
from ragft.params import DataParams, P
from ragft.store.datasets import find_preparation, load_dataset, prepared_names
from ragft.types import Dataset

DEFAULT_DATASET = "telecom"
CHUNK_CHARS = {DEFAULT_DATASET: 400}
DEFAULT_CHUNK_CHARS = 1500
# The pocket model reads three short passages better than five, and its data set is made for it.
TOP_K = {DEFAULT_DATASET: 3}
DEFAULT_TOP_K = 5


def _telecom(seed: int) -> Dataset:
    from ragft.pocket.world import make_dataset

    return make_dataset(seed)


GENERATORS = {DEFAULT_DATASET: _telecom}


def with_top_k(params: P) -> P:
    """Return the parameters with the number of passages filled in that suits the data set."""
    given = params.as_dict()
    return type(params)(**{**given, "top_k": given["top_k"] or TOP_K.get(given["dataset"], DEFAULT_TOP_K)})


def read_dataset(params: DataParams, workspace: Workspace) -> Dataset:
    """Return the data set: generated, from its files, or as it was last prepared under its name.

    Raises:
        DataError: If the files cannot be read, naming every bad record.
        PrerequisiteError: If no path is given and nothing of that name was prepared before.
    """
    if params.path or params.dataset in GENERATORS:
        loaded = load(params.dataset, params.path, params.documents, seed=params.data_seed, generators=GENERATORS)
        return dataclasses.replace(loaded, name=params.name or own_name(params) or loaded.name)
    name = params.name or own_name(params)
    latest = find_preparation(workspace.store, name)
    if latest is None and params.dataset not in FORMATS:
        return dataclasses.replace(load(params.dataset, generators=GENERATORS), name=name)
    if latest is None:
        known = ", ".join(prepared_names(workspace.store)) or "none yet"
        raise PrerequisiteError(
            f"data set {name} was not prepared here (prepared: {known}): give its file or folder with -P path=..."
        )
    return dataclasses.replace(load_dataset(workspace.store, latest.dataset), name=name)


def own_name(params: DataParams) -> str:
    """Return the name of the data where none was given: that of the file, or the last part of the hub's."""
    if params.dataset == "rows" and params.path:
        return Path(params.path).stem
    return params.dataset.rpartition("/")[2]
