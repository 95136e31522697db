"""A served model behind the OpenAI protocol (OpenAI, vLLM, Ollama, `transformers serve`), many calls at once."""

import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx2

from ragft.errors import ConfigError, PrerequisiteError
from ragft.folding import without_lone_surrogates
from ragft.models.control_tokens import without_known_controls
from ragft.models.endpoint_call import Caller, Completion, NoReplyError, RefusedRequestError, StoppedError
from ragft.types import digest

if TYPE_CHECKING:
    from ragft.models.messages import OnBatch

log = logging.getLogger(__name__)

BAD_REQUEST = (400, 422)
TOO_LONG_STATUS = (400, 413, 422)
TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|max_model_len|(?:prompt|input|message|request)s? (?:is|are) too long"
    r"|too many (?:input )?tokens|`?inputs`? must have less than",
    re.IGNORECASE,
)
# OpenAI's reasoning models take the limit under a newer name, and say so.
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One user message and the replies wanted.

    Attributes:
        temperature: 0 is greedy.
        seeds: One for each reply; a server that takes no seed draws its own noise.
        top_logprobs: Candidates listed for each token, at most 20; 0 for none.
    """

    message: str
    max_new_tokens: int
    temperature: float = 0.0
    seeds: tuple[int, ...] = (0,)
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class _Unit:
    """One call: which request, and which of its replies."""

    request: int
    replies: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Sent:
    unit: _Unit
    body: Mapping[str, Any]


class Endpoint:
    """A served model as a writer of answers and, in `ragft.judging.served`, as a judge."""

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "",
        concurrency: int = 8,
        timeout_s: float = 120.0,
        deadline_s: float = 600.0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Keep the address; nothing is sent yet.

        Args:
            base_url: Up to and with ``/v1``.
            model: The name the server knows it by.
            api_key: Sent as a bearer token; empty for servers without.
            concurrency: Maximum number of calls in flight.
            timeout_s: Maximum number of seconds for one attempt.
            deadline_s: Maximum number of seconds for one call, with all its attempts and waits.
            tell: Told once, from any thread, that the server cannot be reached and is asked again.

        Raises:
            ConfigError: If the address is no http(s) URL or holds a password, the key cannot be sent, or a number
                makes no sense.
        """
        self.base_url = checked_url(base_url)
        if not model or concurrency < 1 or timeout_s <= 0 or deadline_s <= 0:
            raise ConfigError(
                f"served model {model!r}, concurrency {concurrency}, timeout_s {timeout_s}, deadline_s {deadline_s}: "
                "expected a model name and numbers above 0"
            )
        self.model = model
        self._concurrency = concurrency
        self._caller = Caller(
            self.base_url, api_key, timeout_s=timeout_s, deadline_s=deadline_s, threads=concurrency, tell=tell
        )
        # What the server turned out not to accept; each is found out at most once.
        self._several = True
        self._takes_seed = True
        self._limit_name = LIMIT_NAMES[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    @property
    def identity(self) -> str:
        """Hash of address and model name; what the server runs under that name cannot be known."""
        return digest(["served", self.base_url, self.model])

    def complete(self, requests: Sequence[ChatRequest]) -> Iterator[list[tuple[int, int, Completion]]]:
        """Yield (index of the request, index of the reply, reply) as calls finish, in any order.

        When the server is silent until a call's deadline, the call gives a timed-out reply, as long as other
        calls get answers. A message that the server calls too long gives a reply that says so. Any other
        lasting failure ends the run: calls in flight are waited for and yielded, then the error is raised.

        Raises:
            PrerequisiteError: If the server refuses a request, or cannot be reached until a deadline.
        """
        waiting = deque(_Unit(index, tuple(range(len(request.seeds)))) for index, request in enumerate(requests))
        flying: dict[Future[list[Completion]], _Sent] = {}
        stop, silent = threading.Event(), 0
        failure: PrerequisiteError | None = None
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="endpoint")
        try:
            while flying or (waiting and failure is None):
                while waiting and failure is None and len(flying) < self._concurrency:
                    sent = self._next(waiting, requests)
                    flying[pool.submit(self._caller.call, sent.body, stop)] = sent
                for done in wait(flying, return_when=FIRST_COMPLETED).done:
                    sent, outcome = flying.pop(done), _settled(done)
                    unit = sent.unit
                    if isinstance(outcome, list):
                        silent = 0
                        self._queue_left_over(waiting, unit, len(outcome))
                        yield [(unit.request, reply, text) for reply, text in zip(unit.replies, outcome, strict=False)]
                    elif isinstance(outcome, RefusedRequestError) and _is_too_long(outcome):
                        yield [(unit.request, reply, Completion("", too_long=True)) for reply in unit.replies]
                    elif isinstance(outcome, RefusedRequestError) and self._adapted(outcome, sent.body):
                        waiting.appendleft(unit)
                    elif isinstance(outcome, NoReplyError) and outcome.hung and silent + 1 < self._concurrency:
                        silent += 1
                        log.warning("%s", outcome)
                        yield [(unit.request, reply, Completion("", timed_out=True)) for reply in unit.replies]
                    elif failure is None or isinstance(failure, StoppedError):
                        failure = outcome
                        stop.set()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if failure is not None:
            raise failure

    def generate(self, messages: Sequence[str], max_new_tokens: int, on_batch: "OnBatch | None" = None) -> list[Any]:
        """Return the reply to each message at temperature 0, like `ragft.models.generation.Generator`.

        Raises:
            PrerequisiteError: If the server fails; what came back before went to ``on_batch``.
        """
        from ragft.models.messages import Generated

        replies: dict[int, Generated] = {}
        too_long = 0
        for piece in self.complete([ChatRequest(message, max_new_tokens) for message in messages]):
            too_long += sum(reply.too_long for _, _, reply in piece)
            made = [
                (index, Generated(reply.text, reply.prompt_tokens, reply.tokens, reply.cut))
                for index, _, reply in piece
                if not reply.timed_out and not reply.too_long
            ]
            replies.update(made)
            if on_batch is not None and made:
                on_batch(made)
        if too_long:
            raise PrerequisiteError(
                f"{too_long} of {len(messages)} messages do not fit the context window of {self.model} at "
                f"{self.base_url}: use fewer or shorter passages (top_k, chunk_chars) or a smaller max_new_tokens"
            )
        if missing := len(messages) - len(replies):
            raise PrerequisiteError(
                f"{self.base_url} left {missing} of {len(messages)} messages unanswered until the deadline; "
                "those that were answered are kept: run the same command again"
            )
        return [replies[index] for index in range(len(messages))]

    def fit_passages(
        self,
        question: str,  # noqa: ARG002 - as Generator has it
        passages: Sequence[str],
        render: Callable[[str, Sequence[str]], str],  # noqa: ARG002
        max_new_tokens: int,  # noqa: ARG002
        golden: Collection[int] = (),  # noqa: ARG002
    ) -> tuple[int, ...]:
        """Return all positions, since a served model's context window is not known; the server refuses too many."""
        return tuple(range(len(passages)))

    def _next(self, waiting: deque[_Unit], requests: Sequence[ChatRequest]) -> _Sent:
        unit = waiting.popleft()
        if len(unit.replies) > 1 and not self._several:
            waiting.extendleft(_Unit(unit.request, (reply,)) for reply in reversed(unit.replies[1:]))
            unit = _Unit(unit.request, unit.replies[:1])
        return _Sent(unit, self._body(requests[unit.request], unit))

    def _body(self, request: ChatRequest, unit: _Unit) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": _sendable(request.message)}],
            "temperature": request.temperature,
            self._limit_name: request.max_new_tokens,
        }
        if len(unit.replies) > 1:
            body["n"] = len(unit.replies)
        if self._takes_seed:
            body["seed"] = request.seeds[unit.replies[0]] & 0x7FFFFFFF
        if request.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        return body

    def _queue_left_over(self, waiting: deque[_Unit], unit: _Unit, answered: int) -> None:
        """Queue the replies that a server left out; one that gives fewer than n is asked one by one from now on."""
        if rest := unit.replies[answered:]:
            self._several = False
            waiting.appendleft(_Unit(unit.request, rest))

    def _adapted(self, refused: RefusedRequestError, body: Mapping[str, Any]) -> bool:
        """Whether the server complained of an optional field that was sent; the field is left out from now on."""
        if refused.status not in BAD_REQUEST:
            return False
        if "n" in body and re.search(r"\bn\b", refused.said):
            self._several = False
        elif "seed" in body and re.search(r"\bseed\b", refused.said):
            self._takes_seed = False
        elif LIMIT_NAMES[0] in body and re.search(rf"\b{LIMIT_NAMES[1]}\b", refused.said):
            self._limit_name = LIMIT_NAMES[1]
        else:
            return False
        return True


def _is_too_long(refused: RefusedRequestError) -> bool:
    """Whether the server refused the message for its length, in the words of OpenAI, vLLM, llama.cpp or TGI."""
    return refused.status in TOO_LONG_STATUS and TOO_LONG.search(refused.said) is not None


def _settled(done: "Future[list[Completion]]") -> list[Completion] | PrerequisiteError:
    error = done.exception()
    if error is None:
        return done.result()
    if isinstance(error, PrerequisiteError):
        return error
    raise error


def checked_url(base_url: str) -> str:
    """Return a server's address without a slash at its end.

    Raises:
        ConfigError: If it is no http(s) URL, or holds a password or a query.
    """
    try:
        url = httpx2.URL(base_url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise ConfigError(f"the server's address cannot be read ({error}); expected https://host/v1") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"the server's address is {base_url!r}, expected http(s)://host:port/v1")
    if url.userinfo or url.query:
        raise ConfigError("the server's address holds a password or a query: give the key in its environment variable")
    return base_url.rstrip("/")


def _sendable(text: str) -> str:
    # JSON in UTF-8 cannot hold a lone surrogate, and some servers read a control token that was written out as one.
    return without_known_controls(without_lone_surrogates(text))
