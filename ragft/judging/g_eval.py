"""G-Eval (Liu et al. 2023, arXiv 2303.16634): criteria x items -> scores, every judgement kept in Postgres.

A judgement is keyed by the judge, the rendered message, the criterion and the estimator; its repeat
is kept beside the key. So identical answers share their judgements, a rerun asks nothing twice, and
what a killed run had finished is there for the next one.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.judging.backend import ESTIMATORS, Ask, Estimator, JudgeBackend, Piece
from ragft.judging.scoring import MOST_REPEATS, Row, Summary, judgement_of, row_of, summarise, too_long, unasked
from ragft.prompts.criterion import Criterion
from ragft.prompts.judge import render_judge_message
from ragft.store.connection import Store
from ragft.store.judgements import find_judgements, save_judgements
from ragft.types import Judgement, Score, digest

OnProgress = Callable[[int, int], None]
"""Called with (judgements done, judgements to do)."""


@dataclass(frozen=True, slots=True)
class Item:
    """One answer to be judged, with everything of its question that a criterion may show."""

    question: str
    answer: str
    references: tuple[str, ...]
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """Every criterion's rows, in the order of the items, and what they cost.

    Attributes:
        calls: How many judgements were asked for now; the rest were in the store.
        criteria: Criterion -> hash of everything the judge reads of it, its evaluation steps included.
    """

    rows: Mapping[str, Sequence[Row]]
    calls: int
    criteria: Mapping[str, str]

    @property
    def scores(self) -> dict[str, list[Score]]:
        """Criterion -> one score per item."""
        return {name: [row.score for row in rows] for name, rows in self.rows.items()}

    @property
    def served_by(self) -> dict[str, int]:
        """What the judge's server called itself -> in how many judgements; empty for a judge in process."""
        return dict(Counter(name for rows in self.rows.values() for row in rows for name in row.served_by))

    def summary(self, criterion: str, items: Iterable[int] | None = None) -> Summary:
        """Return the summary of a criterion over some items (a side, a context), or over all."""
        rows = self.rows[criterion]
        return summarise(criterion, rows if items is None else [rows[index] for index in items])


def judge(
    store: Store,
    backend: JudgeBackend,
    criteria: Sequence[Criterion],
    items: Sequence[Item],
    *,
    estimator: Estimator = "sampled",
    repeats: int = 10,
    reasks: int = 2,
    on_progress: OnProgress | None = None,
) -> Judged:
    """Return the scores of the items under each criterion, computing only what the store does not hold.

    An answer without a visible character gets the worst score without a call (``n_scored`` 0). A
    criterion that rests on passages alone does not apply to an item that has none. An item that is too
    long for the judge stays unscored and holds no other back. An unreadable repeat is asked again, at
    most ``reasks`` times, with other noise; then it stays unscored.

    Args:
        store: Where judgements are kept.
        backend: The judge.
        criteria: Each with its evaluation steps.
        items: The answers.
        estimator: How a score is estimated; another estimator is another measurement, never a substitute.
        repeats: Judgements per item, for ``sampled``; the other estimators need one.
        reasks: How often an unreadable sampled repeat is asked again.
        on_progress: Told after each piece.

    Raises:
        ConfigError: If the estimator or the numbers make no sense, or criteria share a name or lack steps.
        JudgeError: If the judge is gone; what it finished is in the store, and the same call goes on from there.
    """
    _check(criteria, estimator, repeats, reasks)
    repeats = repeats if estimator == "sampled" else 1
    asked = {criterion.name: [_message(store, criterion, item, estimator) for item in items] for criterion in criteria}
    tasks = {
        _key(backend, criterion, message, estimator): (criterion, message)
        for criterion in criteria
        for message in asked[criterion.name]
        if message is not None
    }
    run = _Run(store, backend, estimator, repeats, reasks if estimator == "sampled" else 0, on_progress)
    run.complete(tasks)
    kept = find_judgements(store, tasks)
    rows: dict[str, list[Row]] = {}
    for criterion in criteria:
        rows[criterion.name] = [
            unasked(criterion, empty=_applies(criterion, item))
            if message is None
            else too_long(criterion, repeats)
            if (key := _key(backend, criterion, message, estimator)) in run.too_long
            else row_of(criterion, kept.get(key, []), repeats, estimator)
            for item, message in zip(items, asked[criterion.name], strict=True)
        ]
    return Judged(rows, run.calls, {criterion.name: criterion.sha256 for criterion in criteria})


def is_empty(answer: str) -> bool:
    """Whether an answer has no visible character: only white space, control and format characters."""
    return all(unicodedata.category(sign)[0] in "ZC" for sign in answer)


