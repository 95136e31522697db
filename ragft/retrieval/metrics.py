"""How good a ranking of passages is, and when a passage counts as holding the evidence."""

from collections.abc import Collection, Sequence
from typing import TypeVar

from ragft.errors import ConfigError

T = TypeVar("T")

# Where a cut leaves half of the evidence, either passage is worth finding; a heading that the evidence repeats is not.
_LEAST_SHARE = 0.5
_FEWEST_CHARACTERS = 40


def evidence_share(text: str, evidence: str) -> float:
    """Return the length that ``text`` and ``evidence`` share, as a share of the shorter of the two, in [0, 1].

    Evidence is a verbatim piece of a document, and passages are cut from the same document: so a passage holds all of
    the evidence, its beginning, its end, or nothing but evidence. White space does not count.
    """
    passage, wanted = _squeezed(text), _squeezed(evidence)
    if not passage or not wanted:
        return 0.0
    if wanted in passage:
        return 1.0
    common = len(passage) if passage in wanted else max(_joint(passage, wanted), _joint(wanted, passage))
    return common / min(len(passage), len(wanted)) if common >= _FEWEST_CHARACTERS else 0.0


def has_evidence(text: str, evidence: Sequence[str]) -> bool:
    """Return whether ``text`` holds one of the pieces of ``evidence``, or at least half of one that was cut.

    Half of the shorter of the two is needed (`evidence_share`), and at least 40 characters unless all of it is there.
    """
    return any(evidence_share(text, piece) >= _LEAST_SHARE for piece in evidence)


def hit_at_k(ranking: Sequence[str], relevant: Collection[str], k: int) -> bool:
    """Return whether one of the ``relevant`` ids is among the first ``k`` of ``ranking``.

    Raises:
        ConfigError: If ``k`` is below 1.
    """
    return any(item in relevant for item in _first(ranking, k))


def recall_at_k(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the share of the ``relevant`` ids that are among the first ``k`` of ``ranking``, in [0, 1].

    Raises:
        ConfigError: If nothing is relevant (the share is not defined) or ``k`` is below 1.
    """
    if not relevant:
        raise ConfigError("recall is not defined where no passage is relevant; leave such a question out")
    return len(set(_first(ranking, k)) & set(relevant)) / len(set(relevant))


def reciprocal_rank(ranking: Sequence[str], relevant: Collection[str]) -> float:
    """Return 1 / rank of the first relevant id, ranks from 1; 0.0 when none is in ``ranking``."""
    return next((1 / rank for rank, item in enumerate(ranking, start=1) if item in relevant), 0.0)


def _first(items: Sequence[T], k: int) -> Sequence[T]:
    if k < 1:
        raise ConfigError(f"the first {k} of a ranking are not defined; use 1 or more")
    return items[:k]


def _joint(first: str, second: str) -> int:
    """Return the length of the longest ending of ``first`` with which ``second`` begins."""
    return next((n for n in range(min(len(first), len(second)), 0, -1) if first.endswith(second[:n])), 0)


def _squeezed(text: str) -> str:
    return "".join(text.split())
