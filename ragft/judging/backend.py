"""Who judges: a model in this process or one behind a server, as one protocol.

A backend returns what is finished piece by piece, so that its caller can store each piece before it
asks for the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ragft.prompts.reply import before_last_score
from ragft.result_versions import VERSIONS
from ragft.types import digest

Estimator = Literal["sampled", "expected", "expected_no_rationale"]
ESTIMATORS: tuple[Estimator, ...] = ("sampled", "expected", "expected_no_rationale")

SCORE_PREFIX = "Score:"
ROWS_A_PIECE = 320  # replies between two transactions; a kill loses at most so many


@dataclass(frozen=True, slots=True)
class Ask:
    """One message to the judge.

    Attributes:
        message: The rendered message, the form included.
        labels: The labels it offers.
        seeds: One for each repeat that is wanted; the random numbers of a repeat come from its seed alone.
    """

    message: str
    labels: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one repeat.

    Attributes:
        text: The judge's words; "" when it was only asked for a distribution.
        cut: True when the length limit ended it.
        timed_out: True when the deadline came first; nothing is known of the judge's opinion.
        too_long: True when the judge cannot read so long a message; nothing is known of its opinion either.
        probabilities: Label -> probability, summing to 1, for the estimators that take an expectation.
        mass: Probability of all labels together before the rest was masked, with ``probabilities``.
        served_by: What the judge's server called itself; "" in process.
    """

    text: str
    cut: bool = False
    timed_out: bool = False
    too_long: bool = False
    probabilities: tuple[float, ...] | None = None
    mass: float | None = None
    served_by: str = ""


TOO_LONG = Reply("", too_long=True)

Piece = list[tuple[int, int, Reply]]
"""What is finished: (index of the ask, index of its seed, reply)."""


class JudgeBackend(Protocol):
    """A judge that can be asked."""

    @property
    def identity(self) -> str:
        """Hash of the model, of every setting that changes its replies, and of the version that reads them."""

    def replies(self, asks: Sequence[Ask], estimator: Estimator) -> Iterator[Piece]:
        """Yield a reply for every seed of every ask, in pieces, in any order.

        Raises:
            JudgeError: If the judge is gone; what was finished before has been yielded.
        """


class WrittenText(Protocol):
    """A reply."""

    @property
    def text(self) -> str:
        """Without special tokens."""

    @property
    def cut(self) -> bool:
        """True when the length limit ended it."""


class ScoringModel(Protocol):
    """What `LocalJudge` needs of a model in this process (`ragft.models.generation.Generator`)."""

    @property
    def identity(self) -> str:
        """Hash of weights, adapter, precision."""

    def fits(self, message: str, max_new_tokens: int, prefix: str = "") -> bool:
        """Return whether a message, the beginning of its reply and so many more tokens fit the context window."""

    def generate(self, messages: Sequence[str], max_new_tokens: int) -> Sequence[WrittenText]:
        """Return the greedy reply to each message."""

    def sample(
        self,
        prompts: Sequence[str],
        prefix: str,
        n: int,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[Sequence[int]],
    ) -> Sequence[Sequence[WrittenText]]:
        """Return ``n`` sampled replies to each prompt."""

    def score_distribution(
        self, prompts: Sequence[str], prefix: str | Sequence[str], labels: Sequence[str]
    ) -> tuple[list[list[float]], list[float]]:
        """Return probabilities [prompts, labels] and the mass of all labels [prompts]."""


