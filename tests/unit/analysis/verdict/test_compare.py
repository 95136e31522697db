import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ragft.analysis.verdict.compare import Findings, Side, compare, spreads_of
from ragft.analysis.verdict.comparison import Check, Comparison
from ragft.analysis.verdict.conditions import CONDITIONS
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.power import Spread
from ragft.analysis.verdict.slices import slices_of
from ragft.errors import ConfigError, DataError
from ragft.prompts.criterion import Criterion, load_criterion
from ragft.types import Question

CRITERIA = [load_criterion("accuracy"), load_criterion("completeness")]
DESIGN = Design(resamples=399)
SAME = {name: f"the same {name}" for name in CONDITIONS}
QUESTIONS = [
    Question(
        f"q{index:03d}",
        "?",
        ("a",),
        documents=(f"d{index // 3:02d}",),
        kind="yes_no" if index % 3 == 0 else "extractive",
        answerable=index % 10 != 0,
    )
    for index in range(120)
]
Scores = dict[str, dict[str, dict[str, float | None]]]


def scores(shift: float, *, seed: int, contexts: tuple[str, ...] = ("retrieved",)) -> Scores:
    """Return scores between 1 and 5 of both criteria that lie ``shift`` from a common level."""
    level, noise = np.random.default_rng(0).uniform(2, 4, size=len(QUESTIONS)), np.random.default_rng(seed)
    return {
        context: {
            criterion.name: {
                question.id: float(np.clip(level[index] + shift + noise.normal(0, 0.4), 1, 5))
                for index, question in enumerate(QUESTIONS)
            }
            for criterion in CRITERIA
        }
        for context in contexts
    }


def base(**changes: object) -> Side:
    return replace(Side("base", SAME, scores(0, seed=1)), **changes)  # type: ignore[arg-type]


def version(shift: float = 0.0, **changes: object) -> Side:
    return replace(Side("models:/telecom/2", SAME, scores(shift, seed=2)), **changes)  # type: ignore[arg-type]


