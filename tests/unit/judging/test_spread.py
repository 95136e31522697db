"""How far a judge is from one score: by its repeats, or by the probabilities that an expectation is taken of."""

import pytest

from ragft.judging.backend import Estimator, Reply
from ragft.judging.scoring import judgement_of, row_of
from ragft.prompts.criterion import load_criteria

(ACCURACY,) = load_criteria("accuracy")


def spread(*replies: Reply, estimator: Estimator = "expected_no_rationale") -> float:
    judgements = [judgement_of("key", repeat, reply, ACCURACY) for repeat, reply in enumerate(replies)]
    return row_of(ACCURACY, judgements, len(replies), estimator).score.spread


def expected(*shares: float, text: str = "") -> Reply:
    return Reply(text, probabilities=shares, mass=1.0)


def test_an_expectation_spreads_as_its_probabilities_do() -> None:
    assert spread(expected(0.5, 0, 0, 0, 0.5)) == pytest.approx(2.0)
    assert spread(expected(0, 0, 0, 0, 1)) == 0.0


def test_repeats_spread_among_themselves() -> None:
    assert spread(Reply("Score: 1"), Reply("Score: 5"), estimator="sampled") == pytest.approx(8**0.5)
    assert spread(Reply("Score: 5"), estimator="sampled") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "It is good.",
        "[1]",
        '{"6": 1}',
        '{"1": null}',
        '{"1": NaN}',
        '{"1": 1e308, "5": 1e308}',
        f'{{"1": 1{"0" * 400}}}',
        '{"1": -1}',
    ],
)
def test_what_a_server_wrote_beside_its_score_is_not_taken_for_probabilities(text: str) -> None:
    assert spread(expected(0, 0, 0, 0, 1, text=text)) == 0.0
