"""Kill windows: silent unless a test asks, and one that is named in the code is one that can be asked for."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragft.errors import ConfigError
from ragft.store.kill_points import WINDOWS, enable_windows, window

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def switched_off() -> Iterator[None]:
    yield
    enable_windows("")


def test_a_window_is_silent_until_it_is_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    with window("judge.write"):
        pass
    assert capsys.readouterr().err == ""


def test_windows_mark_themselves_and_hold_once(capsys: pytest.CaptureFixture[str]) -> None:
    enable_windows("judge.write:1", hold_seconds=0.001)
    for name in ("judge.write", "generate.write", "judge.write", "judge.write"):
        with window(name):
            pass
    assert capsys.readouterr().err.splitlines() == [
        "window: judge.write",
        "window: generate.write",
        "window: judge.write",
        "window open: judge.write",
        "window: judge.write",
    ]


def test_a_block_that_fails_leaves_no_mark(capsys: pytest.CaptureFixture[str]) -> None:
    enable_windows("judge.write", hold_seconds=0.001)
    with pytest.raises(KeyError), window("judge.write"):
        raise KeyError
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("spec", ["judge.writes", "judge.write:x", "judge.write:-1", "judge.write:²", ":1"])
def test_a_switch_that_would_never_open_a_window_is_refused(spec: str) -> None:
    with pytest.raises(ConfigError):
        enable_windows(spec)


def test_windows_in_the_code_are_the_ones_that_can_be_asked_for() -> None:
    used = {
        name
        for file in (ROOT / "ragft").rglob("*.py")
        for name in re.findall(r'\bwindow\("([^"]+)"\)', file.read_text(encoding="utf-8"))
    }
    assert len(used) >= 6
    assert used <= set(WINDOWS)
