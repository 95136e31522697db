"""The space of a tune as a user writes it: ``learning_rate=1e-5..1e-3;lora_rank=8,16,32;epochs=1..5``."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.params.base import check_value
from ragft.params.training import FinetuneParams

Value = float | int | str
# What a tune may choose. Not the seed, of which the luckiest would win, nor what both sides of a comparison share.
TUNABLE = (
    "samples", "method", "format", "epochs", "batch_size", "gradient_accumulation_steps", "learning_rate", "lora_rank",
    "lora_alpha", "lora_dropout", "max_length", "raft_without_golden", "withheld_share", "unanswerable_share",
    "unknown_share",
)  # fmt: skip
EXAMPLE = "learning_rate=1e-5..1e-3;lora_rank=8,16,32;epochs=1..5"
# A range of numbers above 0 whose ends are so far apart is searched on a log scale.
WIDE = 10.0
# Corners of a space that are looked at; more cannot be needed to find two values that do not go together.
MOST_CORNERS = 5000


@dataclass(frozen=True)
class Range:
    """All numbers from ``low`` to ``high``, both included; whole numbers where both are of type int."""

    name: str
    low: float | int
    high: float | int

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers alone."""
        return isinstance(self.low, int)

    @property
    def log(self) -> bool:
        """Whether it is searched on a log scale."""
        return not self.whole and self.low > 0 and self.high / self.low >= WIDE

    @property
    def size(self) -> float:
        """How many values it has."""
        return self.high - self.low + 1 if self.whole else math.inf

    @property
    def corners(self) -> tuple[Value, ...]:
        """Its ends and some numbers between them: a share of -1 means as they come, and -0.5 means nothing."""
        between = (self.low + (self.high - self.low) * share for share in (0.25, 0.5))
        inner = (int(value) if self.whole else value for value in between)
        return tuple(dict.fromkeys((self.low, *inner, self.high)))

    @property
    def values(self) -> Sequence[Value]:
        """All whole numbers it holds."""
        return range(int(self.low), int(self.high) + 1)

    def nearest(self, value: Value) -> Value:
        """Return a value as it is trained with: a number of four digits, so that what is shown can be used again."""
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.4g}"), float(self.low)), float(self.high))

    def __str__(self) -> str:
        """It in the form in which it is read."""
        return f"{self.name}={self.low}..{self.high}"


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    name: str
    values: tuple[Value, ...]

    @property
    def size(self) -> float:
        """How many values it has."""
        return len(self.values)

    @property
    def corners(self) -> tuple[Value, ...]:
        """All its values: any may be the one that does not go with another."""
        return self.values

    def nearest(self, value: Value) -> Value:
        """Return a value as it is trained with."""
        return value

    def __str__(self) -> str:
        """It in the form in which it is read."""
        return f"{self.name}={','.join(map(str, self.values))}"


Dimension = Range | Choice


@dataclass(frozen=True)
class Space:
    """What a tune may try; the dimensions by name."""

    dimensions: tuple[Dimension, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that are chosen."""
        return tuple(each.name for each in self.dimensions)

    @property
    def size(self) -> float:
        """How many points it has: infinite where a number is not whole."""
        return math.prod(each.size for each in self.dimensions)

    def corners(self) -> Iterator[dict[str, Value]]:
        """Yield combinations of the ends and middles of its dimensions, at most `MOST_CORNERS`."""
        found = itertools.product(*(each.corners for each in self.dimensions))
        for values in itertools.islice(found, MOST_CORNERS):
            yield dict(zip(self.names, values, strict=True))

    def points(self) -> Iterator[dict[str, Value]]:
        """Yield every point of a finite space."""
        for values in itertools.product(*(each.values for each in self.dimensions)):
            yield dict(zip(self.names, values, strict=True))

    def nearest(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """Return values as they are trained with."""
        return {each.name: each.nearest(values[each.name]) for each in self.dimensions}

    def __str__(self) -> str:
        """It in the form in which it is read: the same for every way of writing the same space."""
        return ";".join(map(str, self.dimensions))


def read_space(text: str) -> Space:
    """Return the space that ``text`` describes: parts ``name=values`` joined by semicolons.

    Values are a range ``a..b``, whole numbers for a parameter that is one, or a list ``a,b,c``.

    Raises:
        ConfigError: Naming the part that cannot be used, and what is expected.
    """
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        raise ConfigError(f"space is {text!r}, expected parameters of finetune with their values, such as {EXAMPLE}")
    dimensions: dict[str, Dimension] = {}
    for part in parts:
        dimension = _dimension(part)
        if dimension.name in dimensions:
            raise _unusable(part, f"{dimension.name} stands there twice")
        dimensions[dimension.name] = dimension
    return Space(tuple(dimensions[name] for name in sorted(dimensions)))


def _unusable(part: str, why: str) -> ConfigError:
    return ConfigError(f"space has the part {part!r}: {why}")


def _dimension(part: str) -> Dimension:
    name, equals, text = (word.strip() for word in part.partition("="))
    if not equals or not name or not text:
        raise _unusable(part, f"expected name=a..b or name=a,b,c, such as {EXAMPLE.partition(';')[0]}")
    spec = {field.name: field for field in dataclasses.fields(FinetuneParams)}.get(name)
    if spec is None:
        raise _unusable(part, f"finetune has no parameter {name}; to tune are {', '.join(TUNABLE)}")
    if name not in TUNABLE:
        raise _unusable(part, f"{name} is not tuned; to tune are {', '.join(TUNABLE)}")
    kind = type(spec.default)
    low, dots, high = text.partition("..")
    if dots and kind is str:
        raise _unusable(part, f"{name} has no range, expected some of {', '.join(spec.metadata['choices'])}")
    dimension: Dimension
    if dots:
        dimension = Range(name, _number(part, kind, low), _number(part, kind, high))
    else:
        words = entries(text)
        dimension = Choice(name, words if kind is str else tuple(_number(part, kind, word) for word in words))
    _check(part, dimension, spec.metadata)
    return dimension


def _number(part: str, kind: type, text: str) -> float | int:
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        words = "whole numbers, as a..b or a,b,c" if kind is int else "numbers, as a..b or a,b,c"
        raise _unusable(part, f"{text.strip()!r} is none, expected {words}") from None


def _check(part: str, dimension: Dimension, metadata: Mapping[str, object]) -> None:
    """See that a dimension has values to choose from, all of them legal."""
    ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension.values
    for value in ends:
        try:
            check_value(dimension.name, value, metadata)
        except ConfigError as error:
            raise _unusable(part, str(error)) from error
    if isinstance(dimension, Choice) and len(set(ends)) < len(ends):
        raise _unusable(part, "name each value once")
    if isinstance(dimension, Range) and dimension.low > dimension.high:
        raise _unusable(part, f"the range is empty, expected the smaller number first: {ends[1]}..{ends[0]}")
    if dimension.size == 1 or len(set(ends)) == 1:
        raise _unusable(
            part, f"one value is nothing to choose from: leave it out, and add -P {dimension.name}={ends[0]}"
        )
