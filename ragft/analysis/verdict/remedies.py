"""From the causes of a rejection to the trainings that may mend them: one table, and what follows from it.

Every remedy is a change of the rejected version's own training, all else as it was. Sources: training with passages,
some of them distractors and some without the golden one, is RAFT (Zhang et al. 2024, arXiv 2403.10131); facts that the
base did not know teach it to invent (Gekhman et al. 2024, arXiv 2405.05904); forgetting grows with the number of steps
(Kalajdzievski 2024, arXiv 2401.05605).
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragft.analysis.verdict.causes import (
    CLOSED_BOOK,
    DISTRACTION,
    GOOD_CONTEXT,
    MEMORY,
    RETRIEVAL,
    UNSEEN,
)
from ragft.analysis.verdict.guards import FALSE_ANSWERS, FALSE_REFUSALS, FORGETTING
from ragft.errors import ConfigError
from ragft.params.training import FinetuneParams

Changes = Mapping[str, Any]
# The share of the examples whose passages cannot answer, where no better one is known.
TAUGHT, TAUGHT_MORE = 0.25, 0.5
SHORTER, SLOWER = 2, 4


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of a training.

    Attributes:
        name: What it does, in words.
        change: The training -> the parameters that change; empty where it changes nothing.
    """

    name: str
    change: Callable[[FinetuneParams], Changes]


def _with_passages(params: FinetuneParams) -> Changes:
    return {"format": "retrieved"} if params.format == CLOSED_BOOK else {}


def _with_distractors(params: FinetuneParams) -> Changes:
    return {} if params.format == "raft" else {"format": "raft"}


def _refusing(share: float) -> Callable[[FinetuneParams], Changes]:
    def change(params: FinetuneParams) -> Changes:
        return {} if params.withheld_share >= share else {**_with_passages(params), "withheld_share": share}

    return change


def _refusing_less(params: FinetuneParams) -> Changes:
    changes: dict[str, Any] = {"withheld_share": params.withheld_share / 2} if params.withheld_share else {}
    if params.unanswerable_share > 0:
        changes["unanswerable_share"] = params.unanswerable_share / 2
    return changes


def _known_only(params: FinetuneParams) -> Changes:
    # What a base knows is asked and taught without passages.
    if params.format != CLOSED_BOOK or params.unanswerable_share >= 0 or params.unknown_share == 0:
        return {}
    return {"unknown_share": 0.0}


def _softer(params: FinetuneParams) -> Changes:
    rate = float(f"{params.learning_rate / SLOWER:.4g}")
    return {"epochs": max(1, params.epochs // SHORTER), "learning_rate": rate}


WITH_PASSAGES = Remedy("with retrieved passages", _with_passages)
WITH_DISTRACTORS = Remedy("with distractors, some without the golden passage", _with_distractors)
REFUSING = Remedy(f"passages that cannot answer in {100 * TAUGHT:g} % of the samples", _refusing(TAUGHT))
REFUSING_MORE = Remedy(f"passages that cannot answer in {100 * TAUGHT_MORE:g} % of the samples", _refusing(TAUGHT_MORE))
REFUSING_LESS = Remedy("half as many samples that teach to abstain", _refusing_less)
KNOWN_ONLY = Remedy("without facts that the base did not know", _known_only)
SOFTER = Remedy(f"1/{SHORTER} of the epochs at 1/{SLOWER} of the rate", _softer)
# Cause -> the remedies in the order in which they are tried.
REMEDIES: Mapping[str, tuple[tuple[Remedy, ...], ...]] = {
    FALSE_ANSWERS: ((REFUSING,), (WITH_DISTRACTORS, REFUSING), (REFUSING_MORE,), (KNOWN_ONLY,), (SOFTER,)),
    FALSE_REFUSALS: ((REFUSING_LESS,), (WITH_PASSAGES,), (SOFTER,)),
    FORGETTING: ((SOFTER,), (KNOWN_ONLY,)),
    MEMORY: ((SOFTER,), (KNOWN_ONLY,)),
    GOOD_CONTEXT: ((WITH_PASSAGES,), (SOFTER,)),
    DISTRACTION: ((WITH_DISTRACTORS,), (SOFTER,)),
    RETRIEVAL: ((WITH_PASSAGES,), (WITH_DISTRACTORS,), (SOFTER,)),
    UNSEEN: ((WITH_PASSAGES,), (WITH_DISTRACTORS,), (SOFTER,)),
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """A training that may mend a version.

    Attributes:
        remedies: What it does, in words.
        changes: Parameter of finetune -> its new value; never empty.
    """

    remedies: tuple[str, ...]
    changes: Changes


def experiments(causes: Sequence[str], params: FinetuneParams, *, probed: bool) -> list[Experiment]:
    """Return the trainings that follow from the causes of a rejection, in the order in which they are to be tried.

    Each holds a remedy of every cause: first the first of each, then those that take later ones, the last cause's
    first. Each training is there once, and none that finetune refuses or that is the rejected one. Empty where no
    remedy is left.

    Args:
        causes: Names of `ragft.analysis.verdict.causes.CAUSES`, the worst first.
        params: The training of the rejected version.
        probed: Whether it is known which facts the base knew; without that no training can leave the others out.
    """
    choices = [_usable(cause, params, probed=probed) for cause in causes]
    ranked = itertools.product(*(enumerate(each) for each in choices if each))
    found: list[Experiment] = []
    for chosen in sorted(ranked, key=lambda ranks: sum(rank for rank, _ in ranks)):
        remedies = tuple(dict.fromkeys(remedy for _, step in chosen for remedy in step))
        made = _applied(remedies, params)
        if made and made.changes not in [each.changes for each in found]:
            found.append(made)
    return found


def _usable(cause: str, params: FinetuneParams, *, probed: bool) -> list[tuple[Remedy, ...]]:
    """Return the remedies of a cause that change the training."""
    offered = (step for step in REMEDIES[cause] if probed or KNOWN_ONLY not in step)
    return [step for step in offered if any(remedy.change(params) for remedy in step)]


def _applied(remedies: Sequence[Remedy], params: FinetuneParams) -> Experiment | None:
    """Return the training with all remedies, each on top of those before it; None where finetune refuses it."""
    changed, names = params, []
    try:
        for remedy in remedies:
            if changes := remedy.change(changed):
                changed = dataclasses.replace(changed, **changes)
                names.append(remedy.name)
    except ConfigError:
        return None
    differing = dict(_differing(params, changed))
    return Experiment(tuple(names), differing) if differing else None


def _differing(before: FinetuneParams, after: FinetuneParams) -> Iterator[tuple[str, Any]]:
    values = before.as_dict()
    return ((name, value) for name, value in after.as_dict().items() if value != values[name])
