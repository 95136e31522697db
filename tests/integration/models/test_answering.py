"""An answer is written once for all who ask the same message; what they asked it with is each one's own."""

from pathlib import Path

import pytest

from ragft.models.answering import answer_questions
from ragft.models.fitting import QuestionTooLongError
from ragft.models.generation import Generator
from ragft.models.loading import load_base
from ragft.prompts.answer import load_answer_prompt
from ragft.result_versions import VERSIONS
from ragft.store.connection import Store
from ragft.types import Answer, Passage, Question
from tests.tiny_model import tiny_base  # noqa: F401 - a fixture

PASSAGES = [Passage(f"p{n}", "d", n, f"Passage {n} says something of its own. " * 3) for n in range(5)]
TOKENS = 8


def asked(question: str = "q") -> Question:
    return Question(question, "What is said?", ("something",))


@pytest.fixture
def generator(tiny_base: Path) -> Generator:  # noqa: F811
    """A model with room for three of the passages."""
    base = load_base(str(tiny_base), device="cpu")
    render = load_answer_prompt().render
    sizes = {
        window: len(
            Generator(base, window=window).fit_passages("What is said?", [p.text for p in PASSAGES], render, TOKENS)
        )
        for window in range(100, 400, 5)
    }
    return Generator(base, window=next(window for window, kept in sizes.items() if kept == 3))


def test_a_hit_tells_of_the_asker_not_of_who_asked_first(store: Store, generator: Generator) -> None:
    prompt = load_answer_prompt()

    def ask(question: str, passages: list[Passage]) -> Answer:
        [answer] = answer_questions(
            store, generator, prompt, [asked(question)], {question: passages}, max_new_tokens=TOKENS
        )
        return answer

    three = ask("first", PASSAGES[:3])
    five = ask("second", PASSAGES)
    copies = [Passage(f"copy of {p.id}", "another", p.position, p.text) for p in PASSAGES]
    other = ask("third", copies[:4])
    assert three.written == five.written == other.written
    assert (three.dropped_passages, five.dropped_passages, other.dropped_passages) == (0, 2, 1)
    assert five.passages == three.passages == ("p0", "p1", "p2")
    assert other.passages == ("copy of p0", "copy of p1", "copy of p2")
    assert (three.question_id, five.question_id, other.question_id) == ("first", "second", "third")


def test_evidence_is_left_out_last(store: Store, generator: Generator) -> None:
    [answer] = answer_questions(
        store,
        generator,
        load_answer_prompt(),
        [asked()],
        {"q": PASSAGES},
        max_new_tokens=TOKENS,
        golden={"q": {"p4"}},
    )
    assert answer.passages == ("p0", "p1", "p4")
    assert "Passage 4" in answer.prompt and "Passage 2" not in answer.prompt


def test_answers_of_an_older_version_are_not_taken(
    store: Store, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keys() -> set[str]:
        told: list[int] = []
        [answer] = answer_questions(
            store,
            generator,
            load_answer_prompt(),
            [asked()],
            {"q": PASSAGES},
            max_new_tokens=TOKENS,
            on_progress=lambda _, of: told.append(of),
        )
        return {answer.written.key, *(f"written {count}" for count in told)}

    first, again = keys(), keys()
    assert first - again == {"written 1"}
    monkeypatch.setitem(VERSIONS, "answering", VERSIONS["answering"] + 1)
    assert keys() & first == {"written 1"}


def test_a_question_that_does_not_fit_ends_no_run(store: Store, generator: Generator) -> None:
    long = Question("long", "Why? " * 500, ("because",))
    answers = answer_questions(
        store,
        generator,
        load_answer_prompt(),
        [asked("before"), long, asked("after")],
        {"before": PASSAGES, "long": PASSAGES, "after": ()},
        max_new_tokens=TOKENS,
    )
    assert [answer.question_id for answer in answers] == ["before", "after"]
    with pytest.raises(QuestionTooLongError, match="alone does not fit"):
        answer_questions(store, generator, load_answer_prompt(), [long], {"long": ()}, max_new_tokens=TOKENS)
