"""Messages of the probe."""

import pytest

from ragft.errors import ConfigError
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.probe import WORDINGS, in_wordings, with_examples


def test_examples_come_before_the_question_in_order() -> None:
    message = with_examples("Where is {question} $x?", [("Where is A?", "B"), ("{examples}", "{answer}")])
    assert message.endswith("Question: Where is {question} $x?\nAnswer:")
    assert message.index("Question: Where is A?\nAnswer: B") < message.index("Question: {examples}\nAnswer: {answer}")


def test_wordings_differ_and_begin_with_the_usual_message() -> None:
    found = in_wordings("Where?", WORDINGS)
    assert len(set(found)) == WORDINGS == 4
    assert found[0] == load_answer_prompt().render("Where?", ())
    assert in_wordings("Where?", 2) == found[:2]
    assert all(message.count("Where?") == 1 for message in found)


def test_more_sets_than_wordings_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match=r"sets is 5, but without examples \(shots=0\) there are 4 wordings"):
        in_wordings("Where?", 5)
