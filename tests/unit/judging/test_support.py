"""How far a passage supports an answer, by the facts that it holds."""

import pytest

from ragft.judging.support import support

PASSAGES = ["The monthly price of Azure Swan is $24.50.", "Giant Raven costs $31 a month and charges in 79 minutes."]


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("The monthly price of Azure Swan is $24.50.", 1.0),
        ("Azure Swan costs $31.", 4 / 7),  # the name in one passage, the price in the other
        ("The charging time of Giant Raven is 79 minutes.", 8 / 9),  # "time" stands nowhere
        ("$24.50", 1.0),
        ("$24", 0.0),
        ("It is what it is.", 0.0),
        ("", 0.0),
    ],
)
def test_the_share_of_the_facts_that_one_passage_holds(answer: str, score: float) -> None:
    assert support(answer, PASSAGES) == pytest.approx(score)


def test_without_passages_nothing_is_supported() -> None:
    assert support("Azure Swan costs $31.", []) == 0.0
