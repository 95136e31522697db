"""What every step is handed: the home folder, the store, and a voice."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ragft.store.connection import Store


@dataclass(frozen=True, slots=True)
class Workspace:
    """The surroundings of a step.

    Attributes:
        home: Folder of everything that is kept between runs.
        store: The open Postgres memory.
        say: Tells a person one line.
    """

    home: Path
    store: Store
    say: Callable[[str], None]

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield a function that is called with the number of items done since its last call.

        On a terminal one line is redrawn; elsewhere a line is written at most every 15 seconds.
        """
        bar = _Progress(what, total, self.say)
        yield bar.advance
        bar.finish()


def say(line: str) -> None:
    """Write one line to stdout at once."""
    print(line, flush=True)


class _Progress:
    """Counts items and tells how long the rest will take."""

    SECONDS_BETWEEN_LINES = 15.0

    def __init__(self, what: str, total: int, tell: Callable[[str], None]) -> None:
        self._what, self._total, self._tell = what, total, tell
        self._done = 0
        self._started = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def advance(self, count: int) -> None:
        """Count ``count`` more items."""
        self._done += count
        now = time.monotonic()
        if self._terminal:
            sys.stderr.write(f"\r{self._line(now)}\x1b[K")
            sys.stderr.flush()
        elif now - self._told >= self.SECONDS_BETWEEN_LINES:
            self._told = now
            self._tell(self._line(now))

    def finish(self) -> None:
        """End the redrawn line."""
        if self._terminal and self._done:
            sys.stderr.write("\n")

    def _line(self, now: float) -> str:
        left = (now - self._started) / self._done * (self._total - self._done) if self._done else 0.0
        return f"  {self._what} {self._done}/{self._total}, {left:.0f} s left"
