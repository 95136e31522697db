"""How long a step waits for MLflow's store, and what it says when the store does not come back.

A sqlite file can be locked by somebody else's long write, and a server can restart: neither is a reason to end a step
of hours. MLflow waits twenty seconds for a locked file, which cannot be set, and some minutes for a server, which can.
"""

import os
import re
import sqlite3
from typing import Any
from urllib.parse import urlsplit

import mlflow
import requests
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE, ErrorCode
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ragft.errors import PrerequisiteError

SECONDS_TO_WAIT = 120
# MLflow waits twice as long after each try: 4, 8, 16, 32 and 64 s after the second to the sixth.
_TRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "6", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "2"}
# A locked or unreadable database; a server that does not answer.
_OUT_OF_REACH = (ErrorCode.Name(TEMPORARILY_UNAVAILABLE), ErrorCode.Name(INTERNAL_ERROR))
Outage = (MlflowException, requests.RequestException, sqlalchemy.exc.OperationalError)

_waiting = {"seconds": 0}


def be_patient() -> None:
    """Make every call to MLflow in this process wait for a store that is busy or away."""
    for name, value in _TRIES.items():
        os.environ.setdefault(name, value)
    _waiting["seconds"] = SECONDS_TO_WAIT
    for name, listener in _LISTENERS:
        if not event.contains(Engine, name, listener):
            event.listen(Engine, name, listener, retval=name != "connect")


def lose_patience() -> None:
    """Stop waiting: the step has waited for the store once, and is about to end."""
    _waiting["seconds"] = 0
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"


def is_out_of_reach(error: BaseException) -> bool:
    """Return whether MLflow's store could not be reached, as opposed to answering with an error."""
    return isinstance(error, Outage) and getattr(error, "error_code", _OUT_OF_REACH[0]) in _OUT_OF_REACH


def explained(error: BaseException) -> PrerequisiteError:
    """Return the message for a store that did not come back."""
    said = re.sub(r"//[^/@\s]+@", "//", str(error).strip().partition("\n")[0])
    return PrerequisiteError(
        f"MLflow's store at {_place(mlflow.get_tracking_uri())} could not be used, and was waited for: {said}; what "
        "was computed is in Postgres: run the same command again when the store is back, it computes nothing twice and "
        "logs everything"
    )


def _place(uri: str) -> str:
    """Return an address without user and password."""
    parts = urlsplit(uri)
    return uri if parts.hostname is None else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _on_connect(connection: Any, _: object) -> None:  # noqa: ANN401 - what SQLAlchemy's driver returns
    if isinstance(connection, sqlite3.Connection):
        connection.execute(_busy_timeout())


def _on_execute(
    connection: Any,  # noqa: ANN401, ARG001
    cursor: Any,  # noqa: ANN401, ARG001
    statement: str,
    parameters: Any,  # noqa: ANN401
    context: Any,  # noqa: ANN401, ARG001
    executemany: bool,  # noqa: ARG001
) -> tuple[str, Any]:
    """Replace MLflow's timeout, which it sets at the start of every session, by ours."""
    return (_busy_timeout() if statement.startswith("PRAGMA busy_timeout") else statement), parameters


def _busy_timeout() -> str:
    return f"PRAGMA busy_timeout = {_waiting['seconds'] * 1000}"


_LISTENERS = (("connect", _on_connect), ("before_cursor_execute", _on_execute))
