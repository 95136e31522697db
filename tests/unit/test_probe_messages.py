"""What the probe asks: every set draws its examples from train, never the question itself."""

import pytest

from entrypoints.steps.knowledge.probed import probe_command
from entrypoints.steps.probe import _prompts, _settings
from ragft.errors import ConfigError
from ragft.params.training import ProbeParams
from ragft.prompts.probe import in_wordings
from ragft.types import Question


def place(number: int, kind: str = "P17") -> Question:
    answers = [f"Country {number}"]
    return Question(
        f"q{number}", f"Where is place {number}?", tuple(answers), kind=kind, metadata={"short_answers": answers}
    )


TRAIN = [*(place(number) for number in range(8)), *(place(number, "P19") for number in range(8, 16))]
LONG = Question("long", "Why?", ("For a reason that takes a sentence.",))


def test_each_set_is_another_message_without_the_question_among_its_examples() -> None:
    asked = [TRAIN[3], place(99)]
    found = _prompts(asked, [*TRAIN, LONG], ProbeParams(base="other", sets=5), 4)
    for question in asked:
        messages = found[question.id]
        assert len(set(messages)) == 5
        for message in messages:
            assert message.count(question.text) == 1
            assert message.endswith(f"Question: {question.text}\nAnswer:")
            assert message.count("Question: ") == 5
            assert "Why?" not in message


def test_examples_are_of_the_questions_own_kind_where_there_are_enough() -> None:
    (messages,) = _prompts([TRAIN[0]], TRAIN, ProbeParams(base="other", sets=1), 7).values()
    assert sorted(n for n in range(16) if f"place {n}?" in messages[0]) == list(range(8))
    (messages,) = _prompts([place(99, "P20")], TRAIN, ProbeParams(base="other", sets=1), 12).values()
    assert messages[0].count("Answer: Country") == 12


def test_seeds_draw_other_examples_and_the_question_decides_nothing() -> None:
    one, two, other = (
        _prompts(asked, TRAIN, ProbeParams(base="other", sets=1, seed=seed), 3)[TRAIN[0].id][0]
        for asked, seed in ((TRAIN[:1], 0), (TRAIN[:5], 0), (TRAIN[:1], 1))
    )
    assert one == two != other


def test_too_few_examples_are_named() -> None:
    with pytest.raises(ConfigError, match="shots is 4, but the train split has 2 other questions with a short answer"):
        _prompts(TRAIN[:1], [*TRAIN[:3], LONG], ProbeParams(base="other"), 4)


def test_without_examples_the_sets_are_wordings() -> None:
    assert _prompts(TRAIN[:1], [], ProbeParams(), 0)["q0"] == in_wordings("Where is place 0?", 4)


def test_how_it_was_asked_is_kept() -> None:
    settings = _settings(ProbeParams(sets=3), 4)
    assert {"versions", "sets", "samples", "temperature", "seed", "max_new_tokens", "shots", "messages"} == set(
        settings
    )
    assert (settings["sets"], settings["shots"]) == (3, 4)


def test_the_command_names_the_data_and_the_base() -> None:
    said = probe_command(ProbeParams(dataset="rows", path="a.jsonl", name="mine"), "pocket")
    assert said.startswith("mlflow run . -e probe -P dataset=rows -P path=a.jsonl -P name=mine -P base=pocket ")
