"""How long the parts of a cell's work take; later plans are made from it."""

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields

from entrypoints.steps.shared.workspace import Progress, Workspace
from ragft.analysis.study.findings import Work


def silent(line: str) -> None:
    """Tell nobody."""


@dataclass
class Stages:
    """Stage -> what was done, and in how many seconds."""

    done: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, done: int, seconds: float) -> None:
        """Count more of a stage."""
        self.done[stage] = self.done.get(stage, 0) + done
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def work(self, kinds: dict[str, str]) -> tuple[Work, ...]:
        """Return the stages in which anything was done; ``kinds`` is stage -> what its rate depends on."""
        machine = platform.node()
        return tuple(
            Work(stage, kinds.get(stage, ""), done, self.seconds[stage], machine)
            for stage, done in self.done.items()
            if done
        )


class Counted(Progress):
    """A progress line that remembers how much was done, even when its count starts again."""

    reached = 0
    _last = 0

    def tell(self, done: int, total: int) -> None:
        """Take the number of items done so far, of ``total``; a smaller number than before starts a new count."""
        self.reached += done - self._last if done >= self._last else done
        self._last = done
        super().tell(done, total)


@dataclass(frozen=True, slots=True)
class Watched(Workspace):
    """A workspace that counts what its steps do, and keeps their lines to itself but for what must be heard.

    Attributes:
        heard: Tells a person one line.
    """

    stages: Stages = field(default_factory=Stages)
    heard: Callable[[str], None] = silent

    def alert(self, line: str) -> None:
        """Tell a person the line, below that of the cell."""
        self.heard(f"  {line}")

    @contextmanager
    def progress(self, stage: str, total: int = 0, *, part: str = "") -> Iterator[Progress]:
        """Yield a progress line that is counted under its stage."""
        line = Counted(f"{stage} {part}".rstrip(), self.say, total)
        started = time.monotonic()
        yield line
        self.stages.add(stage, line.reached, time.monotonic() - started)
        line.finish()


def watched(workspace: Workspace) -> Watched:
    """Return the workspace for one cell, its counts at zero."""
    own = {each.name: getattr(workspace, each.name) for each in fields(Workspace)}
    return Watched(**{**own, "say": silent}, heard=workspace.say)
