"""Where the data of a step come from: generated, read from files, or prepared before. Needs no torch."""

import dataclasses
import functools
from pathlib import Path

from entrypoints.steps.shared.workspace import Workspace
from ragft.data.collector import Loaded
from ragft.data.load import FORMATS, load_with_account
from ragft.errors import ConfigError, PrerequisiteError
from ragft.params.base import P
from ragft.params.data import NameParams, PreparationParams
from ragft.params.values import TELECOM, USUAL_TOP_K
from ragft.store.connection import Store
from ragft.store.datasets import find_preparation, load_dataset, prepared_names
from ragft.store.private import shown
from ragft.types import Dataset


def _telecom(seed: int) -> Dataset:
    from ragft.pocket.world import make_dataset

    return make_dataset(seed)


# A report's file name holds the name of the data twice; most file systems allow 255 bytes.
LONGEST_NAME = 100
GENERATORS = {TELECOM: _telecom}


def with_top_k(params: P) -> P:
    """Return the parameters with the number of passages filled in that suits the data set."""
    given = params.as_dict()
    return type(params)(**{**given, "top_k": given["top_k"] or USUAL_TOP_K.of(given["dataset"])})


def read_dataset(params: PreparationParams, workspace: Workspace) -> Dataset:
    """Return the data set; see `read_loaded`."""
    return read_loaded(params, workspace).dataset


def read_loaded(params: PreparationParams, workspace: Workspace) -> Loaded:
    """Return the data set, generated, from its files, or as it was last prepared under its name, with its account.

    Raises:
        DataError: If the files cannot be read, naming every bad record.
        ConfigError: If the name is too long.
        PrerequisiteError: If no path is given and nothing of that name was prepared before.
    """
    require_name(params, workspace.store)
    name = _short_enough(params.data_name)
    if params.path or params.dataset in GENERATORS:
        files = (params.path, params.documents)
        return _loaded(params.dataset, *files, params.data_seed, name, tuple(map(_state, files)))
    latest = find_preparation(workspace.store, name)
    if latest is None and params.dataset not in FORMATS:
        return _named(load_with_account(params.dataset, generators=GENERATORS), name)
    if latest is None:
        known = ", ".join(prepared_names(workspace.store)) or "none yet"
        raise PrerequisiteError(
            f"data set {name} was not prepared here (prepared: {known}): give its file or folder with -P path=..."
        )
    return Loaded(_stored(workspace.store, latest.dataset, name), {})


# The steps of a study ask for the same data again and again, and their sha256 with them.
@functools.lru_cache(maxsize=4)
def _loaded(dataset: str, path: str, documents: str, seed: int, name: str, _: tuple[object, ...]) -> Loaded:
    return _named(load_with_account(dataset, path, documents, seed=seed, generators=GENERATORS), name)


def _named(loaded: Loaded, name: str) -> Loaded:
    return dataclasses.replace(loaded, dataset=dataclasses.replace(loaded.dataset, name=name or loaded.dataset.name))


@functools.lru_cache(maxsize=4)
def _stored(store: Store, sha256: str, name: str) -> Dataset:
    return dataclasses.replace(load_dataset(store, sha256), name=name)


def _state(path: str) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a file or folder changes: names, sizes and times."""
    if not path:
        return ()
    root = Path(path)
    files = sorted(file for file in root.rglob("*") if file.is_file()) if root.is_dir() else [root]
    states = [(str(file), file.stat()) for file in files if file.exists()]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)


def _short_enough(name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise ConfigError(
            f"the name of the data has {len(name)} characters, {shown(name)}: files and registered models are named "
            f"after it, so at most {LONGEST_NAME}; give a shorter one with -P name=..."
        )
    return name


def require_name(params: NameParams, store: Store) -> None:
    """Refuse parameters that say which layout the data have, but not which data they are.

    Raises:
        ConfigError: Naming the data that were prepared.
    """
    known = prepared_names(store) if params.is_unnamed else []
    if not params.is_unnamed or params.dataset in known:
        return
    there = f"add -P name=..., one of: {', '.join(known)}" if known else "nothing was prepared yet: add -P path=... too"
    raise ConfigError(f"name is missing: dataset={params.dataset} says how files are laid out, not which; {there}")
