"""What a model reads and writes, in its own tokens: messages that fit its context window, labels, replies."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from ragft.errors import ConfigError
from ragft.models import chat, fitting

# What a tokenizer writes for a character of which only the first bytes are there.
UNFINISHED_CHARACTER = "\ufffd"


@dataclass(frozen=True, slots=True)
class Generated:
    """One reply.

    Attributes:
        text: Without special tokens and outer blanks.
        prompt_tokens: Tokens the model read.
        tokens: Tokens it wrote, the one that ends the reply counted.
        cut: True when it stopped at the length limit.
    """

    text: str
    prompt_tokens: int
    tokens: int
    cut: bool


OnBatch = Callable[[list[tuple[int, Generated]]], None]
"""Called after each batch with (index of the message, reply)."""


class Messages:
    """The messages and replies of one model, wherever it runs."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str, window: int, stop: Sequence[int]) -> None:
        """Keep what is known of the model.

        Args:
            tokenizer: The model's.
            name: What errors call the model.
            window: Maximum number of tokens in a prompt and its reply.
            stop: The tokens that end a reply.
        """
        self.tokenizer = tokenizer
        self.stop = tuple(stop)
        self._name = name
        self._window = window

    def ids(self, message: str) -> list[int]:
        """Return the tokens the model reads before it answers ``message``."""
        return chat.prompt_ids(self.tokenizer, message)

    def fits(self, message: str, max_new_tokens: int, prefix: str = "") -> bool:
        """Return whether a message, the beginning of its reply and so many more tokens fit the context window."""
        begun = chat.reply_ids(self.tokenizer, prefix) if prefix else []
        return len(self.ids(message)) + len(begun) + max_new_tokens <= self._window

    def fit_passages(
        self,
        question: str,
        passages: Sequence[str],
        render: Callable[[str, Sequence[str]], str],
        max_new_tokens: int,
        golden: Collection[int] = (),
    ) -> tuple[int, ...]:
        """Return the positions of the passages, nearest first, that fit with the question and its answer.

        Passages that do not fit are left out whole, the lowest-ranked first, those at the positions ``golden`` last.

        Raises:
            QuestionTooLongError: If the question does not fit even without passages.
        """

        def length(places: Sequence[int]) -> int:
            return len(self.ids(render(question, [passages[place] for place in places]))) + max_new_tokens

        kept = fitting.fit(fitting.dropping_order(range(len(passages)), golden), length, self._window)
        if kept is not None:
            return kept
        raise fitting.QuestionTooLongError(
            f"the question {question[:60]!r} alone does not fit: the context window of {self._name} has "
            f"{self._window} tokens, of which {max_new_tokens} are kept for the answer (max_new_tokens)"
        )

    def check_fits(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
        """Check that each prompt and its reply fit the context window.

        Raises:
            ConfigError: If one does not.
        """
        longest = max((len(prompt) for prompt in prompts), default=0)
        if longest + max_new_tokens > self._window:
            raise ConfigError(
                f"a prompt of {longest} tokens and a reply of {max_new_tokens} do not fit the context window of "
                f"{self._name}, {self._window} tokens: use fewer or shorter passages (a smaller top_k or "
                "chunk_chars), or a smaller max_new_tokens"
            )

    def check_sampling(
        self, prompts: Sequence[str], n: int, temperature: float, seeds: Sequence[Sequence[int]]
    ) -> None:
        """Check that replies can be sampled so.

        Raises:
            ConfigError: If the temperature is not above 0, or seeds are missing.
        """
        if temperature <= 0:
            raise ConfigError(f"temperature is {temperature}, expected a number above 0")
        if len(seeds) != len(prompts) or any(len(row) != n for row in seeds):
            raise ConfigError(f"expected {n} seeds for each of {len(prompts)} prompts")

    def label_ids(self, prefix: str, labels: Sequence[str]) -> tuple[list[int], list[int]]:
        """Return the tokens all labelled replies share, and the one token of each label after them.

        "Score: 4" is read as a whole, so the space is part of the label's token or of the shared ones,
        as the tokenizer has it.

        Raises:
            ConfigError: If a label is not exactly one token of its own.
        """
        whole = [chat.reply_ids(self.tokenizer, f"{prefix.rstrip()} {label}".lstrip()) for label in labels]
        shared = 0
        while all(len(ids) > shared and ids[shared] == whole[0][shared] for ids in whole):
            shared += 1
        after = [ids[shared:] for ids in whole]
        if wrong := [label for label, ids in zip(labels, after, strict=True) if len(ids) != 1]:
            pieces = self.tokenizer.convert_ids_to_tokens(after[labels.index(wrong[0])])
            raise ConfigError(
                f"label {wrong[0]!r} is {len(pieces)} tokens after {prefix!r} for the tokenizer of {self._name} "
                f"({pieces}), expected one token of its own: use labels such as single digits, or the sampled estimator"
            )
        return whole[0][:shared], [ids[0] for ids in after]

    def reply(self, prompt: Sequence[int], written: Sequence[int]) -> Generated:
        """Return a reply as it is kept; ``written`` are its tokens, the one that ends it included."""
        text = str(self.tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False))
        ended = bool(written) and written[-1] in self.stop
        if self.tokenizer.chat_template is None:
            # Without turns, a reply ends where the model itself begins to write the next question.
            text, next_turn, _ = text.partition(chat.PLAIN_STOP)
            ended = ended or bool(next_turn)
        return Generated(text.strip(), len(prompt), len(written), not ended)

    def settled(self, prompt: Sequence[int], written: Sequence[int]) -> Generated:
        """Return an unfinished reply without the end of its text that the next tokens may change or take away."""
        reply = self.reply(prompt, written)
        text = reply.text.rstrip(UNFINISHED_CHARACTER)
        if self.tokenizer.chat_template is None:
            longest = max(n for n in range(len(chat.PLAIN_STOP)) if text.endswith(chat.PLAIN_STOP[:n]))
            text = text[: len(text) - longest]
        return replace(reply, text=text.rstrip())
