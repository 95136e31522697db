"""Answers checked before they leave: a verifier's scores, and what is said in place of an answer that may not leave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ragft.analysis.verification.promise import PROMISE, Promise
from ragft.judging.abstention import abstains
from ragft.judging.backend import JudgeBackend
from ragft.judging.g_eval import Item, OnProgress, judge
from ragft.judging.served import ServedJudge
from ragft.judging.support import support
from ragft.models.endpoint import Endpoint
from ragft.prompts.criterion import load_criterion
from ragft.result_versions import VERSIONS
from ragft.served_as import ServedAs
from ragft.store.connection import Store
from ragft.types import digest

CRITERION = "supported"
# Of a verifier behind an address that is asked while somebody waits for an answer.
SERVED_TIMEOUT_S, SERVED_DEADLINE_S = 30.0, 60.0
# What a verifier is asked first, so that one that cannot answer is found before hours of answering.
FIRST = Item("What is checked?", "This is.", (), ("This is what is checked.",))
# What is said in place of an answer; `abstains` knows it.
NOT_SUPPORTED = "This is not in the documents."
ABSTAINS = "the model states no answer"


class Verifier(Protocol):
    """Says how far passages support answers."""

    @property
    def identity(self) -> str:
        """Hash of everything that makes its scores."""

    def scores(self, items: Sequence[Item], on_progress: OnProgress | None = None) -> list[float | None]:
        """Return a score in [0, 1] for each answer, None where there is none; larger is better supported."""


class Overlap:
    """The share of an answer's facts that one passage holds: a rule, the same everywhere."""

    @property
    def identity(self) -> str:
        """Hash of the rule's version."""
        return digest(["overlap", VERSIONS["judging"]])

    def scores(
        self,
        items: Sequence[Item],
        on_progress: OnProgress | None = None,  # noqa: ARG002 - a `Verifier`
    ) -> list[float | None]:
        """Return `support` of each answer."""
        return [support(item.answer, item.passages) for item in items]


class Asked:
    """A model that is asked in one pass, by its next token alone, whether the passages support the answer.

    The score is the probability of yes, of yes and no together. Where these have less than half of the probability, or
    the message is too long for the model, there is none.
    """

    def __init__(self, backend: JudgeBackend, store: Store) -> None:
        """Take who is asked, and where replies are kept."""
        self._backend, self._store, self._criterion = backend, store, load_criterion(CRITERION)

    @property
    def identity(self) -> str:
        """Hash of the model and of what it is asked."""
        return digest([self._backend.identity, self._criterion.sha256])

    def scores(self, items: Sequence[Item], on_progress: OnProgress | None = None) -> list[float | None]:
        """Return the probability of yes for each answer.

        Raises:
            JudgeError: If the model is gone.
        """
        judged = judge(
            self._store,
            self._backend,
            [self._criterion],
            items,
            estimator="expected_no_rationale",
            on_progress=on_progress,
        )
        return [score.value for score in judged.scores[CRITERION]]


def asked_at(endpoint: Endpoint, store: Store) -> Asked:
    """Return the verifier behind an address."""
    return Asked(ServedJudge(endpoint, role="verifier"), store)


@dataclass(frozen=True, slots=True)
class Reply:
    """What leaves in reply to a question.

    Attributes:
        answer: The model's, or `NOT_SUPPORTED`.
        verified: Whether the promise covers it.
        why: In words.
    """

    answer: str
    verified: bool
    why: str


def leaves(score: float | None, threshold: float | None) -> bool:
    """Return whether an answer may leave: it has a score, and one above the threshold where there is one."""
    return score is not None and (threshold is None or score > threshold)


@dataclass(frozen=True)
class Checks:
    """The checks of a version that is served.

    Attributes:
        verifier: None where the promise does not hold as the version is served.
        why_not: Why it does not; "" where it does.
    """

    promise: Promise
    verifier: Verifier | None
    why_not: str = ""

    def replies(self, items: Sequence[Item]) -> list[Reply]:
        """Return what leaves in place of each answer: where the promise does not hold, the answer, unverified.

        Raises:
            JudgeError: If the verifier is a served model, and is gone.
        """
        if self.verifier is None:
            return [Reply(item.answer, verified=False, why=f"not checked: {self.why_not}") for item in items]
        stated = [not abstains(item.answer, item.question) for item in items]
        scores = iter(self.verifier.scores([item for item, states in zip(items, stated, strict=True) if states]))
        return [
            _reply(self.promise, item.answer, next(scores))
            if states
            else Reply(item.answer, verified=False, why=ABSTAINS)
            for item, states in zip(items, stated, strict=True)
        ]


def checks_of(
    tags: Mapping[str, str], served_as: ServedAs, open_verifier: Callable[[Promise], Verifier]
) -> Checks | None:
    """Return the checks of a version from its tags; None where nothing is promised of its answers.

    ``open_verifier`` is asked for the verifier only where all else is as it was when the promise was made.

    Raises:
        DataError: If the tag holds no promise.
    """
    if PROMISE not in tags:
        return None
    promise = Promise.from_json(tags[PROMISE], source=f"the tag {PROMISE}")
    why = promise.why_not(served_as, tags["ragft.base_fingerprint"], tags["ragft.adapter_sha256"])
    if why:
        return Checks(promise, None, why)
    verifier = open_verifier(promise)
    if verifier.identity != promise.verifier_sha256:
        return Checks(promise, None, f"the verifier {promise.verifier} is not the one it was made with")
    return Checks(promise, verifier)


def _reply(promise: Promise, answer: str, score: float | None) -> Reply:
    if leaves(score, promise.threshold):
        scored = "" if score is None else f"score {score:.3g} of the verifier {promise.verifier}; "
        return Reply(answer, verified=True, why=f"{scored}{promise.words}")
    if score is None:
        return Reply(NOT_SUPPORTED, verified=False, why=f"the verifier {promise.verifier} has no score for the answer")
    why = f"score {score:.3g} of the verifier {promise.verifier}, and answers leave above {promise.threshold:.4g}"
    return Reply(NOT_SUPPORTED, verified=False, why=why)
