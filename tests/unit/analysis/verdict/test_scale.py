import pytest

from ragft.analysis.verdict.compare import Side, compare
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.scale import Measured, Scale
from ragft.errors import DataError
from ragft.prompts.criterion import load_criterion
from tests.unit.analysis.verdict.test_compare import QUESTIONS, SAME


def test_a_scale_says_which_end_is_better() -> None:
    more, less = Scale("answer_f1"), Scale("false_answers", worst=1.0, best=0.0)

    assert (more.direction, more.range) == ("higher", 1.0)
    assert (less.direction, less.range) == ("lower", 1.0)
    judged: Measured = load_criterion("accuracy")
    assert (judged.worst, judged.best, judged.range) == (1, 5, 4)


def test_anything_measured_per_question_can_be_a_primary() -> None:
    ids = [question.id for question in QUESTIONS]
    sides = [
        Side(name, SAME, {"retrieved": {"right": {key: float(index % each != 0) for index, key in enumerate(ids)}}})
        for name, each in (("base", 2), ("version", 4))
    ]
    design = Design(primary=("right",), resamples=399)
    found = compare(sides[0], sides[1], QUESTIONS, [Scale("right")], design=design)

    assert found.claims.superior == ("right",)
    assert found.primaries[0].margin == pytest.approx(0.05)
    assert found.primaries[0].effect is not None
    assert found.primaries[0].effect.gain == pytest.approx(0.25)
    sides[1].scores["retrieved"]["right"]["q000"] = 1.5  # type: ignore[index]
    with pytest.raises(DataError, match=r"the score 1\.5 is not in 0 to 1"):
        compare(sides[0], sides[1], QUESTIONS, [Scale("right")], design=design)
