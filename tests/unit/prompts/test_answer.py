"""The message that asks for an answer: built-in template, users' templates, awkward text."""

from pathlib import Path

import pytest

from ragft.errors import ConfigError
from ragft.prompts.answer import AnswerPrompt, load_answer_prompt


def test_passages_are_numbered_before_the_question() -> None:
    message = load_answer_prompt().render("What is the fee?", ["It is $24.", "None."])
    assert message.endswith("[1] It is $24.\n\n[2] None.\n\nQuestion: What is the fee?")


def test_without_passages_another_template_is_used() -> None:
    message = load_answer_prompt().render("What is the fee?", [])
    assert "passages" not in message
    assert message.endswith("Question: What is the fee?")


def test_dollars_and_placeholders_in_texts_stay_as_they_are() -> None:
    message = load_answer_prompt().render("$passages or ${question}?", ["$question $$ 5"])
    assert "[1] $question $$ 5\n" in message
    assert message.endswith("Question: $passages or ${question}?")


def test_a_users_template_and_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Use $$5 or less.\n${passages}\nQ: $question\n", encoding="utf-8")
    prompt = load_answer_prompt(str(path))
    assert prompt.render("Why?", ["So."]) == "Use $5 or less.\n[1] So.\nQ: Why?"
    assert prompt.sha256 != load_answer_prompt().sha256
    assert load_answer_prompt().sha256 == load_answer_prompt().sha256


@pytest.mark.parametrize(("text", "missing"), [("$question", r"\$passages"), ("$passages $questions", r"\$question")])
def test_a_template_without_its_placeholder_is_refused(text: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        AnswerPrompt(text, "$question")


def test_a_template_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.txt cannot be read"):
        load_answer_prompt(str(tmp_path / "missing.txt"))
