"""Kill points: silent unless a test asks, and one that is named in the code is one that can be asked for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragft.errors import ConfigError
from ragft.store.kill_points import KILL_POINTS, enable_kill_points, kill_point

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def switched_off() -> Iterator[None]:
    yield
    enable_kill_points("")


def test_a_kill_point_is_silent_until_it_is_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    kill_point("judge.write")
    assert capsys.readouterr().err == ""


def test_kill_points_mark_themselves_and_hold_once(capsys: pytest.CaptureFixture[str]) -> None:
    enable_kill_points("judge.write:1", hold_seconds=0.001)
    for name in ("judge.write", "generate.write", "judge.write", "judge.write"):
        kill_point(name)
    assert capsys.readouterr().err.splitlines() == [
        "kill point: judge.write",
        "kill point: generate.write",
        "kill point: judge.write",
        "held at: judge.write",
        "kill point: judge.write",
    ]


@pytest.mark.parametrize("spec", ["judge.writes", "judge.write:x", "judge.write:-1", "judge.write:²", ":1"])
def test_a_switch_that_would_never_hold_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError):
        enable_kill_points(spec)


def test_kill_points_in_the_code_are_the_ones_that_can_be_asked_for() -> None:
    used = {
        name
        for part in ("ragft", "registry", "entrypoints")
        for file in (ROOT / part).rglob("*.py")
        for name in re.findall(r'\bkill_point\("([^"]+)"\)', file.read_text(encoding="utf-8"))
    }
    assert used == set(KILL_POINTS)
