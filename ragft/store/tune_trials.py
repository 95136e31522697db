"""The trials of tunes, and what the comparison of the best one said."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragft.store.connection import Cursor, Store, replayed
from ragft.store.text import to_postgres
from ragft.types import digest

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TuneTrial:
    """An adapter that is tried.

    Attributes:
        number: Its place in the tune, from 0.
        task: Key of the claim under which it is computed.
        parameters: What was asked: parameter of finetune -> value.
        result: What came of it; None before that.
    """

    number: int
    task: str
    parameters: Mapping[str, Any]
    result: Mapping[str, Any] | None = None


@replayed
def find_tune_trials(store: Store, tune: str) -> list[TuneTrial]:
    """Return the trials of a tune by number."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT number, task, parameters::text, result::text FROM tune_trials WHERE tune = %s ORDER BY number",
            [tune],
        )
        return [
            TuneTrial(number, task, json.loads(parameters), None if result is None else json.loads(result))
            for number, task, parameters, result in cursor
        ]


@replayed
def add_tune_trial(store: Store, tune: str, trial: TuneTrial, study: str, name: str) -> None:
    """Add a trial and make its task free to be claimed, both or neither; a number that is there stays as it is.

    ``study`` and ``name`` are those of the claim.
    """
    with store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO tune_trials (tune, number, task, parameters) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [tune, trial.number, trial.task, json.dumps(dict(trial.parameters), allow_nan=False)],
        )
        cursor.execute(
            "INSERT INTO claims (task, study, name) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [trial.task, study, to_postgres(name)],
        )


def task_of(tune: str, number: int) -> str:
    """Return the key of the claim on a trial."""
    return digest(["tune trial", tune, number])


def save_tune_trial(cursor: Cursor, task: str, result: Mapping[str, Any]) -> None:
    """Write what came of a trial, in the transaction that ends its claim; what is there already stays."""
    text = json.dumps(dict(result), ensure_ascii=True, allow_nan=False)
    cursor.execute("UPDATE tune_trials SET result = %s WHERE task = %s AND result IS NULL", [text, task])


@replayed
def find_tune_verdict(store: Store, task: str) -> Record | None:
    """Return what the comparison of a tune's best adapter said; None before it was made."""
    with store.transaction() as cursor:
        row = cursor.execute("SELECT result::text FROM tune_verdicts WHERE task = %s", [task]).fetchone()
    return None if row is None else json.loads(row[0])


def save_tune_verdict(cursor: Cursor, task: str, result: Mapping[str, Any]) -> None:
    """Write what the comparison said, in the transaction that ends its claim."""
    text = json.dumps(dict(result), ensure_ascii=True, allow_nan=False)
    cursor.execute("INSERT INTO tune_verdicts (task, result) VALUES (%s, %s) ON CONFLICT DO NOTHING", [task, text])
