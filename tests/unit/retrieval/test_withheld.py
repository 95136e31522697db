"""Passages that cannot answer a question: from other documents, without its evidence and without its answer's words."""

from ragft.retrieval.contexts import context_passages
from ragft.retrieval.withheld import can_be_withheld, withheld_passages
from ragft.types import Passage, Question

EVIDENCE = "The pump is rated at 12 bar and has to be vented before it is started for the first time."
QUESTION = Question("q", "At how many bar is the pump rated?", ("It is rated at 12 bar.",), ("own",), (EVIDENCE,))
OWN = Passage("p0", "own", 1, "The pump is painted blue.")
COPY = Passage("p1", "other", 0, f"Another manual repeats: {EVIDENCE}")
SAYS_IT = Passage("p2", "other", 1, "Valves: rated for 12 of these.")
OTHERS = tuple(Passage(f"o{n}", "third", n, f"Compressor {n} is rated at {n} bar.") for n in range(4))


def test_neither_own_documents_nor_the_evidence_nor_the_answer_s_words_are_shown() -> None:
    ranking = (OWN, COPY, SAYS_IT, *OTHERS)
    assert withheld_passages(QUESTION, ranking, 3) == OTHERS[:3]


def test_words_of_the_question_do_not_count_as_an_answer() -> None:
    plain = Question("q", "Is the pump blue?", ("The pump is blue.",), ("own",))
    about = Passage("x", "other", 0, "Is the pump blue or green?")
    assert withheld_passages(plain, [about], 1) == (about,)


def test_a_ranking_with_too_few_gives_what_there_is() -> None:
    assert withheld_passages(QUESTION, [OWN, OTHERS[0]], 3) == OTHERS[:1]
    assert withheld_passages(QUESTION, [OWN], 3) == ()


def test_only_a_question_with_an_answer_in_known_documents_can_have_it_withheld() -> None:
    assert can_be_withheld(QUESTION)
    assert not can_be_withheld(Question("q", "why?", ("because",)))
    assert not can_be_withheld(Question("q", "why?", ("Unanswerable",), ("own",), answerable=False))


def test_the_context_has_as_many_passages_as_retrieved_or_does_not_exist() -> None:
    retrieved = (OWN, COPY)
    assert context_passages("withheld", QUESTION, retrieved, (), OTHERS[:2]) == OTHERS[:2]
    assert context_passages("withheld", QUESTION, retrieved, (), OTHERS[:1]) is None
    assert context_passages("withheld", QUESTION, retrieved, ()) is None
    assert context_passages("withheld", QUESTION, (), ()) is None
