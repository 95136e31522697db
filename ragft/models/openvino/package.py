"""OpenVINO, which is installed where it is wanted, and imported without telling its makers."""

import functools
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from typing import Any

from ragft.errors import PrerequisiteError

INSTALL = "pip install openvino-genai==2026.4.1.0"
# It sends an event to its makers on every import of openvino; without it, openvino takes its own stub.
TELEMETRY = "openvino_telemetry"


@dataclass(frozen=True)
class Package:
    """OpenVINO in this process.

    Attributes:
        openvino: The module.
        opset: Its operators.
        genai: The module openvino_genai.
        version: Of what computes, such as 2026.4.1.
    """

    openvino: Any
    opset: Any
    genai: Any
    version: str


def require() -> None:
    """Check that OpenVINO is installed, without importing it.

    Raises:
        PrerequisiteError: If it is not; with the command that installs it.
    """
    if importlib.util.find_spec("openvino_genai") is None:
        raise PrerequisiteError(
            f"engine is openvino, and the package openvino-genai is not installed: run `{INSTALL}`, or use engine=local"
        )


@functools.cache
def load() -> Package:
    """Return OpenVINO, imported once.

    Raises:
        PrerequisiteError: If it is not installed, or does not run here.
    """
    require()
    before = sys.modules.get(TELEMETRY)
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # Python's way to say that there is no such module
    try:
        genai = importlib.import_module("openvino_genai")
        openvino = importlib.import_module("openvino")
        opset = importlib.import_module("openvino.opset15")
    except ImportError as error:
        raise PrerequisiteError(
            f"engine is openvino, and the package openvino-genai cannot be imported ({error}): run `{INSTALL}` again, "
            "or use engine=local"
        ) from error
    finally:
        if before is None:
            del sys.modules[TELEMETRY]
        else:
            sys.modules[TELEMETRY] = before
    return Package(openvino, opset, genai, str(openvino.__version__).partition("-")[0])
