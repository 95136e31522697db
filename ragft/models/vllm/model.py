"""The base or an adapter behind a vLLM server, as a writer of answers and as a judge's model."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from ragft.errors import PrerequisiteError
from ragft.models import chat
from ragft.models.loading import DescribedModel
from ragft.models.logprob_probes import Agreement, Probes, agree
from ragft.models.messages import Generated, Messages, OnBatch
from ragft.models.vllm.server import Prompt, Reply, VllmServer
from ragft.types import digest


class VllmModel:
    """A model on a server: `ragft.models.generation.Generator`'s work with the same tokens, done there.

    It is to be used only once `verify` has held it against the model in a process.

    Attributes:
        described: What it is: base, adapter, and the precision that the server computes in.
        window: Maximum number of tokens in a prompt and its reply.
    """

    def __init__(self, server: VllmServer, described: DescribedModel, served_name: str, window: int = 0) -> None:
        """Keep server and model.

        Args:
            server: Holds the model.
            described: What the model is.
            served_name: How the server calls it.
            window: Maximum number of tokens in a prompt and its reply; 0, or more than server and model take: what
                they take.
        """
        self.described = described
        self._server = server
        self._served_name = served_name
        self.window = min(limit for limit in (described.context_window, server.window, window) if limit)
        self._messages = Messages(described.tokenizer, described.name, self.window, described.stop)
        self.fits, self.fit_passages = self._messages.fits, self._messages.fit_passages

    def narrowed(self, window: int) -> "VllmModel":
        """Return the model with a smaller window; 0 for the one that it has."""
        return VllmModel(self._server, self.described, self._served_name, window)

    @property
    def base(self) -> "VllmModel":
        """The base on the same server."""
        return VllmModel(self._server, replace(self.described, adapter=""), self._server.base)

    @property
    def engine(self) -> str:
        """Engine, its version and precision, which are part of every key: ``vllm 0.32.0 bfloat16``."""
        return f"vllm {self._server.version} {self.described.dtype}"

    @property
    def identity(self) -> str:
        """The model's part of an answer's key: weights, adapter, engine and decoding, 64 hex digits."""
        return digest([self.described.identity, self.engine, "greedy"])

    def verify(self, probes: Probes) -> Agreement:
        """Return how far the server agrees with what a process computed of the same model.

        Raises:
            PrerequisiteError: If it does not: it holds another base, or leaves the adapter out; with both figures.
        """
        alone = self._rate(self._server.base, probes)
        adapted = self._rate(self._served_name, probes) if probes.adapter else alone
        found = agree(probes, alone, adapted, self.described.dtype)
        if found.problem:
            raise PrerequisiteError(
                f"{self._served_name} at {self._server.base_url} {found.problem}. No answer was asked for; serve "
                f"{self.described.name} in {self.described.dtype} with this adapter, or use engine=local"
            )
        return found

    def generate(
        self, messages: Sequence[str], max_new_tokens: int, on_batch: OnBatch | None = None
    ) -> list[Generated]:
        """Return the most likely reply to each message, in their order.

        Raises:
            ConfigError: If a message does not fit the context window.
            PrerequisiteError: If the server fails; what came back before went to ``on_batch``.
        """
        prompts = [self._messages.ids(message) for message in messages]
        self._messages.check_fits(prompts, max_new_tokens)
        found: dict[int, Generated] = {}
        for piece in self._server.complete([self._prompt(ids, max_new_tokens) for ids in prompts]):
            made = [(index, self._messages.reply(prompts[index], reply.ids)) for index, reply in piece]
            found.update(made)
            if on_batch is not None:
                on_batch(made)
        return [found[index] for index in range(len(messages))]

    def sample(
        self,
        prompts: Sequence[str],
        prefix: str,
        n: int,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[Sequence[int]],
    ) -> list[list[Generated]]:
        """Return ``n`` sampled replies to each prompt, each a call with its own seed; the server reads a prompt once.

        Raises:
            ConfigError: If a prompt does not fit, the temperature is not above 0, or seeds are missing.
            PrerequisiteError: If the server fails.
        """
        self._messages.check_sampling(prompts, n, temperature, seeds)
        begin = chat.reply_ids(self._messages.tokenizer, prefix)
        asked = [[*self._messages.ids(prompt), *begin] for prompt in prompts]
        self._messages.check_fits(asked, max_new_tokens)
        replies = self._complete(
            [
                self._prompt(ids, max_new_tokens, temperature=temperature, seed=seed)
                for ids, own in zip(asked, seeds, strict=True)
                for seed in own
            ]
        )
        return [
            [self._messages.reply(ids, replies[place * n + number].ids) for number in range(n)]
            for place, ids in enumerate(asked)
        ]

    def score_distribution(
        self, prompts: Sequence[str], prefix: str | Sequence[str], labels: Sequence[str]
    ) -> tuple[list[list[float]], list[float]]:
        """Return how likely each label follows each prompt and the beginning of a reply, as `Generator` does.

        Raises:
            ConfigError: If a label is not exactly one token of its own, or a prompt does not fit.
            PrerequisiteError: If the server fails, or lists no log-probabilities.
        """
        prefixes = [prefix] * len(prompts) if isinstance(prefix, str) else list(prefix)
        begun = {text: self._messages.label_ids(text, labels) for text in set(prefixes)}
        asked = [[*self._messages.ids(p), *begun[t][0]] for p, t in zip(prompts, prefixes, strict=True)]
        self._messages.check_fits(asked, 1)
        replies = self._complete(
            [self._prompt(ids, 1, candidates=begun[text][1]) for ids, text in zip(asked, prefixes, strict=True)]
        )
        legal = [_legal(reply, begun[text][1]) for reply, text in zip(replies, prefixes, strict=True)]
        masses = [min(1.0, sum(row)) for row in legal]
        return [[p / sum(row) for p in row] if sum(row) > 0 else [1 / len(row)] * len(row) for row in legal], masses

    def _rate(self, name: str, probes: Probes) -> list[list[float]]:
        """Return the log-probabilities that a model on the server gives to the probes' answers, [texts, answer].

        Each token is asked for as the first one of a reply, which is how answers and scores come about too. (The
        server's log-probabilities of a prompt are not used: asked of an adapter, they end vLLM 0.32 on a CPU.)
        """
        places = [
            (ids, place)
            for ids, length in zip(probes.ids, probes.answers, strict=True)
            for place in range(len(ids) - length, len(ids))
        ]
        replies = self._complete([Prompt(name, ids[:place], 1, candidates=(ids[place],)) for ids, place in places])
        rated = iter(_rated(reply, ids[place]) for reply, (ids, place) in zip(replies, places, strict=True))
        return [list(itertools.islice(rated, length)) for length in probes.answers]

    def _complete(self, prompts: Sequence[Prompt]) -> list[Reply]:
        found = dict(made for piece in self._server.complete(prompts) for made in piece)
        return [found[index] for index in range(len(prompts))]

    def _prompt(
        self,
        ids: Sequence[int],
        max_new_tokens: int,
        *,
        temperature: float = 0.0,
        seed: int = 0,
        candidates: Sequence[int] = (),
    ) -> Prompt:
        return Prompt(
            self._served_name,
            ids,
            max_new_tokens,
            stop=self._messages.stop,
            temperature=temperature,
            seed=seed,
            candidates=candidates,
        )


def _rated(reply: Reply, token: int) -> float:
    """Return the log-probability of a token as the first one."""
    if token not in reply.first:
        raise PrerequisiteError(
            "the engine does not give the log-probability of a token that it is asked for (logprob_token_ids), so it "
            "cannot be checked which model it serves: use a newer vLLM, or engine=local"
        )
    return reply.first[token]


def _legal(reply: Reply, ids: Sequence[int]) -> list[float]:
    """Return the probability of each label as the first token; one that is not listed counts as impossible."""
    if not reply.first:
        raise PrerequisiteError("the engine lists no log-probabilities, which this estimator needs: use sampled")
    return [math.exp(min(0.0, reply.first[token])) if token in reply.first else 0.0 for token in ids]
