"""From a params dataclass to a click command, and from an error to its exit code."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ragft.errors import RagftError
from ragft.masking import print_masked
from ragft.params import Params
from ragft.stopping import Stopped, stopped_by_signals

P = TypeVar("P", bound=Params)


class Number(click.ParamType[int | float]):
    """A number whose error names the way out; click's own float takes ``nan`` without a word."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = kind.__name__

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:  # noqa: ANN401
        """Return the number, or fail naming what was given."""
        try:
            return self.kind(value)
        except ValueError:
            self.fail(f"{value!r} is not {'a whole number' if self.kind is int else 'a number'}", param, ctx)


TYPES: dict[type, click.ParamType[Any]] = {str: click.STRING, int: Number(int), float: Number(float), bool: click.BOOL}


def step_command(name: str, params_type: type[P], main: Callable[[P], None]) -> click.Command:
    """Return the command of a step: an option for each field, ``main`` called with the checked params.

    A `RagftError` is printed without a traceback and ends the process with its exit code, and so does a
    signal to end; anything else keeps its traceback.
    """

    def run(**values: Any) -> None:  # noqa: ANN401
        sys.excepthook = print_masked
        try:
            with stopped_by_signals():
                main(params_type(**values))
        except RagftError as error:
            click.echo(f"ragft {name}: {error}", err=True)
            sys.exit(error.exit_code)
        except Stopped as stopped:
            click.echo(f"ragft {name}: {stopped}; what was finished stays, the same command goes on", err=True)
            sys.exit(stopped.exit_code)

    options: list[click.Parameter] = []
    for spec in dataclasses.fields(params_type):
        kind = TYPES[type(spec.default)]
        choices = spec.metadata["choices"]
        options.append(
            click.Option(
                [f"--{spec.name}", spec.name],
                type=kind,
                default=spec.default,
                show_default=True,
                metavar="|".join(choices) if choices else None,
                help=spec.metadata["help"],
            )
        )
    return click.Command(name, params=options, callback=run, help=params_type.__doc__)
