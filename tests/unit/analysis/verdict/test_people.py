"""Where people's labels are enough they decide, and the judge is advisory no more."""

import json
from collections.abc import Sequence

import pytest

from ragft.analysis.verdict.compare import Findings, Side, compare
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.conditions import CONDITIONS
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.health import Health
from ragft.analysis.verdict.people import People
from ragft.prompts.criterion import load_criterion
from registry.gate import decide
from tests.report_example import questions, scores

ASKED = questions(90)
NAMES = ("accuracy", "completeness")
CRITERIA = [load_criterion(name) for name in NAMES]
WHY = ("it was not calibrated against people on this data under accuracy",)


def comparison(people: dict[str, People], primary: Sequence[str] = ("accuracy",), *, shift: float = 0.5) -> Comparison:
    """Return the comparison of a version that the judge finds better by ``shift`` points."""
    same = {name: f"the same {name}" for name in CONDITIONS}
    return compare(
        Side("base", same, scores(ASKED, 0.0, 1, ("retrieved",))),
        Side("version", same, scores(ASKED, shift, 2, ("retrieved",))),
        ASKED,
        CRITERIA,
        design=Design(tuple(primary), resamples=399),
        findings=Findings(
            advisory=WHY, people=people, health=Health(fooled=("accuracy: a canary",), auc={"accuracy": 0.7})
        ),
    )


def labels(count: int, *, every: int = 3, change: float = -2.0) -> People:
    """Return people who find the version worse by two points in every second of so many questions, else alike."""
    names = [question.id for question in ASKED[:: every or 1]][:count]
    changes = [change if rank % 2 else 0.0 for rank in range(count)]
    return People(dict.fromkeys(names, 4.0), {name: 4 + each for name, each in zip(names, changes, strict=True)})


def test_without_labels_nothing_is_said_of_people() -> None:
    found = comparison({})
    assert "corrected" not in found.to_dict()
    assert found.sha256 == comparison({"completeness": labels(30)}).sha256  # not what decides
    assert found.advisory == WHY and found.faults


def test_from_30_pairs_in_10_documents_on_people_and_judge_together_decide() -> None:
    found = comparison({"accuracy": labels(30)})
    (corrected,), (primary,) = found.corrected, found.primaries

    assert (corrected.pairs, corrected.documents, corrected.asking) == (30, 30, 90)
    assert corrected.judge and corrected.judge.low > 0
    assert corrected.people.change == pytest.approx(-1)
    assert primary.bounds == corrected.bounds and primary.bounds.high < 0
    assert primary.effect and primary.effect.gain == corrected.both.change
    assert found.claims.worse == ("accuracy",) and decide(found).outcome == "reject"
    # Its bias is measured, so nothing rests on its worth; and what the judge alone would need says nothing.
    assert not found.advisory and not found.faults
    assert not found.power and not found.changes and not found.carriers
    assert Comparison.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize("few", [labels(29), labels(30, every=1)])
def test_fewer_pairs_or_documents_are_shown_and_decide_nothing(few: People) -> None:
    # 29 pairs; 30 pairs of the 10 documents of three questions each decide, without the last document they do not.
    if len(few.base) == 30:
        few = People({**few.base}, {**few.version}, same=[ASKED[29].id, ASKED[28].id, ASKED[27].id])
    found, alone = comparison({"accuracy": few}), comparison({})
    (corrected,) = found.corrected

    assert not corrected.decides and found.by_people == {}
    assert found.primaries == alone.primaries and found.claims == alone.claims
    assert found.advisory == WHY and found.faults
    assert any(reason.startswith("By whom, accuracy: the judge alone +0.") for reason in decide(found).reasons)


def test_a_judge_that_people_correct_under_one_criterion_alone_stays_advisory() -> None:
    found = comparison({"accuracy": labels(30)}, NAMES)
    assert found.by_people.keys() == {"accuracy"}
    assert found.advisory == WHY and found.faults
    assert found.power.keys() == {"completeness"}


def test_answers_that_are_the_same_narrow_the_interval() -> None:
    half = [question.id for rank, question in enumerate(ASKED) if rank % 3 == 1]
    one, other = labels(30), labels(30)
    narrow = comparison({"accuracy": People(other.base, other.version, same=half)}).corrected[0]
    wide = comparison({"accuracy": one}).corrected[0]

    assert (narrow.asking, narrow.pairs) == (60, 30)
    assert narrow.people.change == pytest.approx(wide.people.change * 2 / 3)
    assert narrow.people.high - narrow.people.low < 0.8 * (wide.people.high - wide.people.low)


def test_what_decides_is_said_in_the_summary_and_in_the_reasons() -> None:
    decision = decide(comparison({"accuracy": labels(30)}))
    said = " ".join((decision.summary.better, *decision.reasons))

    assert "by the judge and people's scores of 30 pairs of answers" in decision.summary.better
    assert "accuracy in the context retrieved: by people and the judge together, a change of -" in said
    assert " worse by the judge alone): " in said
    assert "people alone -1.00 (" in said
    assert "a uniform sample, as uniform_labels says; both together decide, with weight" in said
