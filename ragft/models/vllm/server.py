"""A vLLM server: what it holds, adapters that are loaded while it runs, and what it makes of given tokens."""

import json
import logging
import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Self

from ragft.errors import PrerequisiteError
from ragft.models.endpoint import checked_url
from ragft.models.endpoint_call import Caller, NoReplyError, StoppedError, UnreadableError

LOG = logging.getLogger(__name__)

FIRST_LOOK_S = 10.0
ID_PREFIX = "token_id:"
# How a reply ends that the model wrote to its end, or to the limit; others were broken off by the server.
WHOLE = ("stop", "length")
# The most that a server lists by default; one that knows `logprob_token_ids` gives exactly those instead.
MOST_CANDIDATES = 20
# A server takes these from the model's generation_config.json where a request does not say them.
PLAIN_SAMPLING: Mapping[str, float] = {
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
HOW_TO_LOAD = (
    "start it with --enable-lora and, on a network that you trust, VLLM_ALLOW_RUNTIME_LORA_UPDATING=true; or give it "
    "the adapter at the start"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens for a model, and what is wanted of it.

    Attributes:
        model: The name by which the server knows it.
        ids: The tokens that it reads, as they are: the server adds none.
        stop: The tokens that end its reply.
        temperature: 0 is greedy.
        candidates: Tokens whose log-probabilities as the first token of the reply are wanted.
    """

    model: str
    ids: Sequence[int]
    max_new_tokens: int
    stop: Sequence[int] = ()
    temperature: float = 0.0
    seed: int = 0
    candidates: Sequence[int] = ()

    def body(self) -> dict[str, Any]:
        """Return it as the JSON of a completion."""
        asked: dict[str, Any] = {
            "model": self.model,
            "prompt": list(self.ids),
            "max_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "seed": self.seed & 0x7FFFFFFF,
            "stop_token_ids": list(self.stop),
            "return_token_ids": True,
            **PLAIN_SAMPLING,
        }
        if self.candidates:
            asked |= {"logprobs": MOST_CANDIDATES, "logprob_token_ids": list(self.candidates)}
            asked |= {"return_tokens_as_token_ids": True}
        return asked


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model made of a prompt.

    Attributes:
        ids: The tokens it wrote, the one that ends the reply included.
        first: Token -> natural logarithm of its probability as the first one, where candidates were asked for.
        served_by: The server's hash of its version, model and precision; "" where it does not say.
    """

    ids: tuple[int, ...]
    first: Mapping[int, float]
    served_by: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A model that a server holds: its name, and where its files lie as the server sees them."""

    name: str
    path: str


class VllmServer:
    """A vLLM server that was reached, with the base that it serves.

    Attributes:
        version: vLLM's.
        base: The name by which it knows the base.
        window: Maximum number of tokens in prompt and reply.
    """

    def __init__(
        self, base_url: str, *, api_key: str = "", concurrency: int = 8, timeout_s: float, deadline_s: float
    ) -> None:
        """Reach the server; numbers and key as those of `ragft.models.endpoint.Endpoint`.

        Raises:
            ConfigError: If the address cannot be used.
            PrerequisiteError: If no vLLM server is there, it wants another key, or it holds no model.
        """
        self.base_url = checked_url(base_url)
        self._concurrency, self._timeout_s = concurrency, timeout_s
        self._served_by: str | None = None
        self._caller = Caller(self.base_url, api_key, timeout_s=timeout_s, deadline_s=deadline_s, threads=concurrency)
        try:
            self.version = self._version()
            self.base, self.window = self._find_base()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    def adapters(self) -> dict[str, Held]:
        """Return name -> adapter, those that the server holds now."""
        return {str(entry["id"]): Held(str(entry["id"]), str(entry.get("root"))) for entry in self._adapters()}

    def load_adapter(self, name: str, path: str, rank: int) -> None:
        """Have the server load an adapter that it does not hold yet; ``path`` is the folder as the server sees it.

        Nothing is ever loaded in place of an adapter of the same name: the server's cache of prefixes would keep what
        the former one made.

        Raises:
            PrerequisiteError: If it does not, with what it says.
        """
        body = {"lora_name": name, "lora_path": path}
        status, content = self._caller.once(f"{self.base_url}/load_lora_adapter", self._timeout_s, body)
        if status != 200 and name not in self.adapters():  # else another process was faster
            said = f"status {status}: {' '.join(content.decode('utf-8', 'replace')[:500].split())}"
            raise PrerequisiteError(_why_not_loaded(self.base_url, name, path, rank, said))

    def complete(self, prompts: Sequence[Prompt]) -> Iterator[list[tuple[int, Reply]]]:
        """Yield (index of the prompt, reply) as calls finish, in any order, many in flight at once.

        Raises:
            PrerequisiteError: If the server refuses a prompt or cannot be reached until a call's deadline; what came
                back from the calls in flight is yielded before.
        """
        waiting, flying = deque(range(len(prompts))), dict[Future[Reply], int]()
        stop, failure = threading.Event(), None
        pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="vllm")
        try:
            while flying or (waiting and failure is None):
                while waiting and failure is None and len(flying) < self._concurrency:
                    index = waiting.popleft()
                    flying[pool.submit(self._call, prompts[index], stop)] = index
                made: list[tuple[int, Reply]] = []
                for done in wait(flying, return_when=FIRST_COMPLETED).done:
                    index, error = flying.pop(done), done.exception()
                    if error is None:
                        made.append((index, done.result()))
                    elif not isinstance(error, PrerequisiteError):
                        raise error
                    elif failure is None or isinstance(failure, StoppedError):
                        failure = error
                        stop.set()
                if made:
                    yield made
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        if failure is not None:
            raise failure

    def _call(self, prompt: Prompt, stop: threading.Event) -> Reply:
        reply = self._caller.post("completions", prompt.body(), read_reply, stop)
        # What was found out of the server holds for what was started then: one that comes back may be another.
        if self._served_by is None:
            self._served_by = reply.served_by
        if reply.served_by != self._served_by:
            raise PrerequisiteError(
                f"{self.base_url} was started anew as {reply.served_by!r}, it was {self._served_by!r}: "
                "with another model, precision or version; what it answered before is kept, start it as it was and run "
                "the same command again"
            )
        return reply

    def _version(self) -> str:
        url = f"{self.base_url.removesuffix('/v1')}/version"
        found = self._json(url)
        version = found.get("version") if isinstance(found, dict) else None
        if not isinstance(version, str):
            raise PrerequisiteError(
                f"{url} does not say which vLLM this is: engine=vllm needs `vllm serve`, and engine_url its address up "
                "to and with /v1; another server answers as model=served"
            )
        return version

    def _find_base(self) -> tuple[str, int]:
        """Return name and window of the model that the server was started with."""
        for entry in self._models():
            if not entry.get("parent"):
                return str(entry["id"]), int(entry.get("max_model_len") or 0)
        raise PrerequisiteError(f"{self.base_url} holds no model: start it with `vllm serve <folder of the base>`")

    def _models(self) -> list[dict[str, Any]]:
        url = f"{self.base_url}/models"
        found = self._json(url)
        listed = found.get("data") if isinstance(found, dict) else None
        if not isinstance(listed, list) or not all(isinstance(each, dict) and "id" in each for each in listed):
            raise PrerequisiteError(f"{url} gives no list of models: engine_url is the address up to and with /v1")
        return listed

    def _adapters(self) -> list[dict[str, Any]]:
        return [entry for entry in self._models() if entry.get("parent")]

    def _json(self, url: str) -> Any:  # noqa: ANN401 - JSON
        try:
            status, content = self._caller.once(url, FIRST_LOOK_S)
        except NoReplyError as error:
            raise PrerequisiteError(f"no engine: {error}; start `vllm serve`, or leave engine out") from error
        if status in (401, 403):
            raise PrerequisiteError(f"{url} wants a key (status {status}): set RAGFT_MODEL_API_KEY")
        try:
            return json.loads(content) if status == 200 else None
        except (ValueError, RecursionError):
            return None


def read_reply(content: bytes) -> Reply:
    """Return the reply that a completion's body holds.

    Raises:
        UnreadableError: If the body is no completion, or one that the server broke off.
        PrerequisiteError: If the server is too old to say which tokens were written, or its numbers are none.
    """
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        ids = choice.get("token_ids")
        tops = ((choice.get("logprobs") or {}).get("top_logprobs") or [{}])[0]
        first = {int(key.removeprefix(ID_PREFIX)): float(value) for key, value in tops.items() if _names_token(key)}
        if ids is not None and not (ids and choice["finish_reason"] in WHOLE):
            raise ValueError(f"it was broken off: finish_reason {choice.get('finish_reason')}, {len(ids)} tokens")
        if ids is not None and not any(math.isnan(value) for value in first.values()):
            return Reply(tuple(int(token) for token in ids), first, str(body.get("system_fingerprint") or ""))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise UnreadableError(repr(error)[:300]) from error
    if ids is not None:
        raise PrerequisiteError("the engine gives log-probabilities that are no numbers: serve it in another precision")
    raise PrerequisiteError("the engine does not say which tokens it wrote: it takes vLLM 0.11 or newer")


def _names_token(key: str) -> bool:
    return key.startswith(ID_PREFIX) and key.removeprefix(ID_PREFIX).isdecimal()


def _why_not_loaded(url: str, name: str, path: str, rank: int, said: str) -> str:
    if '"detail"' in said or "enable-lora" in said or "LoRA is not enabled" in said:
        return f"{url} loads no adapters: {HOW_TO_LOAD}, --enable-lora --lora-modules {name}={path} (it says: {said})"
    if "No adapter found" in said or "does not exist" in said:
        return (
            f"{url} does not find {path}: the folder must be there under the same path where the server runs, and its "
            "account must be able to read it; mount it there, or name a folder that both see (engine_folder)"
        )
    # vLLM tells its log why, and a client often no more than that it failed.
    return (
        f"{url} refuses the adapter in {path} ({said}): its log says why. The adapter's rank is {rank}, which "
        "--max-lora-rank must reach (16 where it is not given); else use engine=local"
    )
