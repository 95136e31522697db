"""Answers, replies and distributions from a model in this process."""

import logging
from collections.abc import Callable, Iterator, Sequence

import torch

from ragft import shortage
from ragft.errors import PrerequisiteError
from ragft.models import chat, decoding, fitting, reading
from ragft.models.loading import LoadedModel
from ragft.models.messages import Generated, Messages, OnBatch
from ragft.types import digest

LOG = logging.getLogger(__name__)
CPU_BATCH_TOKENS, CPU_BATCH_ROWS = 8_192, 64
# A step of decoding takes a GPU about as long for many rows as for few.
CUDA_BATCH_TOKENS, CUDA_BATCH_ROWS = 65_536, 256


class Generator:
    """A model that writes answers or judges. Both sides of an evaluation go this one way."""

    def __init__(self, loaded: LoadedModel, *, batch_tokens: int = 0, batch_rows: int = 0, window: int = 0) -> None:
        """Keep the model.

        Args:
            loaded: The model.
            batch_tokens: Maximum number of tokens in one batch (prompts with padding, and replies); 0: set by device.
            batch_rows: Maximum number of replies in one batch; 0: set by device.
            window: Maximum number of tokens in a prompt and its reply; 0, or more than the model takes: what it takes.
        """
        self.loaded = loaded
        self._model = loaded.model
        on_cuda = loaded.device.startswith("cuda")
        self._batch_tokens = batch_tokens or (CUDA_BATCH_TOKENS if on_cuda else CPU_BATCH_TOKENS)
        self._batch_rows = batch_rows or (CUDA_BATCH_ROWS if on_cuda else CPU_BATCH_ROWS)
        room = fitting.room(loaded.context_window, window, reading.virtual_tokens(loaded.model))
        self._messages = Messages(loaded.tokenizer, loaded.name, room, loaded.stop)
        self.fits, self.fit_passages = self._messages.fits, self._messages.fit_passages

    @property
    def identity(self) -> str:
        """The model's part of an answer's key: weights, adapter, precision and decoding, 64 hex digits."""
        return digest([self.loaded.identity, "greedy"])

    def generate(
        self, messages: Sequence[str], max_new_tokens: int, on_batch: OnBatch | None = None
    ) -> list[Generated]:
        """Return the most likely reply to each message, in their order; the batch of the longest prompts runs first.

        Raises:
            ConfigError: If a prompt and its reply do not fit the context window (see `fit_passages`).
        """
        prompts = [self._messages.ids(message) for message in messages]
        self._messages.check_fits(prompts, max_new_tokens)
        found: dict[int, Generated] = {}

        def work(batch: list[int]) -> None:
            replies = self._decode([prompts[index] for index in batch], 1, max_new_tokens, decoding.greedy)
            made = [
                (index, self._messages.reply(prompts[index], reply))
                for index, reply in zip(batch, replies, strict=True)
            ]
            found.update(made)
            if on_batch is not None:
                on_batch(made)

        self._work_through(prompts, max_new_tokens, 1, work)
        return [found[index] for index in range(len(messages))]

    def stream(self, message: str, max_new_tokens: int) -> Iterator[Generated]:
        """Yield the most likely reply to one message as it grows; the last is the one that `generate` returns.

        Each text begins with the one before.

        Raises:
            ConfigError: If the prompt and its reply do not fit the context window.
            PrerequisiteError: If the device has too little memory.
        """
        prompt = self._messages.ids(message)
        self._messages.check_fits([prompt], max_new_tokens)
        written: list[int] = []
        said = ""
        tokens = decoding.stream(self._model, prompt, max_new_tokens=max_new_tokens, stop=self._messages.stop)
        try:
            for token in tokens:
                written.append(token)
                reply = self._messages.settled(prompt, written)
                if len(reply.text) > len(said):
                    said = reply.text
                    yield reply
        except (RuntimeError, MemoryError) as error:
            if not shortage.is_shortage(error):
                raise
            raise self._no_room(len(prompt), 1, max_new_tokens) from error
        yield self._messages.reply(prompt, written)

    def sample(
        self,
        prompts: Sequence[str],
        prefix: str,
        n: int,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[Sequence[int]],
    ) -> list[list[Generated]]:
        """Return ``n`` sampled replies to each prompt; every reply continues ``prefix``, which is left out.

        Each prompt is read once. ``seeds[i][j]`` alone decides reply j to prompt i, whatever the batches are.

        Raises:
            ConfigError: If a prompt does not fit, the temperature is not above 0, or seeds are missing.
        """
        self._messages.check_sampling(prompts, n, temperature, seeds)
        begin = chat.reply_ids(self._messages.tokenizer, prefix)
        asked = [[*self._messages.ids(prompt), *begin] for prompt in prompts]
        self._messages.check_fits(asked, max_new_tokens)
        found: dict[int, list[Generated]] = {}

        def work(batch: list[int]) -> None:
            replies = self._sampled(
                [asked[index] for index in batch], [seeds[index] for index in batch], temperature, max_new_tokens
            )
            for index, own in zip(batch, replies, strict=True):
                found[index] = [self._messages.reply(asked[index], reply) for reply in own]

        self._work_through(asked, max_new_tokens, n, work)
        return [found[index] for index in range(len(prompts))]

    def score_distribution(
        self, prompts: Sequence[str], prefix: str | Sequence[str], labels: Sequence[str]
    ) -> tuple[list[list[float]], list[float]]:
        """Return how likely each label follows each prompt and the beginning of a reply.

        Args:
            prompts: User messages.
            prefix: Beginning of the reply: one for all, or one per prompt.
            labels: Each must be one token after the prefix, with or without the space before it.

        Returns:
            Probabilities over the labels, summing to 1, [prompts, labels]; and the probability that
            all labels had together before the rest was masked, [prompts], each in [0, 1].

        Raises:
            ConfigError: If a label is not exactly one token of its own, or a prompt does not fit.
        """
        prefixes = [prefix] * len(prompts) if isinstance(prefix, str) else list(prefix)
        begun = {text: self._messages.label_ids(text, labels) for text in set(prefixes)}
        asked = [[*self._messages.ids(p), *begun[t][0]] for p, t in zip(prompts, prefixes, strict=True)]
        self._messages.check_fits(asked, 1)
        probabilities: list[list[float]] = [[] for _ in prompts]
        masses = [0.0] * len(prompts)

        def work(batch: list[int]) -> None:
            with torch.no_grad():
                read = reading.read_prompts(self._model, [asked[index] for index in batch])
                logs = torch.log_softmax(read.logits.double(), -1).cpu()
            for row, index in enumerate(batch):
                legal = logs[row, begun[prefixes[index]][1]]
                probabilities[index] = torch.softmax(legal, -1).tolist()
                masses[index] = min(1.0, float(legal.exp().sum()))

        self._work_through(asked, 1, 1, work)
        return probabilities, masses

    def _decode(
        self, prompts: Sequence[Sequence[int]], repeats: int, max_new_tokens: int, choose: decoding.Choose
    ) -> list[list[int]]:
        return decoding.decode(
            self._model,
            prompts,
            repeats=repeats,
            max_new_tokens=max_new_tokens,
            stop=self._messages.stop,
            choose=choose,
        )

    def _sampled(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[Sequence[int]],
        temperature: float,
        max_new_tokens: int,
    ) -> list[list[list[int]]]:
        """Return a reply for each seed of each prompt; where one prompt's replies need too much memory, half at a time.

        Each reply depends on its seed alone, so it does not matter which are drawn together.
        """
        repeats = len(seeds[0])
        choose = decoding.sampler([seed for own in seeds for seed in own], temperature, max_new_tokens)
        try:
            replies = self._decode(prompts, repeats, max_new_tokens, choose)
        except (RuntimeError, MemoryError) as error:
            if not shortage.is_shortage(error) or len(prompts) > 1 or repeats == 1:
                raise
        else:
            return [replies[place * repeats : (place + 1) * repeats] for place in range(len(prompts))]
        shortage.give_back()
        LOG.warning("%s: %d replies to a prompt are drawn in two halves", self._short_of_memory, repeats)
        halves = (seeds[0][: repeats // 2], seeds[0][repeats // 2 :])
        return [[r for half in halves for r in self._sampled(prompts, [half], temperature, max_new_tokens)[0]]]

    @property
    def _short_of_memory(self) -> str:
        return f"{self.loaded.device} has too little memory for {self.loaded.name}"

    def _no_room(self, prompt: int, repeats: int, new_tokens: int) -> PrerequisiteError:
        return PrerequisiteError(
            f"{self._short_of_memory} and one prompt of {prompt} tokens with {repeats} replies of {new_tokens}: use a "
            "quantization, a smaller top_k or chunk_chars, or a smaller max_new_tokens"
        )

    def _work_through(
        self, prompts: Sequence[Sequence[int]], new_tokens: int, repeats: int, work: Callable[[list[int]], None]
    ) -> None:
        """Do the work batch by batch; where one needs too much memory, it and all later ones become half as large."""
        waiting = list(self.batches(prompts, new_tokens, repeats))
        while waiting:
            batch = waiting[0]
            try:
                work(batch)
            except (RuntimeError, MemoryError) as error:
                if not shortage.is_shortage(error):
                    raise
                if len(batch) == 1:
                    raise self._no_room(len(prompts[batch[0]]), repeats, new_tokens) from error
            else:
                del waiting[0]
                continue
            shortage.give_back()
            left = [index for batch in waiting for index in batch]
            self._make_do(len(batch), max(len(prompts[index]) for index in batch) + repeats * new_tokens, repeats)
            again = self.batches([prompts[index] for index in left], new_tokens, repeats)
            waiting = [[left[place] for place in batch] for batch in again]

    def _make_do(self, prompts: int, tokens_each: int, repeats: int) -> None:
        """Say that memory is too short for so many prompts at a time, and take half as many from now on."""
        LOG.warning("%s and %d prompts at once: going on with %d", self._short_of_memory, prompts, prompts // 2)
        self._batch_rows = min(self._batch_rows, prompts // 2 * repeats)
        self._batch_tokens = min(self._batch_tokens, prompts // 2 * tokens_each)

    def batches(self, prompts: Sequence[Sequence[int]], new_tokens: int, repeats: int) -> Iterator[list[int]]:
        """Yield the indices of each batch of prompts, longest first, so that a shortage of memory shows at once.

        Prompts that begin alike stay together. A prompt takes up its own length and its replies in the cache.
        """

        def fits(count: int, longest: int) -> bool:
            tokens = count * (longest + repeats * new_tokens)
            return count == 1 or (count * repeats <= self._batch_rows and tokens <= self._batch_tokens)

        groups = reading.group_by_prefix(prompts)
        lengths = {group[0]: max(len(prompts[index]) for index in group) for group in groups}
        batch: list[int] = []
        most = 0
        for group in sorted(groups, key=lambda group: (-lengths[group[0]], group[0])):
            if batch and not fits(len(batch) + len(group), most):
                yield batch
                batch = []
            most = max(most, lengths[group[0]]) if batch else lengths[group[0]]
            for index in group:
                if batch and not fits(len(batch) + 1, most):
                    yield batch
                    batch, most = [], lengths[group[0]]
                batch.append(index)
        if batch:
            yield batch
