"""One call to a server of the OpenAI protocol: sent, retried where that can help, and read."""

import email.utils
import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from ragft.errors import ConfigError, PrerequisiteError
from ragft.masking import MASK

T = TypeVar("T")

CHAT = "chat/completions"
RETRIED = frozenset({408, 409, 429})
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
MOST_BYTES = 64 * 1024 * 1024
MOST_TOKENS = 1 << 31
MOST_CHARACTERS_OF_A_DATE = 64
MOST_CHARACTERS_LOOKED_AT = 1 << 20
# A server may send back what it was sent, key included; shorter ones ("EMPTY") are words that an answer may hold.
LEAST_KEY = 12


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply of a served model.

    Attributes:
        text: Without surrounding white space; what the model says when it refuses.
        tokens: Tokens it wrote, 0 where the server does not count.
        cut: True when it stopped at the length limit.
        timed_out: True when the deadline came before a reply.
        top_logprobs: For each token written: (the token, candidate -> natural logarithm of its probability, as the
            server says it).
        too_long: True when the server says that the message does not fit the model's context window.
        served_by: What the server calls itself in the reply, model and fingerprint; "" where it does not say.
    """

    text: str
    prompt_tokens: int = 0
    tokens: int = 0
    cut: bool = False
    timed_out: bool = False
    top_logprobs: tuple[tuple[str, Mapping[str, float]], ...] | None = None
    too_long: bool = False
    served_by: str = ""


class RefusedRequestError(PrerequisiteError):
    """The server says that this request is wrong: asking again cannot help."""

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        self.said = said


class NoReplyError(PrerequisiteError):
    """The deadline came; ``hung`` when the server took the last request and stayed silent."""

    def __init__(self, message: str, *, hung: bool) -> None:
        super().__init__(message)
        self.hung = hung


class StoppedError(PrerequisiteError):
    """The call was given up because another one failed for good."""


def checked_key(key: str) -> str:
    """Return a key that can stand in a header.

    Raises:
        ConfigError: If it has a space, a line end or a character that is not ASCII; the message does not repeat it.
    """
    if not re.fullmatch(r"[\x21-\x7e]*", key):
        raise ConfigError(
            "the API key holds a blank, a line end or a sign that is not ASCII, which no key has: set RAGFT_API_KEY "
            "(or RAGFT_JUDGE_API_KEY, RAGFT_MODEL_API_KEY, OPENAI_API_KEY, whichever you use) to the key alone"
        )
    return key


class Caller:
    """Sends calls from several threads; when the server asks for a pause, all of them keep it."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_s: float,
        deadline_s: float,
        threads: int,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Keep the address; ``tell`` is told once, from any thread, that it cannot be reached and is asked again."""
        self._tell: Callable[[str], None] | None = tell
        self._base_url = base_url.rstrip("/")
        self._api_key = checked_key(api_key)
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # No trust in the environment: it may hold a .netrc, and so another key.
        self._client = httpx2.Client(
            headers=headers, trust_env=False, limits=httpx2.Limits(max_connections=threads), follow_redirects=False
        )
        self._resume_at = 0.0
        self._pause = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(self, body: Mapping[str, Any], stop: threading.Event) -> list[Completion]:
        """Return the choices of one chat completion (see `post`)."""
        return self.post(CHAT, body, read_completions, stop)

    def once(self, url: str, seconds: float, body: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        """Return status and content of one request, a POST where there is a body; nothing is retried.

        Raises:
            NoReplyError: If the server cannot be reached or does not answer in time.
        """
        try:
            status, _, content = self._send("GET" if body is None else "POST", url, body, seconds)
        except (httpx2.TransportError, httpx2.DecodingError, UnreadableError) as error:
            raise NoReplyError(
                f"{url} cannot be reached ({self._excerpt(f'{type(error).__name__}: {error}')})", hung=False
            ) from error
        return status, content

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[bytes], T], stop: threading.Event) -> T:
        """Return what ``read`` makes of the answer to a call, retried with growing, jittered waits until its deadline.

        Args:
            path: Below the server's address.
            body: Sent as JSON.
            read: Raises `UnreadableError` for a content that the server may do better next time.
            stop: Set where the call is to be given up.

        Raises:
            RefusedRequestError: If the server says that the request is wrong (4xx but 408, 409, 429).
            NoReplyError: If the deadline comes first.
            StoppedError: If ``stop`` was set while waiting.
        """
        deadline = time.monotonic() + self._deadline_s
        attempt, hung, failure = 0, False, "no attempt was made"
        url = f"{self._base_url}/{path}"
        while True:
            self._wait_for_the_others(deadline, stop)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            asked_wait = 0.0
            try:
                status, headers, content = self._send("POST", url, body, min(self._timeout_s, left))
                if status == 200:
                    return read(content)
                failure, hung = f"status {status}: {self._excerpt(content.decode('utf-8', 'replace'))}", False
                if status not in RETRIED and status < 500:
                    raise RefusedRequestError(f"{url} refuses the request, {failure}", status, failure)
                asked_wait = retry_after(headers)
            except httpx2.TimeoutException:
                failure, hung = f"no answer within {min(self._timeout_s, left):.3g} s", True
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                failure, hung = self._excerpt(f"{type(error).__name__}: {error}"), False
                # Once is a hiccup; of the second a person should hear before minutes pass.
                if attempt:
                    self._tell_once(
                        f"{url} gives no answer ({failure}); trying for {deadline - time.monotonic():.0f} s more"
                    )
            except UnreadableError as error:
                failure, hung = self._excerpt(f"an answer that is no completion ({error})"), False
            self._back_off(attempt, asked_wait, deadline, stop)
            attempt += 1
        raise NoReplyError(
            f"{url} gave no answer within {self._deadline_s:g} s and {attempt} attempts; the last: {failure}",
            hung=hung,
        )

    def _tell_once(self, line: str) -> None:
        with self._pause:
            tell, self._tell = self._tell, None
        if tell is not None:
            tell(line)

    def _send(
        self, method: str, url: str, body: Mapping[str, Any] | None, seconds: float
    ) -> tuple[int, httpx2.Headers, bytes]:
        # The client's own time-outs are for each read; a server that drips would never meet them.
        end, content = time.monotonic() + seconds, bytearray()
        with self._client.stream(method, url, json=body, timeout=seconds) as response:
            for chunk in response.iter_bytes():
                content += chunk
                if time.monotonic() > end:
                    raise httpx2.ReadTimeout("the answer took too long")
                if len(content) > MOST_BYTES:
                    raise UnreadableError(f"more than {MOST_BYTES} bytes")
            return response.status_code, response.headers, self._without_key(bytes(content))

    def _without_key(self, content: bytes) -> bytes:
        if len(self._api_key) < LEAST_KEY:
            return content
        return content.replace(self._api_key.encode(), MASK.encode())

    def _wait_for_the_others(self, deadline: float, stop: threading.Event) -> None:
        with self._pause:
            wait = min(self._resume_at, deadline) - time.monotonic()
        if stop.wait(max(0.0, wait)):
            raise StoppedError("given up, because another call failed")

    def _back_off(self, attempt: int, asked_wait: float, deadline: float, stop: threading.Event) -> None:
        grown = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)
        if asked_wait > 0:
            with self._pause:
                self._resume_at = max(self._resume_at, time.monotonic() + asked_wait)
            grown = random.uniform(0.0, FIRST_WAIT_S)  # so that not all come back in the same instant
        if stop.wait(max(0.0, min(grown, deadline - time.monotonic()))):
            raise StoppedError("given up, because another call failed")

    def _excerpt(self, text: str) -> str:
        """Return the beginning of a failure's text, the key masked before anything is cut off."""
        text = " ".join(text[:MOST_CHARACTERS_LOOKED_AT].split())
        return (text.replace(self._api_key, MASK) if self._api_key else text)[:300]


