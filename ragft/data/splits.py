"""Train, dev, test and confirm without a shared document, and nested subsets of them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ragft.errors import ConfigError, DataError
from ragft.types import ARTICLE, SPLITS, Dataset, Question, Split

Component = tuple[Question, ...]
"""Questions that must stay together, because they are connected by documents."""

# Who gets a component first when there are fewer of them than splits.
PRIORITY: tuple[Split, ...] = ("train", "test", "dev", "confirm")


def assign_splits(
    dataset: Dataset,
    *,
    seed: int,
    dev: float = 0.1,
    test: float = 0.2,
    confirm: float = 0.2,
    test_seen: float = 0.0,
    linked: Iterable[tuple[str, str]] = (),
) -> dict[Split, tuple[Question, ...]]:
    """Return the questions of each split, ordered by id; every split is a key.

    Questions that share a document, directly or through others, go to the same split, and so do those whose metadata
    name the same article, of which each paragraph is a document. The shares are of questions and are met as closely
    as whole components allow: at random by ``seed``, except that a component larger than every held-out share goes to
    train. Train and test are never empty; with few documents each split that is asked for gets one, in the order
    train, test, dev, confirm.

    Where the data set gives splits, all its questions must have one and they are kept, with two exceptions. A
    split that is missing is taken from the one next to it: confirm from test; test and confirm from dev where
    there is no test; dev from train. And a held-out question about a document that train or dev also asks about
    goes to ``test_seen``, which measures memory and never decides.

    The result depends on ``seed`` and the content of the questions, not on their order.

    Args:
        dataset: Its questions are divided; of documents only the ids matter.
        seed: Another one gives another division, of the same sizes or nearly so.
        dev: Share of the questions that chooses the checkpoint.
        test: Share that decides.
        confirm: Share that confirms a decision.
        test_seen: Share of train's questions, taken out of train, whose documents train still asks about.
        linked: Pairs of ids that stay together like those of one document (see ``leakage.links``).

    Raises:
        ConfigError: If the shares are not in [0, 1), leave nothing to train, or ``test`` is 0.
        DataError: If there are too few unconnected documents, or only some questions have a split.
    """
    shares: dict[Split, float] = {"dev": dev, "test": test, "confirm": confirm}
    _check_shares({**shares, "test_seen": test_seen})
    linked = [*linked, *_of_one_article(dataset.questions)]
    placed: dict[Split, list[Question]] = {split: [] for split in SPLITS}
    for pool, wanted in _pools(dataset, shares):
        for split, questions in _divide(components(pool, linked), wanted, seed).items():
            placed[split].extend(questions)
    _move_seen(placed)
    _hold_out_seen(placed, test_seen, seed)
    _check_filled(placed, dataset)
    return {split: tuple(sorted(questions, key=lambda q: q.id)) for split, questions in placed.items()}


def nested_subset(questions: Sequence[Question], samples: int, seed: int) -> tuple[Question, ...]:
    """Return ``samples`` of the questions; a larger number contains the questions of a smaller one.

    Raises:
        ConfigError: If ``samples`` is below 1 or above the number of questions.
    """
    if not 1 <= samples <= len(questions):
        raise ConfigError(
            f"samples={samples} cannot be taken from a train split of {len(questions)} questions; "
            f"expected 1 to {len(questions)}."
        )
    return tuple(sorted(questions, key=lambda question: _rank(seed, question.id))[:samples])


def subset_with_share(
    questions: Sequence[Question], samples: int, unanswerable: float, seed: int
) -> tuple[Question, ...]:
    """Return ``samples`` of the questions, of which the share ``unanswerable`` has no answer; -1: as they come.

    A larger number contains the questions of a smaller one. Those with an answer are the first ones of the same order
    whatever the share of the others, so a larger share takes fewer of them.

    Raises:
        ConfigError: If there are not enough questions of either sort.
    """
    if unanswerable < 0:
        return nested_subset(questions, samples, seed)
    without = round(samples * unanswerable)
    chosen: list[Question] = []
    for answerable, count in ((True, samples - without), (False, without)):
        there = [question for question in questions if question.answerable is answerable]
        if count > len(there):
            what = "with an answer" if answerable else "without an answer"
            raise ConfigError(
                f"samples={samples} with unanswerable_share={unanswerable:g} needs {count} questions {what}, train has "
                f"{len(there)}: ask for fewer samples or another share"
            )
        chosen += nested_subset(there, count, seed) if count else ()
    return tuple(sorted(chosen, key=lambda question: _rank(seed, question.id)))


def balanced_subset(questions: Sequence[Question], count: int) -> tuple[Question, ...]:
    """Return ``count`` of the questions to ask; a larger number contains the questions of a smaller one.

    Each number has the share without an answer that the whole has, to within one question. Where all have an answer,
    or none has, these are the questions of ``nested_subset`` with seed 0.

    Raises:
        ConfigError: If ``count`` is below 1 or above the number of questions.
    """
    if not 1 <= count <= len(questions):
        raise ConfigError(
            f"questions={count} cannot be taken from a split of {len(questions)} questions; expected 1 to "
            f"{len(questions)}, or 0 for all."
        )
    groups = ([q for q in questions if q.answerable], [q for q in questions if not q.answerable])
    places: dict[str, float] = {}
    for group in groups:
        for place, question in enumerate(nested_subset(group, len(group), seed=0) if group else ()):
            places[question.id] = (place + 0.5) / len(group)
    ordered = sorted(questions, key=lambda question: (places[question.id], _rank(0, question.id)))
    return tuple(ordered[:count])


def components(questions: Iterable[Question], linked: Iterable[tuple[str, str]] = ()) -> list[Component]:
    """Return the connected components of questions: by shared documents, and by pairs of ``linked`` ids.

    Each component is ordered by id and the components by their first id.
    """
    by_id = {question.id: question for question in questions}
    parent: dict[str, str] = {identifier: identifier for identifier in by_id}

    def root(node: str) -> str:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    first_with: dict[str, str] = {}
    for question in by_id.values():
        for document in question.documents:
            parent[root(question.id)] = root(first_with.setdefault(document, question.id))
    for one, other in linked:
        if one in parent and other in parent:
            parent[root(one)] = root(other)
    members: defaultdict[str, list[Question]] = defaultdict(list)
    for identifier in sorted(by_id):
        members[root(identifier)].append(by_id[identifier])
    return [tuple(group) for group in members.values()]


def _of_one_article(questions: Iterable[Question]) -> Iterable[tuple[str, str]]:
    """Yield each question with the first one of its article."""
    first: dict[str, str] = {}
    for question in questions:
        if article := question.metadata.get(ARTICLE):
            yield first.setdefault(str(article), question.id), question.id


def _check_shares(shares: Mapping[Split, float]) -> None:
    for split, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(f"{split}={share} is no share of the questions, expected a number from 0 to below 1.")
    if shares["test"] == 0:
        raise ConfigError("test=0 leaves nothing to evaluate on, expected a share above 0.")
    total = sum(shares[split] for split in ("dev", "test", "confirm"))
    if total >= 1:
        raise ConfigError(f"dev, test and confirm together take {total:g} of the questions and leave none to train on.")


def _pools(dataset: Dataset, shares: Mapping[Split, float]) -> list[tuple[list[Question], dict[Split, float]]]:
    """Return groups of questions, each with the splits into which it is divided and their shares of the whole."""
    by_split: defaultdict[Split | None, list[Question]] = defaultdict(list)
    for question in dataset.questions:
        by_split[question.split].append(question)
    whole: dict[Split, float] = {"train": 1 - sum(shares.values()), **shares}
    given = {split for split in by_split if split is not None}
    if None in by_split and given:
        raise DataError(
            f"{len(by_split[None])} of {len(dataset.questions)} questions of {dataset.name} have no split, the others "
            f"have one ({', '.join(sorted(given))}). Expected a split on every question or on none."
        )
    if given - {"test_seen"} <= {"train"}:
        pool = [*by_split["train"], *by_split[None]]
        return [(pool, whole), (by_split["test_seen"], {"test_seen": 1.0})]
    neighbours: dict[Split, tuple[Split, ...]] = {
        "train": ("train",) if "dev" in given else ("train", "dev"),
        "dev": ("dev",) if "test" in given else ("dev", "test") if "confirm" in given else ("dev", "test", "confirm"),
        "test": ("test",) if "confirm" in given else ("test", "confirm"),
        "confirm": ("confirm",),
        "test_seen": ("test_seen",),
    }
    return [
        (by_split[split], {part: whole.get(part, 1.0) for part in parts})
        for split, parts in neighbours.items()
        if by_split[split]
    ]


def _divide(parts: list[Component], shares: Mapping[Split, float], seed: int) -> dict[Split, list[Question]]:
    """Divide components among splits so that their numbers of questions come close to the shares."""
    asked = [split for split in PRIORITY if shares.get(split)] or list(shares)
    wanted = asked[: len(parts)]
    placed: dict[Split, list[Question]] = {split: [] for split in wanted}
    if not wanted:
        return placed
    questions = sum(len(part) for part in parts)
    total = sum(shares[split] for split in wanted)
    target = {split: questions * shares[split] / total for split in wanted}
    first, *others = wanted
    largest_held_out = max((target[split] for split in others), default=0.0)
    by_size = sorted(parts, key=lambda part: (-len(part), _rank(seed, part[0].id)))
    oversized = [part for part in by_size if len(part) > largest_held_out][: len(parts) - len(others)]
    placed[first].extend(question for part in oversized for question in part)
    left = sorted(by_size[len(oversized) :], key=lambda part: _rank(seed, part[0].id))
    for number, part in enumerate(left):
        empty = [split for split in wanted if not placed[split]]
        open_to = empty if len(empty) >= len(left) - number else wanted
        # The split that lacks the largest part of its share; ties go by priority, held-out splits first.
        neediest = max(
            reversed(open_to), key=lambda split: ((target[split] - len(placed[split])) / target[split], split != first)
        )
        placed[neediest].extend(part)
    return placed


def _hold_out_seen(placed: dict[Split, list[Question]], share: float, seed: int) -> None:
    """Move a share of train's questions to ``test_seen``, but so that train still asks about each document."""
    left = Counter(document for question in placed["train"] for document in question.documents)
    wanted = round(share * len(placed["train"]))
    moved: set[str] = set()
    for question in sorted(placed["train"], key=lambda question: _rank(seed, question.id)):
        if len(moved) < wanted and question.documents and all(left[document] > 1 for document in question.documents):
            left.subtract(question.documents)
            moved.add(question.id)
    placed["test_seen"].extend(question for question in placed["train"] if question.id in moved)
    placed["train"] = [question for question in placed["train"] if question.id not in moved]


