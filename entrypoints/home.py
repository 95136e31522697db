"""Where everything lies that ragft keeps."""

import os
from pathlib import Path

from ragft.errors import ConfigError
from ragft.store.private import shown

_LONGEST_MESSAGE = 1000
CHECKOUT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Return the folder of everything that ragft keeps: ``RAGFT_HOME``, or the checkout's ``.ragft``."""
    given = Path(os.environ.get("RAGFT_HOME") or CHECKOUT / ".ragft")
    try:
        return given.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"RAGFT_HOME is {shown(given)}, which is no folder: {error}"[:_LONGEST_MESSAGE]) from error
