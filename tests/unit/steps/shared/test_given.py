"""Questions for which a file has no passages, and the ones whose evidence the search missed."""

from pathlib import Path
from typing import cast

import pytest

from entrypoints.steps.matrix.cells import content_of
from entrypoints.steps.shared.given import Given, with_passages
from entrypoints.steps.shared.outcomes import guard_of
from entrypoints.steps.shared.retrieved import RetrievedSplit
from entrypoints.steps.shared.workspace import Workspace
from ragft.data.retrieved_rows import GivenPassages, Ranking
from ragft.errors import DataError
from ragft.store.connection import Store
from ragft.types import Answer, Passage, Question, Written

SHOWN = Passage("p", "d", 0, "Some text.")
QUESTIONS = tuple(Question(f"q{n}", f"Which {n}?", ("a",), ("d",), ("The evidence.",)) for n in range(200))


def given_for(count: int) -> Given:
    rankings = {q.id: Ranking((SHOWN,)) for q in QUESTIONS[:count]}
    return Given("log.jsonl", GivenPassages(rankings), {q: r.passages for q, r in rankings.items()}, {}, {"d"})


def test_one_question_in_a_hundred_may_be_left_out_and_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    workspace = Workspace(tmp_path, cast(Store, None), said.append)
    assert with_passages(given_for(198), "test", QUESTIONS, workspace) == QUESTIONS[:198]
    assert said == ["2 of 200 questions of test have no passages in log.jsonl and are left out: q198, q199"]
    with pytest.raises(DataError, match="no passages for 3 of 200 questions of test, at most 1% may have none") as told:
        with_passages(given_for(197), "test", QUESTIONS, workspace)
    assert told.value.problems == tuple(f"q{n}: Which {n}?" for n in (197, 198, 199))
    assert with_passages(given_for(200), "test", QUESTIONS, workspace) == QUESTIONS
    assert len(said) == 1


def test_evidence_that_no_passage_holds_was_missed_unless_the_file_says_otherwise() -> None:
    given = given_for(1)
    assert given.gold(QUESTIONS[0]) == ((), True)
    silent = Given("log.jsonl", GivenPassages({"q0": Ranking((SHOWN,), gold=())}), {"q0": (SHOWN,)}, {}, {"d"})
    assert silent.gold(QUESTIONS[0]) == ((), False)
    unknown = Question("q0", "Which 0?", ("a",), ("d",))
    assert given.gold(unknown) == ((), False)


def test_missed_evidence_counts_as_not_found_and_excuses_a_refusal() -> None:
    question, answer = QUESTIONS[0], Answer("q0", Written("k", "m", "I do not know."), ("p",))
    missed = RetrievedSplit((question,), {"q0": (SHOWN,)}, {"q0": ()}, missed=frozenset({"q0"}))
    unknown = RetrievedSplit((question,), {"q0": (SHOWN,)}, {"q0": ()})
    assert missed.row_metrics(3) == {"hit_at_3": {"q0": 0.0}, "recall_at_3": {"q0": 0.0}, "mrr": {"q0": 0.0}}
    assert unknown.row_metrics(3) == {"hit_at_3": {"q0": None}, "recall_at_3": {"q0": None}, "mrr": {"q0": None}}
    assert guard_of(missed, "retrieved", question, answer) is None
    assert guard_of(unknown, "retrieved", question, answer) == "false_refusal"


def test_a_file_counts_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("1")
    second.write_text("1")
    known = content_of(first)
    assert content_of(second) == known
    first.write_text("2")
    assert content_of(first) != known
