"""A question and its answer in the form of OpenAI's chat completions, with the passages that the model was shown."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ragft.errors import DataError

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


@dataclass(frozen=True, slots=True)
class Turn:
    """What a chat asks.

    Attributes:
        question: The last message, which a user wrote.
        ignored: How many messages before it are not read: the prompt that was evaluated has one turn.
    """

    question: str
    ignored: int


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the model was shown.

    Attributes:
        id: The passage's.
        document: Id of the document that it is a piece of.
    """

    id: str
    document: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """Return name -> value."""
        return {"id": self.id, "document": self.document, "text": self.text}


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply to a question, or as much of it as is written.

    Attributes:
        prompt_tokens: Tokens that the model read; 0 where nobody counted.
        tokens: Tokens that it wrote; 0 where nobody counted.
        cut: True when it stopped at the length limit.
        sources: The passages, nearest first.
        checked: Whether the answer was verified before it left, and why; empty where answers are not checked.
    """

    text: str
    prompt_tokens: int
    tokens: int
    cut: bool
    sources: Sequence[Source]
    checked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finish_reason(self) -> str:
        """Why it ended, in OpenAI's words."""
        return "length" if self.cut else "stop"

    @property
    def usage(self) -> dict[str, int]:
        """The tokens, in OpenAI's words."""
        total = self.prompt_tokens + self.tokens
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.tokens, "total_tokens": total}


def turn(messages: object) -> Turn:
    """Return the question of a chat.

    Raises:
        DataError: If these are no messages, or the last is not a user's text.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise DataError(f"messages is {messages!r}, expected a list that ends with a message of the user")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            raise DataError(f"message {number} is {message!r}, expected role (one of {', '.join(ROLES)}) and content")
    last = messages[-1]
    content = last.get("content")
    if last["role"] != "user" or not isinstance(content, str) or not content.strip():
        raise DataError(
            f"the last message is {dict(last)!r}, expected one with role user and a text as content: it is the question"
        )
    return Turn(content, len(messages) - 1)


def completion(answered: Answered, asked: Turn, model: str) -> dict[str, Any]:
    """Return a whole reply; ``custom_outputs`` has the sources, and how many messages were not read."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answered.text},
        "finish_reason": answered.finish_reason,
    }
    return {**_head("chat.completion", model), "choices": [choice], "usage": answered.usage, **_more(answered, asked)}


def chunks(growing: Iterator[Answered], asked: Turn, model: str) -> Iterator[dict[str, Any]]:
    """Yield a reply piece by piece; the last piece says how it ended, and has what `completion` has beside the text."""
    head = _head("chat.completion.chunk", model)
    said, role = "", {"role": "assistant"}
    for answered in growing:
        piece, said = answered.text[len(said) :], answered.text
        if piece:
            yield {**head, "choices": [{"index": 0, "delta": {**role, "content": piece}, "finish_reason": None}]}
            role = {}
    end = {"index": 0, "delta": role, "finish_reason": answered.finish_reason}
    yield {**head, "choices": [end], "usage": answered.usage, **_more(answered, asked)}


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _more(answered: Answered, asked: Turn) -> dict[str, Any]:
    sources = [source.as_dict() for source in answered.sources]
    return {"custom_outputs": {"sources": sources, **answered.checked, "ignored_messages": asked.ignored}}
