"""What every step's parameters are: a frozen dataclass whose fields carry help text, choices and bounds."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ragft.errors import ConfigError

P = TypeVar("P", bound="Params")


def param(
    default: Any,  # noqa: ANN401 - str, int, float or bool
    help: str,  # noqa: A002 - click's word
    *,
    choices: Sequence[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    group: str = "",
) -> Any:  # noqa: ANN401 - what dataclasses.field returns
    """Return a dataclass field with its help text and what values it takes.

    ``group`` is the heading in the help of a field that does not stand under its name's usual one.
    """
    metadata = {"help": help, "choices": tuple(choices), "minimum": minimum, "maximum": maximum, "group": group}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Params:
    """The base of every step's parameters; checks each value against its field's metadata."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: Naming the parameter, its value and what is accepted.
        """
        for spec in dataclasses.fields(self):
            check_value(spec.name, getattr(self, spec.name), spec.metadata)

    def as_dict(self) -> dict[str, Any]:
        """Return name -> value, in the order of the fields."""
        return dataclasses.asdict(self)

    def pick(self, other: type[P], **changes: Any) -> P:  # noqa: ANN401
        """Return the parameters of another step, taking from here every one they share."""
        names = {spec.name for spec in dataclasses.fields(other)}
        shared = {name: value for name, value in self.as_dict().items() if name in names}
        return other(**{**shared, **changes})


def check_value(name: str, value: Any, metadata: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Check a value against the metadata of its field.

    Raises:
        ConfigError: Naming the parameter, its value and what is accepted.
    """
    choices, low, high = metadata["choices"], metadata["minimum"], metadata["maximum"]
    if choices and value not in choices:
        raise ConfigError(f"{name} is {value!r}, expected one of: {', '.join(choices)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} is {value}, expected a finite number")
    if low is not None and value < low:
        raise ConfigError(f"{name} is {value}, expected at least {low}")
    if high is not None and value > high:
        raise ConfigError(f"{name} is {value}, expected at most {high}")