class LocalJudge:
    """A model in this process as a judge."""

    def __init__(
        self, model: ScoringModel, *, max_new_tokens: int = 200, temperature: float = 1.0, rows: int = ROWS_A_PIECE
    ) -> None:
        """Keep the model.

        Args:
            model: The judge.
            max_new_tokens: Maximum number of tokens in a reply, reason and score together.
            temperature: Of the ``sampled`` estimator; 1 is the published way.
            rows: Maximum number of replies in a piece.
        """
        self._model = model
        self._max_new_tokens = max_new_tokens
        self._temperature = temperature
        self._rows = rows

    @property
    def identity(self) -> str:
        """Hash of the model and of how its replies are made and read."""
        return digest([VERSIONS["judging"], self._model.identity, self._max_new_tokens, self._temperature])

    def replies(self, asks: Sequence[Ask], estimator: Estimator) -> Iterator[Piece]:
        """Yield the asks in pieces of similar length, the longest first, so that little is padding.

        Messages that are too long for the model form the first piece, so that no other ask is lost with them.
        """
        room = 0 if estimator == "expected_no_rationale" else self._max_new_tokens
        # Where the model is read again for the score, its reason is looked at once it is written.
        form = f"{SCORE_PREFIX} {max(asks[0].labels, key=len)}" if asks and estimator != "sampled" else ""
        readable = [self._model.fits(ask.message, room, form) for ask in asks]
        if not all(readable):
            yield [(i, j, TOO_LONG) for i, ask in enumerate(asks) if not readable[i] for j in range(len(ask.seeds))]
        places = [index for index, fits in enumerate(readable) if fits]
        for piece in self._readable([asks[index] for index in places], estimator):
            yield [(places[i], j, reply) for i, j, reply in piece]

    def _readable(self, asks: Sequence[Ask], estimator: Estimator) -> Iterator[Piece]:
        for indices in self._pieces(asks):
            batch = [asks[index] for index in indices]
            made = self._sampled(batch) if estimator == "sampled" else self._expected(batch, estimator)
            yield [(i, j, reply) for i, row in zip(indices, made, strict=True) for j, reply in enumerate(row)]

    def write(self, message: str, max_new_tokens: int) -> str:
        """Return the greedy reply to a message."""
        return self._model.generate([message], max_new_tokens)[0].text

    def _pieces(self, asks: Sequence[Ask]) -> Iterator[list[int]]:
        # One piece has one number of seeds and one set of labels, for these go to the model once. Messages that begin
        # alike (several criteria about one answer) stay together, so that the model reads their beginning once.
        place = _alike([ask.message for ask in asks])
        order = sorted(
            range(len(asks)), key=lambda i: (asks[i].labels, -len(asks[i].seeds), *place[i], -len(asks[i].message), i)
        )
        piece: list[int] = []
        for index in order:
            ask, first = asks[index], asks[piece[0]] if piece else asks[index]
            full = (len(piece) + 1) * len(ask.seeds) > max(self._rows, len(ask.seeds))
            if piece and (full or ask.labels != first.labels or len(ask.seeds) != len(first.seeds)):
                yield piece
                piece = []
            piece.append(index)
        if piece:
            yield piece

    def _sampled(self, batch: Sequence[Ask]) -> list[list[Reply]]:
        written = self._model.sample(
            [ask.message for ask in batch],
            "",
            len(batch[0].seeds),
            self._max_new_tokens,
            self._temperature,
            [ask.seeds for ask in batch],
        )
        return [[Reply(reply.text, cut=reply.cut) for reply in row] for row in written]

    def _expected(self, batch: Sequence[Ask], estimator: Estimator) -> list[list[Reply]]:
        messages = [ask.message for ask in batch]
        reasons = [""] * len(batch)
        if estimator == "expected":
            reasons = [
                before_last_score(written.text) for written in self._model.generate(messages, self._max_new_tokens)
            ]
        prefixes = [f"{reason}\n{SCORE_PREFIX}" if reason else SCORE_PREFIX for reason in reasons]
        label = max(batch[0].labels, key=len)
        # A reason may be more tokens when it is read than when it was written.
        fits = [self._model.fits(m, 0, f"{prefix} {label}") for m, prefix in zip(messages, prefixes, strict=True)]
        asked = [index for index, fit in enumerate(fits) if fit]
        probabilities, masses = self._model.score_distribution(
            [messages[index] for index in asked], [prefixes[index] for index in asked], batch[0].labels
        )
        made = {
            index: Reply(reasons[index], probabilities=tuple(row), mass=mass)
            for index, row, mass in zip(asked, probabilities, masses, strict=True)
        }
        return [[made.get(index, TOO_LONG)] for index in range(len(batch))]


def _alike(messages: Sequence[str]) -> dict[int, tuple[int, int]]:
    """Return the order of the messages: those that share half of the shorter one are neighbours, long ones first."""
    groups: list[list[int]] = []
    for index in sorted(range(len(messages)), key=lambda index: messages[index]):
        if groups:
            first, own = messages[groups[-1][0]], messages[index]
            half = (min(len(first), len(own)) + 1) // 2
            if first[:half] == own[:half]:
                groups[-1].append(index)
                continue
        groups.append([index])
    longest = {group[0]: max(len(messages[index]) for index in group) for group in groups}
    return {index: (-longest[group[0]], group[0]) for group in groups for index in group}