def _move_seen(placed: dict[Split, list[Question]]) -> None:
    """Move held-out questions about a document of train or dev to ``test_seen``."""
    seen = {document for split in ("train", "dev") for q in placed[split] for document in q.documents}
    for split in ("test", "confirm"):
        moved = [question for question in placed[split] if not seen.isdisjoint(question.documents)]
        if moved:
            placed["test_seen"].extend(moved)
            placed[split] = [question for question in placed[split] if seen.isdisjoint(question.documents)]


def _check_filled(placed: Mapping[Split, Sequence[Question]], dataset: Dataset) -> None:
    empty = [split for split in ("train", "test") if not placed[split]]
    if not empty:
        return
    asked_about = {document for question in dataset.questions for document in question.documents}
    raise DataError(
        f"{dataset.name} leaves no question for {' and '.join(empty)}: {len(dataset.questions)} questions about "
        f"{len(asked_about)} documents fall into {len(components(dataset.questions))} groups that share no document, "
        f"and {len(placed['test_seen'])} held-out questions are about documents of train. "
        "Expected at least 2 groups: one to train on and one to test on."
    )


def _rank(seed: int, identifier: str) -> bytes:
    """Return a sort key that is random for each ``seed`` and the same on every machine."""
    return hashlib.sha256(f"{seed}:{identifier}".encode("utf-8", "surrogatepass")).digest()
