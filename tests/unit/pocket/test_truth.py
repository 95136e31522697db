from ragft.pocket.truth import truth_metrics
from ragft.pocket.world import make_dataset
from ragft.types import Question

QUESTIONS = make_dataset(3, {"train": 60}).questions


def test_every_reference_is_right_and_states_nothing_false() -> None:
    assert len(QUESTIONS) == 60
    for question in QUESTIONS:
        metrics = truth_metrics(question, question.references[0])
        assert (metrics["truth_right"], metrics["truth_facts"], metrics["truth_wrong"]) == (1.0, 1.0, 0.0), question


def test_a_refusal_is_right_where_there_is_no_answer_and_false_elsewhere() -> None:
    for question in QUESTIONS:
        metrics = truth_metrics(question, "That is not in the documents.")
        assert metrics["truth_right"] == float(not question.answerable)
        assert metrics["truth_refusal"] == (None if question.answerable else 1.0)
        assert metrics["truth_false_refusal"] == (1.0 if question.answerable else None)
    assert {question.answerable for question in QUESTIONS} == {True, False}


def test_other_data_has_no_programmatic_truth() -> None:
    assert truth_metrics(Question("q", "why?", ("because",), metadata={"facts": ["a"]}), "because") == {}
