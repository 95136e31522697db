"""Answers that models generated, by the hash of what made them."""

from collections.abc import Iterable

from ragft.store.connection import Store
from ragft.store.text import from_postgres, to_postgres
from ragft.store.windows import window
from ragft.types import Answer


def find_answers(store: Store, keys: Iterable[str]) -> dict[str, Answer]:
    """Return those of ``keys`` that have an answer, with it."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT key, question, text, prompt, passages, prompt_tokens, tokens, dropped_passages, cut "
            "FROM answers WHERE key = ANY(%s)",
            [list(keys)],
            binary=True,
        )
        return {
            row[0]: Answer(
                row[0], from_postgres(row[1]), from_postgres(row[2]), from_postgres(row[3]), tuple(row[4]), *row[5:]
            )
            for row in cursor
        }


def save_answers(store: Store, answers: Iterable[Answer]) -> None:
    """Write ``answers`` in one transaction; an answer whose key is there already stays as it is."""
    rows = sorted(
        (
            answer.key,
            to_postgres(answer.question_id),
            to_postgres(answer.text),
            to_postgres(answer.prompt),
            list(answer.passages),
            answer.prompt_tokens,
            answer.tokens,
            answer.dropped_passages,
            answer.cut,
        )
        for answer in answers
    )
    with store.transaction() as cursor, window("generate.write"):
        cursor.executemany(
            "INSERT INTO answers (key, question, text, prompt, passages, prompt_tokens, tokens, dropped_passages, cut) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            rows,
        )