class UnreadableError(Exception):
    """The body is no chat completion; the server may do better next time."""


def retry_after(headers: httpx2.Headers) -> float:
    """Return the seconds the server asks to wait, 0.0 when it does not say (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{0,9})?", value, flags=re.ASCII):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value[:MOST_CHARACTERS_OF_A_DATE]).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):  # each of them is a date that is none
        return 0.0
    return max(0.0, moment - time.time())


def read_completions(content: bytes) -> list[Completion]:
    """Return the choices of an answer's body, at least one.

    Raises:
        UnreadableError: If the body is no chat completion.
    """
    try:
        body: Any = json.loads(content)
        usage = body.get("usage")
        choices = body["choices"]
        counts = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens") // max(1, len(choices))
        served_by = _served_by(body)
        return [_completion(choice, *counts, served_by) for choice in choices if choice is not None] or _nothing()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise UnreadableError(repr(error)[:300]) from error


def _count(usage: Any, name: str) -> int:  # noqa: ANN401 - JSON
    """Return a number of tokens; 0 where the server gives none or nonsense, since no reply depends on it."""
    number = usage.get(name) if isinstance(usage, dict) else None
    return int(number) if isinstance(number, int | float) and 0 <= number <= MOST_TOKENS else 0


def _nothing() -> list[Completion]:
    raise UnreadableError("it holds no choice")


def _served_by(body: Any) -> str:  # noqa: ANN401 - JSON
    """Return model and fingerprint of a reply in one line, each cut to 100 printable characters."""
    said = [body.get(name) for name in ("model", "system_fingerprint")]
    lines = ["".join(sign for sign in text[:100] if sign.isprintable()) for text in said if isinstance(text, str)]
    return " ".join(" ".join(lines).split())


def _completion(choice: Any, prompt_tokens: int, tokens: int, served_by: str) -> Completion:  # noqa: ANN401 - JSON
    message = choice["message"]
    text = message.get("content") or message.get("refusal") or ""
    if not isinstance(text, str):
        raise TypeError(f"content is {type(text).__name__}")
    listed = (choice.get("logprobs") or {}).get("content")
    tops = tuple((str(entry["token"]), _candidates(entry)) for entry in listed) if listed else None
    cut = choice.get("finish_reason") == "length"
    return Completion(text.strip(), prompt_tokens, tokens, cut, top_logprobs=tops, served_by=served_by)


def _candidates(entry: Any) -> dict[str, float]:  # noqa: ANN401 - JSON
    own = {str(entry["token"]): _log_probability(entry)}
    return own | {str(other["token"]): _log_probability(other) for other in entry.get("top_logprobs") or ()}


def _log_probability(entry: Any) -> float:  # noqa: ANN401 - JSON
    """Return what the server calls a log probability, NaN where it is not a number; it is not checked further."""
    value = entry.get("logprob")
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.nan
