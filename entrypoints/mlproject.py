"""Write MLproject from the parameters of the steps: ``python -m entrypoints.mlproject``, or ``make mlproject``."""

import dataclasses
import textwrap
from pathlib import Path

import yaml

from ragft.params.base import Params
from ragft.params.steps import STEPS

MLPROJECT = Path(__file__).resolve().parents[1] / "MLproject"
# MLflow has no type for a switch: click reads the words True and False.
TYPES: dict[type, str] = {str: "string", int: "int", float: "float", bool: "string"}
HEAD = """\
# Made from ragft/params by `make mlproject`; a test fails where the two differ.
name: ragft

conda_env: conda.yaml

entry_points:
"""


def text() -> str:
    """Return MLproject as the dataclasses of the steps make it."""
    return HEAD + "".join(_entry_point(step, kind) for step, kind in STEPS.items())


def _entry_point(step: str, kind: type[Params]) -> str:
    specs = dataclasses.fields(kind)
    # An option and its value stay on one line: the blank between them is none to textwrap.
    options = " ".join(f"--{spec.name}\0{{{spec.name}}}" for spec in specs)
    wrapped = textwrap.wrap(options, 114, break_long_words=False, break_on_hyphens=False)
    lines = [
        f"  {step}:",
        "    parameters:",
        *(f"      {spec.name}: {_parameter(spec.default)}" for spec in specs),
        "    command: >-",
        f"      python -m entrypoints.{step}",
        *(f"      {line}".replace("\0", " ") for line in wrapped),
    ]
    return "\n".join(lines) + "\n"


def _parameter(default: object) -> str:
    written = str(default) if isinstance(default, bool) else default
    entry = {"type": TYPES[type(default)], "default": written}
    return yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=1000).strip()


def main() -> None:
    """Write the file."""
    MLPROJECT.write_text(text(), encoding="utf-8")
    print(f"{MLPROJECT} has {len(STEPS)} entry points")


if __name__ == "__main__":
    main()
