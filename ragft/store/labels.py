"""What people said of answers, and with what probability they were asked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ragft.errors import DataError
from ragft.store.connection import Cursor, Store, replayed
from ragft.store.text import from_postgres, to_postgres


@dataclass(frozen=True, slots=True)
class Label:
    """One person's score of one answer.

    Attributes:
        item: Hash of what was labelled, by `ragft.judging.labels`.
        criterion: Name of the criterion.
        scale: Hash of the labels that were offered; numbers on different scales are never mixed.
        annotator: Who gave it.
        value: The number of the label.
        source: The file it came from.
    """

    item: str
    criterion: str
    scale: str
    annotator: str
    value: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A pair of answers of a sample: with what probability people were asked about it, and whether they were."""

    probability: float
    drawn: bool


@replayed
def save_labels(store: Store, labels: Iterable[Label]) -> int:
    """Write labels in one transaction, and return how many earlier ones of the same people they changed.

    Raises:
        DataError: If two of them are one person's about one answer, and differ; nothing is written then.
    """
    given: dict[tuple[str, str, str, str], Label] = {}
    problems = []
    for label in labels:
        first = given.setdefault(_key(label), label)
        if first.value != label.value:
            problems.append(
                f"{label.annotator} gave one answer {first.value:g} ({first.source}) and {label.value:g} "
                f"({label.source}) under {label.criterion}"
            )
    if problems:
        raise DataError("one person's labels of one answer differ: keep the one that is meant", problems)
    with store.transaction() as cursor:
        before = {_key(label): label.value for label in _found(cursor, {label.item for label in given.values()})}
        cursor.executemany(
            "INSERT INTO labels (item, criterion, scale, annotator, value, source) VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (item, criterion, scale, annotator) DO UPDATE "
            "SET value = excluded.value, source = excluded.source, made = clock_timestamp()",
            [(*map(to_postgres, key), label.value, to_postgres(label.source)) for key, label in sorted(given.items())],
        )
    return sum(key in before and before[key] != label.value for key, label in given.items())


def _key(label: Label) -> tuple[str, str, str, str]:
    return label.item, label.criterion, label.scale, label.annotator


@replayed
def find_labels(store: Store, items: Iterable[str]) -> list[Label]:
    """Return everything that people said of these items, in the order of items, criteria and people."""
    with store.transaction() as cursor:
        return _found(cursor, items)


def _found(cursor: Cursor, items: Iterable[str]) -> list[Label]:
    cursor.execute(
        "SELECT item, criterion, scale, annotator, value, source FROM labels WHERE item = ANY(%s) "
        "ORDER BY item, criterion, scale, annotator",
        [list(items)],
    )
    return [
        Label(item, from_postgres(criterion), scale, from_postgres(annotator), value, from_postgres(source))
        for item, criterion, scale, annotator, value, source in cursor
    ]


@replayed
def labels_since(store: Store, cell: str, criteria: Iterable[str]) -> int:
    """Return how many labels under these criteria were given after the study cell with this key was finished."""
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT count(*) FROM labels JOIN study_cells ON labels.made > study_cells.made "
            "WHERE key = %s AND criterion = ANY(%s)",
            [cell, [to_postgres(criterion) for criterion in criteria]],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


@replayed
def save_sample(store: Store, sample: str, pairs: Mapping[str, Sampled]) -> None:
    """Write a sample: pair -> how it was sampled, with every pair that could have been drawn.

    ``sample`` is the hash of what made it (the pairs, their probabilities, the seed), so writing it again is harmless.
    """
    with store.transaction() as cursor:
        cursor.executemany(
            "INSERT INTO label_samples (sample, pair, probability, drawn) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [(sample, pair, each.probability, each.drawn) for pair, each in sorted(pairs.items())],
        )


@replayed
def find_samples(store: Store, pairs: Iterable[str]) -> dict[str, dict[str, Sampled]]:
    """Return pair -> sample -> how the pair was sampled there; a pair of no sample is left out."""
    found: dict[str, dict[str, Sampled]] = defaultdict(dict)
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT pair, sample, probability, drawn FROM label_samples WHERE pair = ANY(%s) ORDER BY pair, sample",
            [list(pairs)],
        )
        for pair, sample, probability, drawn in cursor:
            found[pair][sample] = Sampled(probability, drawn)
    return dict(found)
