"""Serves a version in OpenAI's chat protocol; `mlflow models serve` is for tables of questions."""

import os
import socket
from dataclasses import dataclass

from entrypoints.quick_imports import quick_imports
from ragft.cli import step_command
from ragft.errors import ConfigError
from ragft.params.base import Params, param


@dataclass(frozen=True, kw_only=True)
class ServeParams(Params):
    """Answer chats over HTTP with a version of the registry, until the command is ended."""

    model: str = param("", "models:/<name>/<number> or models:/<name>@<alias>; clients give the same as their model")
    host: str = param("127.0.0.1", "address to listen on; nobody has to log in", group="servers")
    port: int = param(5002, "port to listen on; 0: one that is free", minimum=0, maximum=65535, group="servers")


def main(params: ServeParams) -> None:
    """Load the version, say where it is served, and serve it.

    Raises:
        ConfigError: If the address is no version's, or cannot be listened on.
    """
    if not params.model.startswith("models:/"):
        raise ConfigError(f"model is {params.model!r}, expected models:/<name>/<number> or models:/<name>@<alias>")
    listening = _listen(params.host, params.port)
    from entrypoints.environment import EXPERIMENT, prepare_environment

    prepare_environment()
    if not os.environ.get("MLFLOW_EXPERIMENT_ID"):
        os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)  # of the traces
    with quick_imports():
        import mlflow.pyfunc
        import uvicorn

        from entrypoints.steps.shared.weights import open_registry
        from ragft.chat.server import QuestionsOnly, Served, chat_app

    uri = open_registry().get(params.model).uri
    loaded = mlflow.pyfunc.load_model(uri)
    takes = loaded.metadata.get_input_schema()
    model: Served = loaded if takes and "messages" in takes.input_names() else QuestionsOnly(loaded, uri)
    host, port = listening.getsockname()[:2]
    print(f"{uri} answers as model {params.model} at http://{host}:{port}/v1", flush=True)
    server = uvicorn.Server(uvicorn.Config(chat_app(model, params.model), log_level="warning"))
    server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket, taken before anything is loaded.

    Raises:
        ConfigError: If the address cannot be had.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ConfigError(f"host={host} with port={port} cannot be listened on: {error}; choose another") from error


command = step_command("serve", ServeParams, main)

if __name__ == "__main__":
    command()