def compared(one: Side, other: Side, **more: object) -> Comparison:
    return compare(one, other, QUESTIONS, CRITERIA, **{"design": DESIGN, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shift", "worse", "non_inferior", "superior"),
    [
        (-0.8, ("accuracy", "completeness"), (), ()),
        (0.0, (), ("accuracy", "completeness"), ()),
        (0.5, (), ("accuracy", "completeness"), ("accuracy", "completeness")),
    ],
)
def test_what_was_planted_is_claimed(
    shift: float, worse: tuple[str, ...], non_inferior: tuple[str, ...], superior: tuple[str, ...]
) -> None:
    found = compared(base(), version(shift))

    assert (found.claims.worse, found.claims.non_inferior, found.claims.superior) == (worse, non_inferior, superior)
    assert (found.questions, found.clusters, found.largest) == (120, 40, 3)
    for result in found.primaries:
        assert result.effect is not None
        assert result.effect.gain == pytest.approx(shift, abs=0.15)
        assert result.effect.low <= result.effect.gain <= result.effect.high
        assert (result.bounds.low, result.bounds.high) == (result.effect.low, result.effect.high)
        assert result.effect.wins + result.effect.ties + result.effect.losses == 120
        assert result.margin == pytest.approx(0.2)


def test_the_order_of_the_questions_changes_nothing() -> None:
    other = [QUESTIONS[index] for index in np.random.default_rng(0).permutation(len(QUESTIONS))]
    slices = slices_of(QUESTIONS)

    assert compare(base(), version(0.1), other, CRITERIA, design=DESIGN, slices=slices) == compared(
        base(), version(0.1), slices=slices
    )


def test_swapping_the_sides_turns_the_gain_round() -> None:
    one, other = compared(base(), version(0.3)), compared(version(0.3), base())
    for ahead, behind in zip(one.primaries, other.primaries, strict=True):
        assert ahead.effect is not None and behind.effect is not None
        assert (behind.effect.gain, behind.effect.low, behind.effect.high) == pytest.approx(
            (-ahead.effect.gain, -ahead.effect.high, -ahead.effect.low)
        )


def test_a_criterion_in_which_less_is_better_is_turned_round() -> None:
    less = Criterion(
        "hallucination", "What is made up.", ("Look.",), {"a": 0.0, "b": 1.0}, {"a": "", "b": ""}, "lower", ()
    )
    ids = [question.id for question in QUESTIONS]
    made_up = {name: 0.8 if index % 2 else 0.6 for index, name in enumerate(ids)}
    true = dict.fromkeys(ids, 0.1)
    found = compare(
        Side("base", SAME, {"retrieved": {"hallucination": made_up}}),
        Side("version", SAME, {"retrieved": {"hallucination": true}}),
        QUESTIONS,
        [less],
        design=replace(DESIGN, primary=("hallucination",)),
    )
    result = found.primaries[0]

    assert result.effect is not None
    assert [result.effect.base, result.effect.version] == pytest.approx([0.7, 0.1])
    assert result.effect.gain == pytest.approx(0.6)
    assert result.margin == pytest.approx(0.05)
    assert found.claims.superior == ("hallucination",)


def test_the_bounds_hold_whatever_the_missing_scores_were() -> None:
    whole, holed = version(0.3), version(0.3)
    for name in ("q001", "q050", "q077"):
        holed.scores["retrieved"]["accuracy"][name] = None  # type: ignore[index]
    full, found = compared(base(), whole).primaries[0], compared(base(), holed).primaries[0]

    assert (found.missing.version, found.missing.dropped, found.missing.asked) == (3, 3, 120)
    assert found.effect is not None and found.effect.n == 117
    assert found.missing.worst_gain < found.effect.gain < found.missing.best_gain
    assert found.bounds.low < found.effect.low
    assert found.bounds.low < full.bounds.low
    assert found.bounds.high > full.bounds.high


def test_nothing_scored_on_one_side_is_no_effect_and_no_claim() -> None:
    silent = version()
    silent.scores["retrieved"]["accuracy"].update(dict.fromkeys((q.id for q in QUESTIONS), None))  # type: ignore[attr-defined]
    found = compared(base(), silent)

    assert found.primaries[0].effect is None
    assert found.primaries[0].missing.share == 1
    assert "accuracy" not in found.claims.non_inferior


def test_a_slice_far_below_vetoes_and_the_rest_does_not() -> None:
    better = version(0.6)
    few = {question.id for question in QUESTIONS[:30]}
    for name in few:
        better.scores["retrieved"]["accuracy"][name] = 1.0  # type: ignore[index]
    found = compared(base(), better, slices={"first": few, "rest": {q.id for q in QUESTIONS} - few, "empty": set()})

    assert [(result.slice, result.criterion) for result in found.vetoes] == [("first", "accuracy")]
    slices = [result for result in found.results if result.slice]
    assert {result.slice for result in slices} == {"first", "rest"}
    # Four tests (two slices, two criteria): the corrected bound is the more cautious one.
    assert all(result.bounds.veto_high > result.bounds.high for result in slices if result.bounds.veto_high is not None)
    assert all(result.bounds.veto_high is None for result in found.primaries)


def test_only_a_loss_beyond_the_margin_vetoes() -> None:
    result = compared(base(), version()).primaries[0]
    vetoing = [
        replace(result, bounds=replace(result.bounds, veto_high=high)).vetoes for high in (None, 0.3, -0.1, -0.21)
    ]

    assert vetoing == [False, False, False, True]


def test_the_usual_slices_are_kinds_and_answerability() -> None:
    found = slices_of(QUESTIONS)

    assert set(found) == {"kind extractive", "kind yes_no", "answerable", "not answerable"}
    assert len(found["not answerable"]) == 12
    assert slices_of([replace(question, kind="", answerable=True) for question in QUESTIONS]) == {}
    named_twice = [replace(each, kind="fact" if each.answerable else "unanswerable") for each in QUESTIONS]
    assert set(slices_of(named_twice)) == {"answerable", "not answerable"}


@pytest.mark.parametrize("name", CONDITIONS)
def test_sides_under_different_conditions_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} is the same {name} for base and another for models:/telecom/2"):
        compared(base(), version(conditions={**SAME, name: "another"}))
    with pytest.raises(ConfigError, match=f"{name} is not known of base"):
        compared(base(conditions={key: value for key, value in SAME.items() if key != name}), version())


def test_a_primary_that_was_not_measured_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"needs accuracy, completeness in the context oracle.*completeness in retrieved"
    ):
        compared(base(), version(), design=replace(DESIGN, context="oracle"))


def test_rows_that_are_not_there_and_impossible_scores_are_named_at_once() -> None:
    broken = version()
    del broken.scores["retrieved"]["accuracy"]["q007"]  # type: ignore[attr-defined]
    broken.scores["retrieved"]["completeness"]["q008"] = 5.5  # type: ignore[index]
    broken.scores["retrieved"]["completeness"]["q009"] = float("nan")  # type: ignore[index]
    with pytest.raises(DataError) as caught:
        compared(base(), broken)

    assert len(caught.value.problems) == 3
    assert "accuracy, question q007: there is no row" in str(caught.value)
    assert "question q008: the score 5.5 is not in 1 to 5" in str(caught.value)


def test_questions_without_evidence_are_not_missing_in_the_context_that_needs_it() -> None:
    one, other = (scores(shift, seed=seed, contexts=("oracle", "retrieved")) for shift, seed in ((0, 1), (0.1, 2)))
    for side in (one, other):
        for criterion in CRITERIA:
            for name in ("q000", "q001"):
                del side["oracle"][criterion.name][name]
    found = compared(base(scores=one), version(scores=other))
    oracle = next(result for result in found.results if result.context == "oracle")

    assert (oracle.missing.asked, oracle.missing.dropped) == (118, 0)
    assert {each.n for each in found.attributions} == {118}

    one["oracle"]["accuracy"]["q000"] = 3.0
    with pytest.raises(DataError, match="models:/telecom/2, context oracle, accuracy, question q000: there is no row"):
        compared(base(scores=one), version(scores=other))


