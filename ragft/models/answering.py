"""Answers to questions in one context: those that are in the store, and the missing ones generated into it."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from ragft.models.fitting import QuestionTooLongError
from ragft.models.messages import Generated, OnBatch
from ragft.prompts.answer import AnswerPrompt
from ragft.result_versions import VERSIONS
from ragft.store.answers import find_answers, save_answers
from ragft.store.connection import Store
from ragft.types import Answer, Passage, Question, Written, digest


class Writer(Protocol):
    """A model that answers: in this process (`Generator`) or behind a server (`Endpoint`)."""

    @property
    def identity(self) -> str:
        """The model's part of an answer's key."""

    def generate(
        self, messages: Sequence[str], max_new_tokens: int, on_batch: OnBatch | None = None
    ) -> Sequence[Generated]:
        """Return the most likely reply to each message; ``on_batch`` is told of each batch as it is done."""

    def fit_passages(
        self,
        question: str,
        passages: Sequence[str],
        render: Callable[[str, Sequence[str]], str],
        max_new_tokens: int,
        golden: Collection[int] = (),
    ) -> tuple[int, ...]:
        """Return the positions of the passages that fit; those at the positions ``golden`` are left out last."""


def answer_questions(
    store: Store,
    writer: Writer,
    prompt: AnswerPrompt,
    questions: Sequence[Question],
    passages: Mapping[str, Sequence[Passage]],
    *,
    max_new_tokens: int,
    golden: Mapping[str, Collection[str]] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Return an answer to each question, in their order; each batch is written before the next begins.

    A question that does not fit the context window even without passages has no answer: one such question does not
    end a run.

    An answer's text is keyed by the model, the rendered message and the limit, so a message that was answered
    before, in any run, is not generated again. The passages of an answer are always those of the present caller.

    Args:
        store: Where answers are kept.
        writer: The model.
        prompt: The template of the message.
        questions: Each with an entry in ``passages``.
        passages: Question id -> what the prompt shows, nearest first; whole passages are left out where they do not
            fit the context window (`ragft.models.fitting`).
        max_new_tokens: Most tokens of an answer.
        golden: Question id -> ids of the passages that are left out last; none where it is missing.
        on_progress: Told how many of the missing answers are done, and how many there are.

    Raises:
        QuestionTooLongError: If no question fits.
    """
    last, asked, refusal = golden or {}, [], None
    for question in questions:
        try:
            asked.append(
                _ask(writer, prompt, question, passages[question.id], max_new_tokens, last.get(question.id, ()))
            )
        except QuestionTooLongError as error:
            refusal = error
    if refusal is not None and not asked:
        raise refusal
    wanted = {answer.written.key: answer.written for answer in asked}
    there = find_answers(store, wanted)
    missing = [written for key, written in wanted.items() if key not in there]
    done = 0

    def keep(batch: list[tuple[int, Generated]]) -> None:
        nonlocal done
        made = [_answered(missing[index], reply) for index, reply in batch]
        save_answers(store, made)
        there.update({written.key: written for written in made})
        done += len(made)
        if on_progress is not None:
            on_progress(done, len(missing))

    writer.generate([written.prompt for written in missing], max_new_tokens, on_batch=keep)
    return [dataclasses.replace(answer, written=there[answer.written.key]) for answer in asked]


def _ask(
    writer: Writer,
    prompt: AnswerPrompt,
    question: Question,
    passages: Sequence[Passage],
    max_new_tokens: int,
    golden: Collection[str],
) -> Answer:
    """Return the answer as far as it is known before anything is written: key, message, passages."""
    texts = [passage.text for passage in passages]
    places = [place for place, passage in enumerate(passages) if passage.id in golden]
    kept = writer.fit_passages(question.text, texts, prompt.render, max_new_tokens, places)
    message = prompt.render(question.text, [texts[place] for place in kept])
    return Answer(
        question_id=question.id,
        written=Written(digest([VERSIONS["answering"], writer.identity, message, max_new_tokens]), message),
        passages=tuple(passages[place].id for place in kept),
        dropped_passages=len(passages) - len(kept),
    )


def _answered(asked: Written, reply: Generated) -> Written:
    return dataclasses.replace(
        asked, text=reply.text, prompt_tokens=reply.prompt_tokens, tokens=reply.tokens, cut=reply.cut
    )
