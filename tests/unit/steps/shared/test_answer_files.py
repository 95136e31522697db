"""What a row of an answer file is held against, and which harm it could do."""

import pytest

from entrypoints.steps.shared import guards
from entrypoints.steps.shared.answer_files import scored
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.outcomes import with_outcomes
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.guards import GuardRates, guard_result, pair_guard
from ragft.data.answers import AnswerRow


@pytest.mark.parametrize(
    ("row", "outcome", "guard"),
    [
        (AnswerRow("a", "Who?", "It was Ann Lee.", ("Ann Lee",)), "right", "false_refusal"),
        (AnswerRow("a", "Who?", "It was Bob.", ("Ann Lee",)), "wrong", "false_refusal"),
        (AnswerRow("a", "Who?", "", ("Ann Lee",)), "abstained", "false_refusal"),
        (AnswerRow("a", "Is it?", "Nothing of that sort.", ("No",)), None, "false_refusal"),
        (AnswerRow("a", "Who?", "It was Bob.", (), answerable=False), "wrong", "false_answer"),
        (AnswerRow("a", "Who?", "I don't know.", (), answerable=False), "abstained", "false_answer"),
        (AnswerRow("a", "Who?", "It was Bob.", (), answerable=None), None, ""),
    ],
)
def test_each_row_has_its_outcome_and_its_guard(row: AnswerRow, outcome: str | None, guard: str) -> None:
    (found,) = with_outcomes([scored(row)], None, {})
    assert (found.outcome, found.guard) == (outcome, guard)
    assert found.length == len(row.output.split())


def test_a_missing_answer_is_neither_an_abstention_nor_harm_that_can_be_told() -> None:
    row = scored(AnswerRow("a", "Who?", "", ("Ann",), given=False))
    assert not row.abstained
    assert row.overlap("answer_f1") is None
    side = {"as answered": Evaluation("run", {}, [row])}
    assert list(guards._counted(side, "false_refusals")) == [row]
    assert list(guards._counted(side, "false_answers")) == []


@pytest.mark.parametrize(("n", "margin", "safe"), [(55, 5, False), (60, 5, True), (25, 10, False), (30, 10, True)])
def test_sixty_groups_show_that_nothing_rose_at_the_usual_margin(n: int, margin: float, safe: bool) -> None:
    """As docs/verdict.md says of files that do not differ; half as many at twice the margin."""
    rates = {f"q{i}": float(i % 10 == 0) for i in range(n)}
    guard = GuardRates("false_answers", rates, rates, {each: each for each in rates}, margin)
    bounds = guard_result(guard, pair_guard(guard), Levels(0.025, rejecting=3), Resampling(199, 0)).bounds
    assert bounds is not None and (bounds.low > -margin / 100) is safe
