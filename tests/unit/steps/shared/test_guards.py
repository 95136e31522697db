"""Which answers a guard counts, and what it says where it can count none."""

import dataclasses

import pytest

from entrypoints.steps.shared import guards, outcomes
from entrypoints.steps.shared.compared import ToCompare
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.guards import Remembered
from entrypoints.steps.shared.retrieved import RetrievedSplit
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.guards import GuardRates
from ragft.params.verdict import CompareParams
from ragft.store.datasets import Preparation
from ragft.types import Answer, Passage, Question, Written
from registry.versions import Version
from tests.integration.steps.test_report_step import ADAPTER, LINEAGE, NAME

REFUSES, ANSWERS = "That is not in the documents.", "It is 7."
WITH = [Question(f"q{i}", f"What is {i}?", (f"It is {i}.",), (f"d{i}",)) for i in range(6)]
WITHOUT = [Question(f"u{i}", f"What of {i}?", ("Unanswerable",), (f"d{i}",), answerable=False) for i in range(2)]
QUESTIONS = (*WITH, *WITHOUT)
VERSIONS = Version(NAME, 1, "run", (), LINEAGE), Version(NAME, 2, "run", (), ADAPTER)
REMEMBERED = Remembered({"a": True, "b": True}, {"a": True, "b": False}, {"a": "x", "b": "y"})


def task(**params: str) -> ToCompare:
    preparation = Preparation("telecom", "0" * 64, {}, {"test": QUESTIONS}, {})
    return ToCompare(CompareParams(**params), preparation, CompareParams(), VERSIONS[1], VERSIONS[0], (), Design())  # type: ignore[arg-type]


def evaluation(context: str, says: dict[str, str]) -> Evaluation:
    asked = [question for question in QUESTIONS if question.id in says]
    rows = [
        Scored(
            question.id,
            question.text,
            says[question.id],
            question.references,
            (),
            facts={"answerable": question.answerable},
            right=False if question.answerable else None,
            guard=_guard(context, question),  # type: ignore[arg-type]
        )
        for question in asked
    ]
    return Evaluation("run", {}, outcomes.with_outcomes(rows, None, {}), context=context)


def _guard(context: str, question: Question) -> str:
    found = RetrievedSplit((question,), {question.id: ()}, {question.id: ()})
    answer = Answer(question.id, Written("key", "prompt"))
    return outcomes.guard_of(found, context, question, answer) or ""  # type: ignore[arg-type]


def side(retrieved: str, withheld: str | None) -> dict[str, Evaluation]:
    made = {"retrieved": evaluation("retrieved", {q.id: retrieved for q in QUESTIONS})}
    if withheld is not None:
        made["withheld"] = evaluation("withheld", {q.id: withheld for q in WITH})
    return made


def rates(base: dict[str, Evaluation], version: dict[str, Evaluation], **params: str) -> dict[str, GuardRates]:
    sides = {VERSIONS[0].uri: base, VERSIONS[1].uri: version}
    return {each.name: each for each in guards.rates(task(**params), sides, REMEMBERED)}


def test_false_answers_are_those_without_support_in_both_contexts_that_can_show_them() -> None:
    found = rates(side(REFUSES, REFUSES), side(ANSWERS, ANSWERS))
    assert found["false_answers"].base == dict.fromkeys([q.id for q in QUESTIONS], 0.0)
    assert found["false_answers"].version == dict.fromkeys([q.id for q in QUESTIONS], 1.0)
    assert found["false_refusals"].base == dict.fromkeys([q.id for q in WITH], 1.0)
    assert found["false_refusals"].version == dict.fromkeys([q.id for q in WITH], 0.0)
    assert found["forgetting"].version == {"a": 0.0, "b": 1.0}


def test_without_withheld_the_questions_without_an_answer_are_left() -> None:
    found = rates(side(REFUSES, None), side(ANSWERS, None))
    assert set(found["false_answers"].base) == {q.id for q in WITHOUT}


