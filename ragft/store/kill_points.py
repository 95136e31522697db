"""Named places in which a test kills the process, to prove that nothing is lost and nothing is done twice.

A window lies where a kill hurts most: rows are written but the transaction is not yet committed, or a file is written
but not yet in its place. It costs nothing until `enable_windows` is called, which only a test's switch does.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ragft.errors import ConfigError

WINDOWS = (
    "prepare.save",
    "prepare.embed",
    "prepare.freeze",
    "retrieve.freeze",
    "finetune.checkpoint",
    "generate.write",
    "judge.write",
    "probe.save",
    "study.cell",
    "promote.noted",
    "promote.recorded",
    "promote.previous",
    "promote.champion",
    "promote.moved",
)


@dataclass(slots=True)
class _Switch:
    """What a test asked for: which window holds the process, at which entry, and for how long."""

    name: str
    entries_before: int
    hold_seconds: float


_switch: _Switch | None = None


def enable_windows(spec: str, hold_seconds: float = 60.0) -> None:
    """Make windows mark themselves on stderr, and hold the process in one of them so that it can be killed there.

    Args:
        spec: ``name`` or ``name:n`` to hold at the entry after ``n`` earlier ones; an empty text disables windows.
        hold_seconds: How long the window stays open; then the process goes on.

    Raises:
        ConfigError: If there is no such window or ``n`` is not a whole number of at least 0.
    """
    global _switch  # noqa: PLW0603 - one switch for a process, set once at its start
    if not spec:
        _switch = None
        return
    name, _, entries = spec.partition(":")
    if name not in WINDOWS:
        raise ConfigError(f"there is no kill window {name!r}; use one of {', '.join(WINDOWS)}")
    if entries and not (entries.isascii() and entries.isdigit()):
        raise ConfigError(f"kill window {spec!r}: expected {name}:<number of earlier entries>")
    _switch = _Switch(name, int(entries or 0), hold_seconds)


@contextmanager
def window(name: str) -> Iterator[None]:
    """Run the block; then, when windows are enabled, mark ``window: <name>`` on stderr and hold there if asked to."""
    yield
    if _switch is None:
        return
    sys.stderr.write(f"window: {name}\n")
    if name == _switch.name:
        if _switch.entries_before == 0:
            sys.stderr.write(f"window open: {name}\n")
            sys.stderr.flush()
            time.sleep(_switch.hold_seconds)
        _switch.entries_before -= 1
