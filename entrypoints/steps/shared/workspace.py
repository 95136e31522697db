"""What every step is given: the home folder, the store, and a way to print."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ragft.store.connection import Store


@dataclass(frozen=True, slots=True)
class Workspace:
    """The surroundings of a step.

    Attributes:
        home: Folder of everything that is kept between runs.
        store: The open Postgres memory.
        say: Prints one line.
        shared: True where the store is a server that other homes use too, so that its locks hold for them.
        api_keys: "model" and "judge" -> the key of the server that holds it; never shown or logged.
    """

    home: Path
    store: Store
    say: Callable[[str], None]
    shared: bool = False
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    def alert(self, line: str) -> None:
        """Tell a person one line that must be heard where the other lines of a step are not: in a study."""
        self.say(line)

    @contextmanager
    def progress(self, stage: str, total: int = 0, *, part: str = "") -> Iterator["Progress"]:
        """Yield a progress line: one that is redrawn on a terminal, elsewhere one at most every 15 seconds.

        ``part`` says which part of the stage it is.
        """
        line = Progress(f"{stage} {part}".rstrip(), self.say, total)
        yield line
        line.finish()


def say(line: str) -> None:
    """Write one line to stdout at once."""
    print(line, flush=True)


class Progress:
    """Shows how far some work is and how long the rest will take."""

    SECONDS_BETWEEN_LINES = 15.0

    def __init__(self, what: str, write: Callable[[str], None], total: int) -> None:
        self._what, self._write, self._total = what, write, total
        self._done = 0
        self._started = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def advance(self, count: int) -> None:
        """Count ``count`` more items."""
        self._done += count
        self.tell(self._done, self._total)

    def tell(self, done: int, total: int) -> None:
        """Take the number of items done so far, of ``total``."""
        now = time.monotonic()
        left = (now - self._started) / done * (total - done) if done else 0.0
        line = f"  {self._what} {done}/{total}, {left:.0f} s left"
        if self._terminal:
            self._shown = True
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
        elif now - self._told >= self.SECONDS_BETWEEN_LINES:
            self._told = now
            self._write(line)

    def finish(self) -> None:
        """End the redrawn line."""
        if self._shown:
            sys.stderr.write("\n")
