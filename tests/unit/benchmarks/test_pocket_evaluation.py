import pytest

from benchmarks.pocket_recipe.evaluation import Line, Rate, make_judge_items, make_lines, passages_for, results_of

LINES = {line.name: line for line in make_lines(4, 14)}


def shown(line: Line) -> list[tuple[str, ...]]:
    return [passages_for(line, i, q.evidence) for i, q in enumerate(line.questions)]


def found(name: str, answers: list[str]) -> dict[str, tuple[int, int]]:
    line = LINES[name]
    return {r.name: (r.hits, r.n) for r in results_of(line, shown(line), answers, name)}


def test_every_line_of_the_table_is_there() -> None:
    assert len(LINES) == 12
    assert {len(line.questions) for line in LINES.values()} == {14}


def test_right_answers_are_counted_right() -> None:
    for name in ("gold", "two and three facts", "procedures", "yes or no", "comparisons", "unseen phrasings"):
        answers = [q.references[0] for q in LINES[name].questions]
        results = found(name, answers)
        assert results[f"{name}: right, evidence shown"] == (14, 14)
        assert results[f"{name}: false refusals, evidence shown"] == (0, 14)


def test_refusals_are_counted_where_they_are_right_and_where_they_are_false() -> None:
    refusals = ["This is not in the documents."] * 14
    assert found("absent", refusals)["absent: refuses"] == (14, 14)
    assert found("gold", refusals)["gold: false refusals, evidence shown"] == (14, 14)


def test_a_swapped_value_is_in_the_passage_and_the_old_one_is_wrong() -> None:
    for name in ("swapped", "swapped against a known fact"):
        line = LINES[name]
        new = [q.metadata["facts"][0] for q in line.questions]
        assert all(f["value"] in passages[0] for f, passages in zip(new, shown(line), strict=True))
        right = [f"The {f['attribute']} of {f['product']} is {f['value']}." for f in new]
        assert found(name, right)[f"{name}: right, evidence shown"] == (14, 14)
        old = [q.references[0] for q in line.questions]
        assert found(name, old)[f"{name}: right, evidence shown"] == (0, 14)


def test_without_their_evidence_questions_count_for_the_hit_rate_alone() -> None:
    line = LINES["gold"]
    results = {r.name: (r.hits, r.n) for r in results_of(line, [()] * 14, [""] * 14, "gold")}
    assert results["gold: evidence among the passages"] == (0, 14)
    assert results["gold: right, evidence shown"] == (0, 0)


def test_judge_items_have_every_grade_and_kind() -> None:
    items = make_judge_items(3, 300)
    assert {i.grade.accuracy for i in items} == {1, 2, 3, 4, 5}
    assert {"right", "near", "other", "partial", "refusal", "elsewhere"} <= {i.kind for i in items}


def test_the_interval_is_wilsons() -> None:
    # 15 of 148, the example of Wallis (2013), has 0.0624 to 0.1605.
    low, high = Rate("x", 15, 148).interval
    assert (low, high) == pytest.approx((0.0624, 0.1605), abs=2e-4)
