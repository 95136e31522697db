"""In which passages that others cut evidence is looked for."""

from ragft.retrieval.given import gold_among, passages_by_document
from ragft.types import Passage, Question

EVIDENCE = "The pump is rated at 12 bar and has to be vented before it is started for the first time."
QUESTION = Question("q", "How many bar?", ("12",), ("own",), (EVIDENCE,))
DOCUMENTS = {"own", "other"}


def passage(name: str, document: str, text: str = EVIDENCE) -> Passage:
    return Passage(name, document, 0, text)


def found(question: Question, *ranking: Passage, given: tuple[Passage, ...] = ()) -> list[str]:
    return [p.id for p in gold_among(question, ranking, passages_by_document((*ranking, *given)), DOCUMENTS)]


def test_the_text_decides_where_the_document_is_the_question_s_or_unknown() -> None:
    ranking = (passage("a", "own"), passage("b", ""), passage("c", "crawl/7"), passage("d", "own", "Painted blue."))
    assert found(QUESTION, *ranking) == ["a", "b", "c"]


def test_another_document_of_the_data_holds_no_evidence_of_this_question() -> None:
    assert found(QUESTION, passage("a", "other"), passage("b", "own")) == ["b"]


def test_passages_of_its_documents_count_where_other_questions_were_given_them() -> None:
    others = (passage("later", "own"), passage("nameless", ""), passage("c", "crawl/7"))
    assert found(QUESTION, passage("a", "own", "Painted blue."), given=others) == ["later"]


def test_a_passage_that_comes_twice_is_one() -> None:
    assert found(QUESTION, passage("a", "own"), passage("a", "own")) == ["a"]


def test_without_evidence_nothing_is_known() -> None:
    assert found(Question("q", "How many bar?", ("12",), ("own",)), passage("a", "own")) == []
