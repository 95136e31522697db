"""One attempt at the study: it runs to its end, or is killed with -9 after a delay that was drawn before."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.end_to_end.conftest import ROOT, Checkout
from tests.torture.moments import Calm, Phase
from tests.warm import Fork, Warm

# Written by a study when it knows its cells, and when it is done with them.
BEGUN, DONE = " cells, of which ", "results written to "
MARK = "kill point: "
# A kill point that no study passes: all others mark themselves on stderr, and none holds the process.
MARKS_ALONE = "promote.moved"


@dataclass(slots=True)
class Attempt:
    """What became of an attempt.

    Attributes:
        phase: The phase it was killed in; None where it ended by itself.
        after: The last row or file that it had written when it was killed.
        moments: Line that opens a phase -> seconds since the start.
    """

    phase: Phase | None = None
    after: str = ""
    code: int = 0
    seconds: float = 0.0
    moments: dict[str, float] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def calm(self) -> Calm:
        """The times of an attempt that ended by itself and had everything to do."""
        begun, first, done = (self.moments[each] for each in (BEGUN, MARK, DONE))
        return Calm(begun, first - begun, done - begun, self.seconds - done)


def attempt(
    home: Checkout,
    words: list[str],
    delays: Mapping[Phase, float] = MappingProxyType({}),
    usual: float = 0.0,
    warm: Warm | None = None,
) -> Attempt:
    """Run the command; kill it in the first phase that lasts longer than its delay, counted from the phase's begin.

    A phase without a delay is let through. Nothing but the process itself is killed.

    Args:
        home: Where it runs.
        words: The command.
        delays: In seconds of an idle machine.
        usual: How long a start takes where the delays were measured: a start that takes longer makes them longer.
        warm: What to fork the attempt from; None starts a process of its own.
    """
    found = Attempt()
    started = time.monotonic()
    process = _start(words, {**home.environment, "RAGFT_TEST_KILL_POINT": MARKS_ALONE}, warm)
    lines = _lines(process)
    phase: Phase = "start-up"
    deadline = started + delays[phase] if phase in delays else None
    while True:
        try:
            line = lines.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            os.kill(process.pid, signal.SIGKILL)
            found.phase = phase
            break
        if line is None:
            break
        found.said.append(line)
        if mark := _mark(line):
            found.moments.setdefault(mark, time.monotonic() - started)
            found.after = line.strip().removeprefix(MARK) if mark == MARK else found.after
        if mark in (BEGUN, DONE):
            phase = "work" if mark == BEGUN else "shutdown"
            slower = max(0.5, found.moments[BEGUN] / usual) if usual else 1.0
            deadline = time.monotonic() + delays[phase] * slower if phase in delays else None
    found.code = process.wait()
    found.seconds = time.monotonic() - started
    if found.code != -signal.SIGKILL:
        found.phase = None  # it had ended just before
    return found


def _start(words: list[str], environment: Mapping[str, str], warm: Warm | None) -> "subprocess.Popen[str] | Fork":
    if warm is not None:
        return warm.start(words, environment)
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _mark(line: str) -> str:
    return next((mark for mark in (BEGUN, DONE, MARK) if mark in line), "")


def _lines(process: "subprocess.Popen[str] | Fork") -> "queue.SimpleQueue[str | None]":
    """Return what the process writes as it comes; None at the end."""
    found: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                found.put(line)
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    return found