def test_a_guard_that_nothing_can_show_says_why() -> None:
    only_answerable = {"retrieved": evaluation("retrieved", {q.id: REFUSES for q in WITH})}
    found = rates(only_answerable, only_answerable)
    assert "too few passages of other documents (-P collection=all" in found["false_answers"].unmeasured
    found = rates(only_answerable, only_answerable, context="retrieved")
    assert "none in the context withheld (-P context=...)" in found["false_answers"].unmeasured
    never = rates(side(ANSWERS, ANSWERS), side(ANSWERS, ANSWERS))
    assert "neither side abstained in any of 28 answers" in never["false_answers"].unmeasured
    sides = {VERSIONS[0].uri: side(REFUSES, REFUSES), VERSIONS[1].uri: side(REFUSES, REFUSES)}
    (unknown,) = guards.rates(task(guards="forgetting=2"), sides, Remembered(unmeasured="it was not kept"))
    assert unknown.unmeasured == "it was not kept"
    assert unknown.margin == 2


def test_a_context_that_is_available_for_no_question_says_why_and_the_way_out() -> None:
    passages = tuple(Passage(f"p{number}", "d9", number, "else") for number in range(2))
    params = CompareParams(top_k=5)
    found = RetrievedSplit(tuple(WITH), {}, {}, {WITH[0].id: passages})
    assert found.why_not("withheld", params) == (
        "for no question there are 5 passages of other documents that do not hold its answer (at most 2): -P "
        "collection=all takes them from all documents, or -P top_k=2 shows as many as there are"
    )
    everywhere = dataclasses.replace(params, collection="all")
    assert (
        dataclasses.replace(found, withheld={}).why_not("withheld", everywhere).endswith("(at most 0): add documents")
    )
    nameless = RetrievedSplit((Question("n", "n?", ("x",)),), {}, {})
    assert "names its documents" in nameless.why_not("withheld", params)
    assert "add the column evidence" in nameless.why_not("oracle", params)
    known = RetrievedSplit((Question("n", "n?", ("x",), ("d1",), ("It is x.",)),), {}, {})
    assert "does the evidence stand in a passage" in known.why_not("oracle", params)


def test_only_the_guards_that_were_asked_for_are_counted_with_their_margins() -> None:
    found = rates(side(REFUSES, REFUSES), side(ANSWERS, ANSWERS), guards="false_refusals=3, forgetting")
    assert {name: each.margin for name, each in found.items()} == {"false_refusals": 3, "forgetting": 5}
    assert rates(side(REFUSES, REFUSES), side(ANSWERS, ANSWERS), guards="none") == {}


def test_a_refusal_is_false_only_where_a_passage_with_the_evidence_was_shown() -> None:
    gold, other = Passage("g", "d0", 0, "It is 0."), Passage("o", "d9", 0, "else")
    found = RetrievedSplit((WITH[0],), {"q0": (gold, other)}, {"q0": (gold,)})
    shown = Answer("q0", Written("key", "prompt"), ("g", "o"))
    assert outcomes.guard_of(found, "retrieved", WITH[0], shown) == "false_refusal"
    assert outcomes.guard_of(found, "retrieved", WITH[0], dataclasses.replace(shown, passages=("o",))) is None
    assert outcomes.guard_of(found, "withheld", WITH[0], shown) == "false_answer"
    assert outcomes.guard_of(found, "oracle", WITH[0], shown) is None


@pytest.mark.parametrize(
    ("guards", "said"),
    [
        ("false_answers=0", "gives false_answers the margin '0', expected percentage points above 0 and below 100"),
        ("false_answers=100", "below 100"),
        ("forgetting=few", "the margin 'few'"),
        ("rudeness", "expected some of false_answers, false_refusals, forgetting"),
        ("forgetting,forgetting=3", "each once"),
    ],
)
def test_guards_that_cannot_be_meant_are_refused(guards: str, said: str) -> None:
    with pytest.raises(Exception, match=said):
        CompareParams(guards=guards)
