"""The path of champions, from the oldest to the present one: plain values, and the tag that holds them.

A rollback goes back along this path and forgets what it left, so that going back twice never returns to what was just
rolled back.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragft.errors import DataError
from registry.versions import TAG_PREFIX

CHAMPIONS = f"{TAG_PREFIX}champions"
# The champion after the last move, to tell whether a person has moved it since.
LAST = f"{TAG_PREFIX}champion_set_by_ragft"
# A tag of a registered model holds 5,000 characters; the note of a move holds a path and a reason.
MOST_TERMS = 60
_BETWEEN = " > "
_NOTHING = "none"
_TERM = re.compile(rf"(\d+)(?: as ([0-9a-f]{{12}}))?(?: with ({_NOTHING}|[0-9a-f]{{12}}))?")


@dataclass(frozen=True, slots=True)
class ChampionTerm:
    """A version's time as champion.

    Attributes:
        version: Its number.
        served: The first 12 digits of the sha256 of how it was served; empty: as it was registered.
        promise: The same of what was promised of its answers at the end of its time, for the present champion at the
            beginning; empty: nothing. None where nobody noted it.
    """

    version: int
    served: str = ""
    promise: str | None = None

    def __str__(self) -> str:
        """Return the term as the tag holds it, such as ``3 as 0a1b2c3d4e5f with none``."""
        served = f" as {self.served}" if self.served else ""
        promise = "" if self.promise is None else f" with {self.promise or _NOTHING}"
        return f"{self.version}{served}{promise}"


def write(path: Sequence[ChampionTerm]) -> str:
    """Return the newest terms of a path as a tag, such as ``1 with none > 3 as 0a1b2c3d4e5f with f5e4d3c2b1a0``."""
    return _BETWEEN.join(map(str, path[-MOST_TERMS:]))


def read(tag: str) -> tuple[ChampionTerm, ...]:
    """Return the path in a tag.

    Raises:
        DataError: If ragft did not write it.
    """
    found = [_TERM.fullmatch(part) for part in tag.split(_BETWEEN)]
    if not all(found):
        raise DataError(
            f"the tag {CHAMPIONS} is {tag[:200]!r}, expected numbers of versions such as '1 > 3': delete the tag, and "
            "the history begins anew"
        )
    return tuple(
        ChampionTerm(int(match[1]), match[2] or "", match[3] and match[3].removeprefix(_NOTHING))
        for match in found
        if match
    )


def until(path: Sequence[ChampionTerm], version: int) -> tuple[ChampionTerm, ...]:
    """Return the path up to the latest term of a version before the last one; empty where it has none."""
    places = [place for place, term in enumerate(path[:-1]) if term.version == version]
    return tuple(path[: places[-1] + 1]) if places else ()


def moved_by_hand(path: Sequence[ChampionTerm], term: ChampionTerm) -> tuple[ChampionTerm, ...]:
    """Return the path after a person made a version champion: back to it, or on to it if it was not champion before."""
    return until(path, term.version) or (*path, term)


def numbers(path: Iterable[ChampionTerm]) -> str:
    """Return the numbers of the versions in a path, each once, joined by commas."""
    return ", ".join(dict.fromkeys(str(term.version) for term in path))
