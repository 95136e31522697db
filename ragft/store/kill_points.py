"""Named places in which a test kills the process, to prove that nothing is lost and nothing is done twice.

A kill point lies where a kill hurts most: rows are written and the transaction is not yet committed, or a file is
there and not yet in its place. It costs nothing until `enable_kill_points` was called, which only a test switch does.
"""

import sys
import time
from dataclasses import dataclass

from ragft.errors import ConfigError

KILL_POINTS = (
    "prepare.save",
    "prepare.embed",
    "prepare.freeze",
    "retrieve.freeze",
    "finetune.checkpoint",
    "generate.write",
    "judge.write",
    "traces.write",
    "probe.save",
    "claims.take",
    "study.cell",
    "register.base",
    "promote.noted",
    "promote.recorded",
    "promote.previous",
    "promote.champion",
    "promote.moved",
)


@dataclass(slots=True)
class _Switch:
    """What a test asked for: which kill point holds the process, at which passing and for how long."""

    name: str
    passes_before: int
    hold_seconds: float


_switch: _Switch | None = None


def enable_kill_points(spec: str, hold_seconds: float = 60.0) -> None:
    """Make kill points mark themselves on stderr, and hold the process at one of them so that it can be killed there.

    Args:
        spec: ``name`` or ``name:n`` to hold after ``n`` earlier passes; an empty text disables kill points.
        hold_seconds: How long the process is held; it goes on after that.

    Raises:
        ConfigError: If there is no such kill point or ``n`` is not a whole number of at least 0.
    """
    global _switch  # noqa: PLW0603 - one switch for a process, set once at its start
    if not spec:
        _switch = None
        return
    name, _, passes = spec.partition(":")
    if name not in KILL_POINTS:
        raise ConfigError(f"there is no kill point {name!r}; use one of {', '.join(KILL_POINTS)}")
    if passes and not (passes.isascii() and passes.isdigit()):
        raise ConfigError(f"kill point {spec!r}: expected {name}:<number of earlier passes>")
    _switch = _Switch(name, int(passes or 0), hold_seconds)


def kill_point(name: str) -> None:
    """When kill points are enabled, mark ``kill point: <name>`` on stderr and hold here if asked to."""
    if _switch is None:
        return
    sys.stderr.write(f"kill point: {name}\n")
    if name == _switch.name:
        if _switch.passes_before == 0:
            sys.stderr.write(f"held at: {name}\n")
            sys.stderr.flush()
            time.sleep(_switch.hold_seconds)
        _switch.passes_before -= 1
