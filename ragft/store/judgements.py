"""Replies of judges, by the hash of what was asked."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ragft.errors import DataError
from ragft.store.connection import Store, replayed
from ragft.store.kill_points import kill_point
from ragft.store.text import from_postgres, to_postgres
from ragft.types import Judgement


@replayed
def find_judgements(store: Store, keys: Iterable[str]) -> dict[str, list[Judgement]]:
    """Return those of ``keys`` that were judged, each with its judgements in the order of their repeats."""
    found: dict[str, list[Judgement]] = defaultdict(list)
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT key, repeat, reply, value, mass, served_by FROM judgements "
            "WHERE key = ANY(%s) ORDER BY key, repeat",
            [list(keys)],
            binary=True,
        )
        for key, repeat, reply, value, mass, served_by in cursor:
            found[key].append(Judgement(key, repeat, from_postgres(reply), value, mass, from_postgres(served_by)))
    return dict(found)


# Probabilities of single precision do not add up to 1 exactly.
ROUNDING = 1e-4

Ends = tuple[float, float]
NO_VALUES: Mapping[str, Ends] = MappingProxyType({})


@replayed
def save_judgements(store: Store, judgements: Iterable[Judgement], ends: Mapping[str, Ends] = NO_VALUES) -> None:
    """Write ``judgements`` in one transaction; one that is already there stays as it is.

    ``ends`` is key -> the lowest and the highest score of its criterion; only a judgement without a value needs none.

    Raises:
        DataError: If a value is not within its criterion's scores, or a mass not in 0 to 1; nothing is written then.
    """
    ordered = sorted(judgements, key=lambda judgement: (judgement.key, judgement.repeat))
    wrong = [problem for judgement in ordered if (problem := _problem(judgement, ends.get(judgement.key)))]
    if wrong:
        raise DataError(
            "a judgement is no score of its criterion; the judge or its server is at fault: use another, or the "
            "estimator sampled",
            wrong,
        )
    with store.transaction() as cursor:
        cursor.executemany(
            "INSERT INTO judgements (key, repeat, reply, value, mass, served_by) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [(j.key, j.repeat, to_postgres(j.reply), j.value, j.mass, to_postgres(j.served_by)) for j in ordered],
        )
        kill_point("judge.write")


def _problem(judgement: Judgement, ends: Ends | None) -> str:
    """Return what is wrong with a judgement, or ""."""
    where, value, mass = f"judgement {judgement.key}, repeat {judgement.repeat}", judgement.value, judgement.mass
    if value is not None and ends is None:
        return f"{where}: value {value} of a criterion that is not known"
    if value is not None and ends is not None and not ends[0] <= value <= ends[1]:
        return f"{where}: value {value}, expected {ends[0]:g} to {ends[1]:g}"
    if mass is not None and not (math.isfinite(mass) and 0 <= mass <= 1 + ROUNDING):
        return f"{where}: mass {mass}, expected 0 to 1"
    return ""
