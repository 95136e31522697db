"""The base models that have a short name."""

from pathlib import Path

import ragft.pocket
from ragft.errors import PrerequisiteError
from ragft.models.fingerprint import fingerprint_weights
from ragft.models.resolve import BaseFiles, check_base
from ragft.params import POCKET
from registry.versions import Version

SHORT_NAMES = {POCKET: Path(ragft.pocket.__path__[0]).resolve() / "model"}


def base_path(name: str) -> str:
    """Return where a base loads from: the folder behind a short name, else the name itself."""
    return str(SHORT_NAMES.get(name, name))


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