def test_no_questions_are_no_comparison() -> None:
    with pytest.raises(DataError, match="no question"):
        compare(base(), version(), [], CRITERIA)


def test_what_the_caller_knows_is_kept() -> None:
    findings = Findings(
        checks=(Check("adapter active", False, "0 of 120 answers differ"),),
        advisory=("2 of 6 canaries failed",),
        tried=4,
        spreads={"accuracy": Spread(0.9, 0.1, "the dev split")},
    )
    found = compared(base(), version(), findings=findings)

    assert (found.checks, found.advisory, found.tried) == (findings.checks, findings.advisory, 4)
    assert found.power["accuracy"].spread == findings.spreads["accuracy"]
    assert found.power["completeness"].spread.source == "this comparison"


def test_the_spread_of_other_questions_tells_the_power_beforehand() -> None:
    dev = QUESTIONS[:30]
    spreads = spreads_of(base(), version(0.2), dev, CRITERIA, source="the dev split")
    found = compare(base(), version(), QUESTIONS[30:], CRITERIA, design=DESIGN, findings=Findings(spreads=spreads))
    columns = [side.scores["retrieved"]["accuracy"] for side in (base(), version(0.2))]
    before, after = (np.array([column[question.id] for question in dev], dtype=float) for column in columns)

    assert spreads["accuracy"].sd == pytest.approx(np.std(after - before, ddof=1))
    assert (found.power["accuracy"].n, found.power["accuracy"].clusters) == (90, 30)
    assert found.power["accuracy"].spread.source == "the dev split"


def test_a_document_that_carries_a_claim_is_found() -> None:
    one, other = base(), version(0.0)
    for name in ("q000", "q001", "q002"):
        one.scores["retrieved"]["accuracy"][name] = 5.0  # type: ignore[index]
        other.scores["retrieved"]["accuracy"][name] = 1.0  # type: ignore[index]
    found = compared(one, other)
    carrier = next(each for each in found.carriers if each.cluster == "d00")

    assert "accuracy" not in found.claims.non_inferior
    assert "accuracy" in carrier.claims.non_inferior
    assert carrier.gains["accuracy"] > 0.05 + found.primaries[0].effect.gain  # type: ignore[union-attr]
    assert found.changes["accuracy"].flip_margin == -found.primaries[0].bounds.low


def test_contexts_give_an_attribution_for_each_primary() -> None:
    contexts = ("none", "oracle", "retrieved")
    one, other = (
        side(
            scores=scores(gain, seed=seed, contexts=contexts),
            lengths={"none": {q.id: length for q in QUESTIONS}},
            refusals={"none": {q.id: float(rank < refused) for rank, q in enumerate(QUESTIONS)}},
        )
        for side, gain, seed, length, refused in ((base, 0, 1, 20.0, len(QUESTIONS)), (version, 0.4, 2, 10.0, 30))
    )
    found = compared(one, other)

    assert [each.criterion for each in found.attributions] == ["accuracy", "completeness"]
    assert found.attributions[0].unavailable == ("oracle_distractors",)
    assert set(found.attributions[0].lengths) == {"none"}
    (refusals,) = found.attributions[0].refusals.values()
    assert refusals.words.startswith("fewer answers refuse: -")
    assert refusals.value == 30 / len(QUESTIONS) - 1
    assert {result.context for result in found.results} == set(contexts)


def test_a_comparison_survives_json() -> None:
    lengths = [{"retrieved": {q.id: float(i % k) for i, q in enumerate(QUESTIONS)}} for k in (3, 7)]
    found = compared(base(lengths=lengths[0]), version(0.2, lengths=lengths[1]), slices=slices_of(QUESTIONS))
    again = Comparison.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))

    assert again == found
    assert set(found.equal_length) == {"accuracy", "completeness"}
    assert again.sha256 == found.sha256
    assert replace(found, tried=2).sha256 != found.sha256


def test_a_comparison_from_before_guards_opens_and_keeps_its_identity() -> None:
    """The file was written by the code before guards came."""
    path = Path(__file__).parents[3] / "data/comparisons/before_guards.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    found = Comparison.from_dict(stored["comparison"])

    assert found.guards == () and found.claims.harmful == ()
    assert found.primaries[0].bounds.claim_highs == ()
    assert found.sha256 == stored["sha256"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tried": "two"}, "Comparison.tried is 'two', expected int"),
        ({"base": 3}, "Comparison.base is 3, expected str"),
        ({"checks": [{"name": "x", "passed": 1, "detail": ""}]}, r"Comparison.checks\[0\].passed is 1, expected bool"),
        ({"design": 5}, "Comparison.design is 5, expected an object"),
        ({"more": 1}, "more is unknown"),
    ],
)
def test_a_file_that_is_no_comparison_is_refused_by_field(change: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Comparison.from_dict({**compared(base(), version()).to_dict(), **change})
