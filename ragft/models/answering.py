"""Answers to questions in one context: those that are in the store, and the missing ones generated into it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ragft.models.generation import Generated, OnBatch
from ragft.prompts.answer import AnswerPrompt
from ragft.store.answers import find_answers, save_answers
from ragft.store.connection import Store
from ragft.types import Answer, Passage, Question, digest


class Writer(Protocol):
    """A model that answers: in this process (`Generator`) or behind a server (`Endpoint`)."""

    @property
    def identity(self) -> str:
        """The model's part of an answer's key."""

    def generate(
        self, messages: Sequence[str], max_new_tokens: int, on_batch: OnBatch | None = None
    ) -> Sequence[Generated]:
        """Return the likeliest reply to each message, each batch told to ``on_batch`` as it is done."""

    def fit_passages(
        self, question: str, passages: Sequence[str], render: Callable[[str, Sequence[str]], str], max_new_tokens: int
    ) -> int:
        """Return how many of the passages fit with the question and its answer."""


def answer_questions(
    store: Store,
    writer: Writer,
    prompt: AnswerPrompt,
    questions: Sequence[Question],
    passages: Mapping[str, Sequence[Passage]],
    *,
    max_new_tokens: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Return an answer to each question, in their order; each batch is written before the next begins.

    An answer's key is the model, the rendered message and the limit, so a message that was answered
    before, in any run, is not generated again.

    Args:
        store: Where answers are kept.
        writer: The model.
        prompt: The template of the message.
        questions: Each with an entry in ``passages``.
        passages: Question id -> what the prompt shows; whole passages are dropped from the end where
            they do not fit the context window.
        max_new_tokens: Most tokens of an answer.
        on_progress: Told how many of the missing answers are done, and how many are missing.
    """
    asked = {q.id: _ask(writer, prompt, q, passages[q.id], max_new_tokens) for q in questions}
    there = find_answers(store, [answer.key for answer in asked.values()])
    missing = list({answer.key: answer for answer in asked.values() if answer.key not in there}.values())

    done = 0

    def keep(batch: list[tuple[int, Generated]]) -> None:
        nonlocal done
        made = [_answered(missing[index], reply) for index, reply in batch]
        save_answers(store, made)
        there.update({answer.key: answer for answer in made})
        done += len(made)
        if on_progress is not None:
            on_progress(done, len(missing))

    writer.generate([answer.prompt for answer in missing], max_new_tokens, on_batch=keep)
    return [dataclasses.replace(there[answer.key], question_id=question) for question, answer in asked.items()]


def _ask(
    writer: Writer, prompt: AnswerPrompt, question: Question, passages: Sequence[Passage], max_new_tokens: int
) -> Answer:
    """Return the answer as far as it is known before anything is generated: key, message, passages."""
    texts = [passage.text for passage in passages]
    kept = writer.fit_passages(question.text, texts, prompt.render, max_new_tokens)
    message = prompt.render(question.text, texts[:kept])
    return Answer(
        key=digest([writer.identity, message, max_new_tokens]),
        question_id=question.id,
        text="",
        prompt=message,
        passages=tuple(passage.id for passage in passages[:kept]),
        dropped_passages=len(passages) - kept,
    )


def _answered(asked: Answer, reply: Generated) -> Answer:
    return dataclasses.replace(
        asked, text=reply.text, prompt_tokens=reply.prompt_tokens, tokens=reply.tokens, cut=reply.cut
    )
