"""Where everything lies that ragft keeps."""

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from ragft.errors import ConfigError
from ragft.store.private import shown

_LONGEST_MESSAGE = 1000
CHECKOUT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Return the folder of everything that ragft keeps: ``RAGFT_HOME``, or ``.ragft`` in the checkout.

    Code that was fetched for one command has it in the folder where the command was started.
    """
    given = Path(os.environ.get("RAGFT_HOME") or (fetched_from() or CHECKOUT) / ".ragft")
    try:
        return given.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"RAGFT_HOME is {shown(given)}, which is no folder: {error}"[:_LONGEST_MESSAGE]) from error


def fetched_from() -> Path | None:
    """Return where ``mlflow run`` was started with a Git address; None where this code is a checkout that stays.

    MLflow clones such a project into a new temporary folder for each command, and nothing kept there is found again.
    """
    made_for_this_run = re.fullmatch(r"tmp[a-z0-9_]{8}", CHECKOUT.name) and "MLFLOW_RUN_ID" in os.environ
    if not made_for_this_run or CHECKOUT.parent != Path(tempfile.gettempdir()).resolve():
        return None
    # Between MLflow and this process may stand a shell, which MLflow started in the clone.
    for process in psutil.Process().parents():
        with suppress(psutil.Error):
            if not (folder := Path(process.cwd())).is_relative_to(CHECKOUT):
                return folder
    raise ConfigError(
        f"{CHECKOUT} is a clone that MLflow made for this command alone, and it is not known where the command was "
        "started: say with RAGFT_HOME where everything shall be kept"
    )
