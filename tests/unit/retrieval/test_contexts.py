import pytest

from ragft.retrieval.contexts import context_passages, gold_passages
from ragft.retrieval.metrics import has_evidence
from ragft.types import CONTEXTS, Context, Passage, Question

RETRIEVED = [Passage(f"r{i}", "d1", i, f"retrieved {i}") for i in range(5)]
GOLD = (Passage("g", "d1", 9, "the golden passage"),)
QUESTION = Question("q1", "why?", ("because",), documents=("d1",), evidence=("golden passage",))


def test_the_oracle_shows_the_gold_alone_and_none_shows_nothing() -> None:
    assert context_passages("none", QUESTION, RETRIEVED, GOLD) == ()
    assert context_passages("oracle", QUESTION, RETRIEVED, GOLD) == GOLD
    assert context_passages("retrieved", QUESTION, RETRIEVED, GOLD) == tuple(RETRIEVED)


def test_distractors_are_as_many_as_retrieved_with_the_gold_at_a_frozen_place() -> None:
    places = set()
    for number in range(60):
        question = Question(f"q{number}", "why?", ("because",))
        shown = context_passages("oracle_distractors", question, RETRIEVED, GOLD)
        assert shown is not None
        assert shown == context_passages("oracle_distractors", question, RETRIEVED, GOLD)
        assert len(shown) == len(RETRIEVED)
        assert [p for p in shown if p not in GOLD] == RETRIEVED[:4]
        places.add(shown.index(GOLD[0]))
    assert places == {0, 1, 2, 3, 4}


def test_a_gold_passage_that_was_retrieved_is_not_shown_twice() -> None:
    shown = context_passages("oracle_distractors", QUESTION, [*RETRIEVED[:2], *GOLD, *RETRIEVED[2:4]], GOLD)
    assert shown is not None
    assert sorted(p.id for p in shown) == ["g", "r0", "r1", "r2", "r3"]


@pytest.mark.parametrize("context", [context for context in CONTEXTS if context != "withheld"])
def test_without_known_evidence_the_oracle_is_unavailable_not_guessed(context: Context) -> None:
    shown = context_passages(context, QUESTION, RETRIEVED, ())
    assert (shown is None) == context.startswith("oracle")


def test_gold_passages_hold_evidence_and_belong_to_the_question_s_documents() -> None:
    elsewhere = Passage("x", "d2", 0, "the golden passage")
    found = gold_passages(QUESTION, [*RETRIEVED, elsewhere, *GOLD], has_evidence)
    assert found == GOLD
    assert gold_passages(Question("q", "why?", ("x",), documents=("d1",)), GOLD, has_evidence) == ()
