"""The moments at which a study is killed: drawn over its whole run, most of them where work is done."""

import random
from dataclasses import dataclass
from typing import Literal

Phase = Literal["start-up", "work", "shutdown"]
PHASES: tuple[Phase, ...] = ("start-up", "work", "shutdown")
# Of the homes, how many are killed before they have a store, and how many when their results are written.
SHARE_OF_STARTS = SHARE_OF_ENDS = 0.35
# Of the kills between those, how many fall into the start of an attempt that has work left: imports, most of it.
SHARE_OF_RESTARTS = 0.15
# How far into the work of a study the others reach. What lies beyond is reached by later attempts, which find the
# beginning done: so a home is killed more often before it is done, and a kill costs less.
REACH = 0.6


@dataclass(frozen=True, slots=True)
class Calm:
    """Seconds of a run that is not killed.

    Attributes:
        startup: Until the cells are known.
        loading: From there until the first row is written, most of it imports.
        work: From the cells until the results are written.
        shutdown: From the results until the process has ended.
    """

    startup: float
    loading: float
    work: float
    shutdown: float


def draw(chance: random.Random, times: Calm, *, first: bool) -> dict[Phase, float]:
    """Return the delay after which each phase of an attempt is killed; phases without one are let through."""
    if first:
        # Never beyond the start: without a store there is no secret yet.
        return {"start-up": chance.uniform(0, times.startup), "work": 0.0}
    if chance.random() < SHARE_OF_RESTARTS:
        at = chance.uniform(0, times.startup + times.loading)
        return {"start-up": at} if at < times.startup else {"work": at - times.startup}
    reach = times.loading + REACH * (times.work - times.loading)
    delays: dict[Phase, float] = {"work": chance.uniform(times.loading, reach)}
    if chance.random() < SHARE_OF_ENDS:
        delays["shutdown"] = chance.uniform(0, times.shutdown)
    return delays
