"""What teaches to abstain is in the words of the base: the pocket model has some, a random one has none."""

from pathlib import Path

import pytest

from entrypoints.steps.knowledge.own_words import in_own_words
from entrypoints.steps.shared.bases import base_path
from entrypoints.steps.shared.workspace import Workspace
from ragft.judging.abstention import abstains
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base
from ragft.models.messages import Generated, Messages
from ragft.store.connection import Store
from ragft.training.formats import NO_ANSWER, REFUSAL, TrainingExample
from tests.tiny_model import make_tiny_model

PASSAGE = "Silver Harbor is a mobile plan. Its monthly fee is $24. The notice period of Silver Harbor is 30 days."
QUESTIONS = ("What is the monthly fee of Amber Falcon?", "How long is the notice period of Cobalt Mirror?")
ANSWERED = TrainingExample("q0", "What is the monthly fee of Silver Harbor?", (PASSAGE,), "It is $24.")
TAUGHT = [TrainingExample(f"q{n}", text, (PASSAGE,), REFUSAL) for n, text in enumerate(QUESTIONS, 1)]


@pytest.fixture
def workspace(tmp_path: Path, store: Store) -> Workspace:
    return Workspace(tmp_path, store, lambda _: None)


@pytest.fixture(scope="module")
def pocket() -> LoadedModel:
    return load_base(base_path("pocket"), device="cpu")


def test_abstentions_are_in_the_words_of_the_base_and_answers_stay(pocket: LoadedModel, workspace: Workspace) -> None:
    found = in_own_words([ANSWERED, *TAUGHT], pocket, workspace)
    assert (found.taught, found.own) == (2, 2)
    assert found.examples[0] == ANSWERED
    for example, question, name in zip(found.examples[1:], QUESTIONS, ("Amber Falcon", "Cobalt Mirror"), strict=True):
        assert example.answer != REFUSAL
        assert name in example.answer
        assert abstains(example.answer, question)


def test_what_is_learnt_without_passages_is_in_its_words_too(pocket: LoadedModel, workspace: Workspace) -> None:
    alone = TrainingExample("q1", QUESTIONS[0], (), NO_ANSWER)
    found = in_own_words([alone], pocket, workspace)
    assert (found.taught, found.own) == (1, 1)
    assert found.examples[0].answer != NO_ANSWER
    assert abstains(found.examples[0].answer, QUESTIONS[0])


def test_what_was_asked_is_not_asked_again(
    pocket: LoadedModel, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = in_own_words(TAUGHT, pocket, workspace)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(Generator, "_decode", fail)
    monkeypatch.setattr(Generator, "_sampled", fail)
    assert in_own_words(TAUGHT, pocket, workspace) == first


def test_a_base_that_never_abstains_is_taught_the_usual_sentence(tmp_path: Path, workspace: Workspace) -> None:
    base = load_base(str(make_tiny_model(tmp_path / "base")), device="cpu")
    found = in_own_words([ANSWERED, *TAUGHT], base, workspace)
    assert (found.taught, found.own) == (2, 0)
    assert found.examples == [ANSWERED, *TAUGHT]


@pytest.mark.parametrize(
    ("reply", "cut", "taught"),
    [
        ("I cannot find it in the passages.", False, True),
        ("I cannot find it in the passages.", True, False),
        ("I cannot find it", False, False),
        ("The answer is:", False, False),
        (QUESTIONS[0], False, False),
        ("", False, False),
    ],
)
def test_only_whole_sentences_that_abstain_are_taught(
    pocket: LoadedModel, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, reply: str, cut: bool, taught: bool
) -> None:
    made = Generated(reply, 10, 5, cut)
    monkeypatch.setattr(Generator, "_decode", lambda *given: [[0]] * len(given[1]))
    monkeypatch.setattr(Generator, "_sampled", lambda *given: [[[0]] * 16] * len(given[1]))
    monkeypatch.setattr(Messages, "reply", lambda *_: made)
    found = in_own_words(TAUGHT[:1], pocket, workspace)
    assert found.examples[0].answer == (reply if taught else REFUSAL)


def test_where_nothing_teaches_to_abstain_nothing_is_asked(pocket: LoadedModel, workspace: Workspace) -> None:
    found = in_own_words([ANSWERED], pocket, workspace)
    assert (found.examples, found.taught, found.own) == ([ANSWERED], 0, 0)
