"""What models wrote, by the hash of what made it."""

from collections.abc import Iterable

from ragft.store.connection import Store, replayed
from ragft.store.kill_points import kill_point
from ragft.store.text import from_postgres, to_postgres
from ragft.types import Written


@replayed
def find_answers(store: Store, keys: Iterable[str]) -> dict[str, Written]:
    """Return those of ``keys`` that have an answer, with it."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT key, prompt, text, prompt_tokens, tokens, cut FROM answers WHERE key = ANY(%s)",
            [list(keys)],
            binary=True,
        )
        return {row[0]: Written(row[0], from_postgres(row[1]), from_postgres(row[2]), *row[3:]) for row in cursor}


@replayed
def save_answers(store: Store, answers: Iterable[Written]) -> None:
    """Write ``answers`` in one transaction; an answer whose key is already there stays as it is."""
    rows = sorted(
        (
            answer.key,
            to_postgres(answer.prompt),
            to_postgres(answer.text),
            answer.prompt_tokens,
            answer.tokens,
            answer.cut,
        )
        for answer in answers
    )
    with store.transaction() as cursor:
        cursor.executemany(
            "INSERT INTO answers (key, prompt, text, prompt_tokens, tokens, cut) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            rows,
        )
        kill_point("generate.write")
