"""What `serve` refuses before it loads anything."""

from socket import create_server

import pytest
from click.testing import CliRunner

from entrypoints.serve import command


@pytest.mark.parametrize("model", ["", "base", "runs:/0123/model"])
def test_only_versions_are_served(model: str) -> None:
    done = CliRunner().invoke(command, ["--model", model])
    assert done.exit_code == 2
    assert f"model is {model!r}, expected models:/<name>/<number> or models:/<name>@<alias>" in done.output


def test_a_port_that_is_taken_is_named() -> None:
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(command, ["--model", "models:/m/1", "--port", str(port)])
    assert done.exit_code == 2
    assert f"host=127.0.0.1 with port={port} cannot be listened on" in done.output
