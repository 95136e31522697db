"""Frozen records from the dictionaries that ``dataclasses.asdict`` and JSON make of them.

A record is hashed as evidence of a decision, so a record of another version must not be misread. pydantic's
TypeAdapter, strict, takes an unknown field in silence wherever a nested class does not forbid it itself, and fills a
missing one with its default; cattrs fills it too, and turns "3" into 3 unless told otherwise for each type.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ragft.errors import DataError

T = TypeVar("T")


def read_record(kind: type[T], value: Any, where: str = "") -> T:  # noqa: ANN401 - whatever JSON held
    """Return the record of class ``kind`` that ``value`` describes; a field with a default may be missing.

    Raises:
        DataError: Naming the field that is missing, unknown or of another type.
    """
    where = where or kind.__name__
    if not isinstance(value, Mapping):
        raise DataError(f"{where} is {value!r}, expected an object")
    hints = get_type_hints(kind)
    known = fields(kind)  # type: ignore[arg-type]
    names = {field.name for field in known}
    needed = {field.name for field in known if field.default is MISSING and field.default_factory is MISSING}
    if not needed <= set(value) <= names:
        problems = [f"{name} is missing" for name in sorted(needed - set(value))]
        problems += [f"{name} is unknown" for name in sorted(set(value) - names)]
        raise DataError(f"{where} does not have the fields it should; it was written by another version", problems)
    return kind(**{name: _read(hints[name], value[name], f"{where}.{name}") for name in names if name in value})


def _read(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401, PLR0911 - one return a type
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return read_record(kind, value, where)  # type: ignore[arg-type]
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _read(next(each for each in inner if each is not type(None)), value, where)
    if origin is Literal and value in inner:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_read(inner[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is Mapping and isinstance(value, Mapping):
        return {key: _read(inner[1], item, f"{where}[{key!r}]") for key, item in value.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise DataError(f"{where} is {value!r}, expected {getattr(kind, '__name__', kind)}")
