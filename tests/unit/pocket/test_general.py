"""The fixed probe of what the pocket can do without passages."""

from ragft.judging.closed_book import score
from ragft.pocket.general import known_facts, unknown_products
from ragft.pocket.world import make_dataset


def test_it_is_fixed_and_leaves_out_what_was_trained_on() -> None:
    assert len(known_facts()) == 240
    assert len(unknown_products()) == 120
    dataset = make_dataset(0)
    trained = {d for q in dataset.questions if q.split in ("train", "dev") for d in q.documents}
    for found in (known_facts(trained), unknown_products(trained)):
        assert len(found) >= 100
        assert not any(d in trained for question in found for d in question.documents)
    assert len({question.id for question in (*known_facts(), *unknown_products())}) == 360


def test_right_is_the_fact_or_a_refusal() -> None:
    for question in known_facts()[:20]:
        assert score(question, question.references[0]) == 1.0
        assert score(question, "I do not know.") == 0.0
    for question in unknown_products()[:20]:
        assert score(question, "That is not known to me.") == 1.0
