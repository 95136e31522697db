"""The base models that have a short name."""

from pathlib import Path

from ragft.models.resolve import BaseFiles, check_base

POCKET = "pocket"
SHORT_NAMES = {POCKET: Path(__file__).resolve().parents[2] / "ragft" / "pocket" / "model"}


def base_path(name: str) -> str:
    """Return where a base loads from: the folder behind a short name, else the name itself."""
    return str(SHORT_NAMES.get(name, name))


def require_base(name: str, revision: str = "") -> BaseFiles:
    """Return the files of a base, found without torch and without a socket.

    Raises:
        PrerequisiteError: If the base is not on this machine or is incomplete.
    """
    return check_base(base_path(name), revision)
