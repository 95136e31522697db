"""Evaluation steps written by the judge: once, frozen, and part of the criterion's identity."""

import pytest

from ragft.errors import JudgeError
from ragft.judging.steps import steps_message, with_steps
from ragft.prompts.criterion import load_criterion
from ragft.store.connection import Store

BARE = load_criterion("faithfulness").with_steps(())


class WritingJudge:
    def __init__(self, *replies: str, name: str = "writer") -> None:
        self.identity = name
        self.asked: list[str] = []
        self._replies = list(replies)

    def write(self, message: str, max_new_tokens: int) -> str:  # noqa: ARG002
        self.asked.append(message)
        return self._replies.pop(0)


def test_steps_are_written_once_and_frozen(store: Store) -> None:
    judge = WritingJudge("Sure!\n1. Read the answer.\n2. Grade it.", "1. Another.\n2. List.")
    first = with_steps(store, judge, BARE)
    assert first.steps == ("Read the answer.", "Grade it.")
    assert with_steps(store, judge, BARE) == first
    assert len(judge.asked) == 1
    assert first.sha256 != BARE.sha256


def test_another_judge_or_criterion_gets_its_own(store: Store) -> None:
    with_steps(store, WritingJudge("1. a\n2. b"), BARE)
    other = WritingJudge("1. c\n2. d", name="other")
    assert with_steps(store, other, BARE).steps == ("c", "d")
    style = WritingJudge("1. e\n2. f")
    assert with_steps(store, style, load_criterion("style").with_steps(())).steps == ("e", "f")


def test_shipped_steps_are_left_alone(store: Store) -> None:
    judge = WritingJudge()
    assert with_steps(store, judge, load_criterion("accuracy")) == load_criterion("accuracy")
    assert judge.asked == []


def test_a_reply_that_is_no_list_is_an_error_and_not_kept(store: Store) -> None:
    judge = WritingJudge("I would look at it.", "1. Look.\n2. Grade.")
    with pytest.raises(JudgeError, match=r"faithfulness.*'I would look at it\.'"):
        with_steps(store, judge, BARE)
    assert with_steps(store, judge, BARE).steps == ("Look.", "Grade.")


def test_the_message_names_what_the_grader_sees() -> None:
    message = steps_message(BARE)
    assert "sees the answer, the question, the passages." in message
    assert "5 = Faithful" in message
