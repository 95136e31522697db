"""Replies of judges, by the hash of what was asked."""

import math
from collections import defaultdict
from collections.abc import Iterable

from ragft.errors import DataError
from ragft.store.connection import Store
from ragft.store.text import from_postgres, to_postgres
from ragft.store.windows import window
from ragft.types import Judgement


def find_judgements(store: Store, keys: Iterable[str]) -> dict[str, list[Judgement]]:
    """Return those of ``keys`` that were judged, each with its judgements in the order of their repeats."""
    found: dict[str, list[Judgement]] = defaultdict(list)
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT key, repeat, reply, value, mass FROM judgements WHERE key = ANY(%s) ORDER BY key, repeat",
            [list(keys)],
            binary=True,
        )
        for key, repeat, reply, value, mass in cursor:
            found[key].append(Judgement(key, repeat, from_postgres(reply), value, mass))
    return dict(found)


def save_judgements(store: Store, judgements: Iterable[Judgement]) -> None:
    """Write ``judgements`` in one transaction; one that is there already stays as it is.

    Raises:
        DataError: If a value or a mass is not a finite number; an unreadable score is None.
    """
    ordered = sorted(judgements, key=lambda judgement: (judgement.key, judgement.repeat))
    wrong = [
        f"judgement {judgement.key}, repeat {judgement.repeat}: value {judgement.value}, mass {judgement.mass}"
        for judgement in ordered
        if not all(math.isfinite(number) for number in (judgement.value, judgement.mass) if number is not None)
    ]
    if wrong:
        raise DataError("a judgement needs finite numbers, or None for a score that cannot be read", wrong)
    with store.transaction() as cursor, window("judge.write"):
        cursor.executemany(
            "INSERT INTO judgements (key, repeat, reply, value, mass) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [(j.key, j.repeat, to_postgres(j.reply), j.value, j.mass) for j in ordered],
        )