class _Run:
    """One pass over what is missing, in attempts: first all of it, then what could not be read."""

    def __init__(
        self,
        store: Store,
        backend: JudgeBackend,
        estimator: Estimator,
        repeats: int,
        reasks: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._store = store
        self._backend = backend
        self._estimator: Estimator = estimator
        self._repeats = repeats
        self._reasks = reasks
        self._on_progress = on_progress
        self.calls = 0
        self.too_long: set[str] = set()

    def complete(self, tasks: Mapping[str, tuple[Criterion, str]]) -> None:
        """Ask for every repeat that is not in the store."""
        stored = find_judgements(self._store, tasks)
        known = {key: {entry.repeat: entry.value for entry in found} for key, found in stored.items()}
        for attempt in range(self._reasks + 1):
            missing = {key: self._missing(known.get(key, {}), attempt) for key in tasks}
            wanted = {key: numbers for key, numbers in missing.items() if numbers}
            if wanted:
                self._ask(tasks, wanted, known)

    def _missing(self, known: Mapping[int, float | None], attempt: int) -> list[int]:
        """Return the repeats to ask in this attempt: those that every earlier one answered unreadably.

        One that timed out has no answer yet; it is left to the next run.
        """
        return [
            repeat + attempt * MOST_REPEATS
            for repeat in range(self._repeats)
            if repeat + attempt * MOST_REPEATS not in known
            and all(known.get(repeat + earlier * MOST_REPEATS, 0.0) is None for earlier in range(attempt))
        ]

    def _ask(
        self,
        tasks: Mapping[str, tuple[Criterion, str]],
        wanted: Mapping[str, Sequence[int]],
        known: dict[str, dict[int, float | None]],
    ) -> None:
        keys = list(wanted)
        asks = [
            Ask(tasks[key][1], tuple(tasks[key][0].scores), tuple(_seed(key, repeat) for repeat in wanted[key]))
            for key in keys
        ]
        total, done = sum(map(len, wanted.values())), 0
        for piece in self._backend.replies(asks, self._estimator):
            self.too_long |= {keys[ask] for ask, _, reply in piece if reply.too_long}
            made = self._judgements(piece, keys, tasks, wanted)
            save_judgements(self._store, made, {judgement.key: tasks[judgement.key][0].ends for judgement in made})
            for judgement in made:
                known.setdefault(judgement.key, {})[judgement.repeat] = judgement.value
            done += len(piece)
            self.calls += len(made)
            if self._on_progress is not None:
                self._on_progress(done, total)

    def _judgements(
        self,
        piece: Piece,
        keys: Sequence[str],
        tasks: Mapping[str, tuple[Criterion, str]],
        wanted: Mapping[str, Sequence[int]],
    ) -> list[Judgement]:
        return [
            judgement_of(keys[ask], wanted[keys[ask]][seed], reply, tasks[keys[ask]][0])
            for ask, seed, reply in piece
            if not reply.timed_out and not reply.too_long
        ]


def _check(criteria: Sequence[Criterion], estimator: Estimator, repeats: int, reasks: int) -> None:
    if estimator not in ESTIMATORS:
        raise ConfigError(f"estimator is {estimator!r}, expected one of {', '.join(ESTIMATORS)}")
    if not 1 <= repeats < MOST_REPEATS or reasks < 0:
        raise ConfigError(f"repeats is {repeats} and reasks {reasks}, expected 1 to {MOST_REPEATS - 1}, and at least 0")
    names = [criterion.name for criterion in criteria]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"criteria are {', '.join(names) or 'none'}, expected at least one, each name once")
    if without := [criterion.name for criterion in criteria if not criterion.steps]:
        raise ConfigError(
            f"criteria {', '.join(without)} have no evaluation steps: add '## Steps' or let the judge write them"
        )


def _message(store: Store, criterion: Criterion, item: Item, estimator: Estimator) -> str | None:
    if is_empty(item.answer) or not _applies(criterion, item):
        return None
    return render_judge_message(
        criterion,
        question=item.question,
        answer=item.answer,
        references=item.references,
        passages=item.passages,
        secret=store.secret,
        reasoned=estimator != "expected_no_rationale",
    )


def _applies(criterion: Criterion, item: Item) -> bool:
    return bool(item.passages) or "passages" not in criterion.sees or "reference" in criterion.sees


def _key(backend: JudgeBackend, criterion: Criterion, message: str, estimator: Estimator) -> str:
    # The criterion as well as the message, since the message does not hold the numbers that its labels stand for.
    return digest([backend.identity, message, criterion.sha256, estimator])


def _seed(key: str, repeat: int) -> int:
    return int(digest([key, repeat])[:15], 16)
