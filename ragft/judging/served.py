"""A served model as a judge: replies by sampling, expectations from the log probabilities it offers."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from ragft.errors import JudgeError, PrerequisiteError
from ragft.judging.backend import TOO_LONG, Ask, Estimator, Piece, Reply
from ragft.models.endpoint import ChatRequest, Endpoint
from ragft.models.endpoint_call import Completion
from ragft.prompts.reply import before_last_score, start_of_last_label
from ragft.result_versions import VERSIONS
from ragft.types import digest

log = logging.getLogger(__name__)

Role = Literal["judge", "verifier"]
MOST_CANDIDATES = 20
ROUNDING = 0.01
SCORE_ONLY_TOKENS = 16


class ServedJudge:
    """An `Endpoint` as a judge. Each finished call is a piece, so that little is lost when the server dies."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        max_new_tokens: int = 200,
        temperature: float = 1.0,
        top_logprobs: int = MOST_CANDIDATES,
        role: Role = "judge",
    ) -> None:
        """Keep the endpoint.

        Args:
            endpoint: The server and model.
            max_new_tokens: Maximum number of tokens in a reply, reason and score together.
            temperature: Of the ``sampled`` estimator; 1 is the published way.
            top_logprobs: Candidates per token that the expectations are taken over, 1 to 20; a label that is not
                among them counts as not legal.
            role: What it is called in errors.
        """
        self._role: Role = role
        self._endpoint = endpoint
        self._max_new_tokens = max_new_tokens
        self._temperature = temperature
        self._top_logprobs = top_logprobs

    @property
    def identity(self) -> str:
        """Hash of the server's model and of how its replies are made."""
        return digest(
            [VERSIONS["judging"], self._endpoint.identity, self._max_new_tokens, self._temperature, self._top_logprobs]
        )

    def replies(self, asks: Sequence[Ask], estimator: Estimator) -> Iterator[Piece]:
        """Yield the replies of each call when it is finished.

        Raises:
            JudgeError: If the server fails, or offers no log probabilities to an estimator that needs them.
        """
        try:
            for finished in self._endpoint.complete([self._request(ask, estimator) for ask in asks]):
                yield [
                    (ask, seed, reply_of(asks[ask], completion, estimator, self._role))
                    for ask, seed, completion in finished
                ]
        except PrerequisiteError as error:
            raise JudgeError(
                f"the {self._role} cannot be asked: {error}. What it said is kept: run the same command again to go on"
            ) from error

    def write(self, message: str, max_new_tokens: int) -> str:
        """Return the greedy reply to a message.

        Raises:
            JudgeError: If the server fails.
        """
        try:
            pieces = list(self._endpoint.complete([ChatRequest(message, max_new_tokens)]))
        except PrerequisiteError as error:
            raise JudgeError(f"the {self._role} cannot be asked: {error}") from error
        return pieces[0][0][2].text

    def _request(self, ask: Ask, estimator: Estimator) -> ChatRequest:
        if estimator == "sampled":
            return ChatRequest(ask.message, self._max_new_tokens, self._temperature, ask.seeds)
        tokens = self._max_new_tokens if estimator == "expected" else SCORE_ONLY_TOKENS
        return ChatRequest(ask.message, tokens, 0.0, ask.seeds, self._top_logprobs)


def reply_of(ask: Ask, completion: Completion, estimator: Estimator, role: Role = "judge") -> Reply:
    """Return what a served model replied to an ask; ``role`` is what it is called in errors.

    Raises:
        JudgeError: If the estimator needs log probabilities and the server offers none.
    """
    if completion.timed_out:
        return Reply("", timed_out=True)
    if completion.too_long:
        return TOO_LONG
    if estimator == "sampled":
        return Reply(completion.text, cut=completion.cut, served_by=completion.served_by)
    if completion.top_logprobs is None:
        needs = {
            "judge": f"which the estimator {estimator} needs; use sampled",
            "verifier": "and its scores are made of these: name one on a server that offers them, or verifier=overlap",
        }
        raise JudgeError(f"the {role}'s server offers no log probabilities, {needs[role]}")
    # The last score line of a reason that was cut may be a quotation.
    known = not (completion.cut and estimator == "expected")
    candidates = _probabilities(_candidates_of_the_score(completion.top_logprobs, ask.labels) if known else {})
    legal = [sum(p for token, p in candidates.items() if token.strip() == label) for label in ask.labels]
    together = sum(legal)
    # A server that rounds makes it a little more than 1, and the expectation would lie above the scale.
    probabilities = tuple(p / together for p in legal) if together > 0 else (1 / len(legal),) * len(legal)
    mass = min(1.0, together)
    reason = before_last_score(completion.text) if estimator == "expected" else ""
    return Reply(reason, probabilities=probabilities, mass=mass, served_by=completion.served_by)


def _candidates_of_the_score(
    tokens: Sequence[tuple[str, Mapping[str, float]]], labels: Sequence[str]
) -> Mapping[str, float]:
    """Return the log probabilities at the first token of the label: after the last score marker, or of a lone label."""
    begin = start_of_last_label("".join(token for token, _ in tokens), labels)
    if begin is None:
        return {}
    start = 0
    for token, logprobs in tokens:
        if token.strip(" *_`\n") and start + len(token) - len(token.lstrip()) >= begin:
            return logprobs
        start += len(token)
    return {}


def _probabilities(logprobs: Mapping[str, float]) -> Mapping[str, float]:
    """Return the probabilities of the candidates; none where the server's numbers are no log probabilities.

    Such a judgement is unscored: when a number above 0 was taken as it came, it gave a score of 100 on a scale to 5.
    """
    wrong = next((value for value in logprobs.values() if not value <= ROUNDING), None)
    found = {} if wrong is not None else {token: math.exp(value) for token, value in logprobs.items()}
    together = sum(found.values())
    if wrong is None and together <= 1 + ROUNDING:
        return found
    told = f"{wrong} is above 0 or no number" if wrong is not None else f"the candidates' add up to {together:.3g}"
    log.warning("the judge's server gives log probabilities that are none (%s): unscored; use sampled", told)
    return {}
