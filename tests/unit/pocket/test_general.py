"""The fixed probe of what the pocket can do without passages."""

from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.guards import FORGETTING, GuardRates, guard_result, pair_guard
from ragft.judging.closed_book import score
from ragft.pocket.general import known_facts, unknown_products
from ragft.pocket.world import make_dataset
from ragft.types import Dataset


def trained_on(dataset: Dataset) -> set[str]:
    """The documents of train."""
    return {document for question in dataset.questions if question.split == "train" for document in question.documents}


def test_it_is_fixed_and_leaves_out_what_was_trained_on() -> None:
    assert len(known_facts()) == 480
    assert len(unknown_products()) == 120
    dataset = make_dataset(0)
    trained = trained_on(dataset)
    for found in (known_facts(trained), unknown_products(trained)):
        assert len(found) >= 100
        assert not any(d in trained for question in found for d in question.documents)
    assert len({question.id for question in (*known_facts(), *unknown_products())}) == 600


def test_right_is_the_fact_or_a_refusal() -> None:
    for question in known_facts()[:20]:
        assert score(question, question.references[0]) == 1.0
        assert score(question, "I do not know.") == 0.0
    for question in unknown_products()[:20]:
        assert score(question, "That is not known to me.") == 1.0


def test_where_nothing_is_forgotten_there_are_enough_facts_to_rule_out_a_loss_beyond_the_margin() -> None:
    """Else no adapter could be promoted, however little it forgets: 52 products leave room for 6 points."""
    facts = known_facts(trained_on(make_dataset(0)))
    right = dict.fromkeys((question.id for question in facts), 0.0)
    guard = GuardRates(FORGETTING, right, right, {question.id: question.documents[0] for question in facts})
    found = guard_result(guard, pair_guard(guard), Levels(), Resampling())
    assert found.bounds is not None
    assert -found.bounds.low < found.margin
