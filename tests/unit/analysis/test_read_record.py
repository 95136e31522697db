"""A record is read back as it was, or not at all: no field is left out or converted."""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ragft.analysis.read_record import read_record
from ragft.errors import DataError


@dataclass(frozen=True, slots=True)
class Inner:
    share: float
    sign: float = 1.0


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    count: int
    flag: bool
    kind: Literal["a", "b"]
    inner: tuple[Inner, ...]
    by_name: Mapping[str, Inner]
    maybe: Inner | None


RECORD = Outer("x", 1, True, "a", (Inner(0.5),), {"one": Inner(1, -1.0)}, None)


def written() -> dict[str, Any]:
    """The record as JSON holds it."""
    value: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(RECORD)))
    return value


def test_a_record_comes_back_as_it_was() -> None:
    assert read_record(Outer, written()) == RECORD


def test_a_record_from_before_a_field_with_a_default_is_read() -> None:
    assert read_record(Outer, written() | {"inner": [{"share": 0.5}]}) == RECORD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inner": [{"sign": 1.0}]}, "Outer.inner[0] does not have"),
        ({"inner": [{"share": 0.5, "sign": 1.0, "new": 1}]}, "Outer.inner[0] does not have"),
        ({"by_name": {"one": {"share": "0.5", "sign": 1.0}}}, "Outer.by_name['one'].share is '0.5', expected float"),
        ({"by_name": []}, "Outer.by_name is [], expected Mapping"),
        ({"count": True}, "Outer.count is True, expected int"),
        ({"count": "1"}, "Outer.count is '1', expected int"),
        ({"flag": 1}, "Outer.flag is 1, expected bool"),
        ({"kind": "c"}, "Outer.kind is 'c', expected Literal"),
        ({"maybe": []}, "Outer.maybe is [], expected an object"),
        ({"name": None}, "Outer.name is None, expected str"),
    ],
)
def test_anything_else_is_refused_by_the_name_of_its_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        read_record(Outer, written() | change)
