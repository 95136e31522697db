"""A real MLflow server on a database of a real Postgres, as processes that never outlive their test.

It is started by the command of docker/compose.yaml, with this machine's addresses and folders.
"""

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import yaml
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

COMPOSE = Path(__file__).resolve().parents[1] / "docker" / "compose.yaml"
SECONDS_TO_START = 180
# Webhooks and the gateway may go to this machine, and webhooks are known at once. By default they go by https to public
# addresses alone, and a new webhook is known within a minute.
TO_THIS_MACHINE = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",
    "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http",
    "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
}
SECONDS_TO_STOP = 20


def new_database(dsn: str, name: str) -> str:
    """Make an empty database on the server behind ``dsn`` and return its connection string."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return make_conninfo(dsn, dbname=name)


def drop_database(dsn: str, name: str) -> None:
    """Drop it, whoever is still connected."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def backend_uri(dsn: str) -> str:
    """Return the connection string as MLflow wants it; psycopg 3 is the driver, as in ragft itself."""
    given = conninfo_to_dict(dsn)
    query = urlencode({"host": given["host"], "port": given["port"]})
    return f"postgresql+psycopg://{quote(str(given['user']))}@/{given['dbname']}?{query}"


@contextmanager
def mlflow_server(dsn: str, folder: Path, port: int = 0) -> Iterator[str]:
    """Run a server that keeps its tables in the database ``dsn`` and artifacts under ``folder``; yield its address.

    ``port`` 0 takes one that is free.
    """
    if not port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    words = server_command(
        {
            "host": "127.0.0.1",
            "port": str(port),
            "backend-store-uri": backend_uri(dsn),
            "artifacts-destination": str(folder / "artifacts"),
            "workers": "1",
        }
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"} | TO_THIS_MACHINE
    log = folder / "mlflow_server.log"
    with (
        log.open("w") as out,
        # A group of its own: the server starts workers, which must go with it.
        subprocess.Popen(words, env=environment, stdout=out, stderr=out, start_new_session=True, cwd=folder) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, server, log)
            yield address
        finally:
            _stop(server)


def server_command(values: Mapping[str, str]) -> list[str]:
    """Return compose.yaml's command of the MLflow server, with other values for some of its options."""
    words = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["mlflow"]["command"]
    options = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
    unknown = set(values) - set(options)
    assert not unknown, f"compose.yaml does not set {unknown}"
    command = [str(Path(sys.executable).with_name(words[0])), words[1]]
    return [*command, *(f"--{name}={value}" for name, value in (options | dict(values)).items())]


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        assert server.poll() is None, f"the MLflow server ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the MLflow server did not answer:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    for way in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, way)
            server.wait(SECONDS_TO_STOP)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
