"""A fixed probe of what a pocket model can do without passages, whatever it was fine-tuned on.

It asks about facts that the model knows from its training, and about products that it never heard of, for which a
refusal is right. Both are the same for every adapter, except that documents of its own training are left out.
"""

import functools
import random
from collections.abc import Collection
from dataclasses import asdict

from ragft.pocket.world import Shelf, document_id
from ragft.pocket.world_catalog import KINDS
from ragft.pocket.world_products import TRAINED, draw_product, known_products, names
from ragft.pocket.world_questions import Asker
from ragft.pocket.world_rows import ask_unknown
from ragft.types import Question

# A lost fact of a product says that others of it may be lost, so facts of one product are one group of the statistics.
KNOWN_PER_PRODUCT = 4
NEW_PRODUCTS = 120


def known_facts(trained_documents: Collection[str] = ()) -> tuple[Question, ...]:
    """Return questions about single known facts, four per product; none about a product of ``trained_documents``."""
    return tuple(q for q in _known() if trained_documents_are_other(q, trained_documents))


def unknown_products(trained_documents: Collection[str] = ()) -> tuple[Question, ...]:
    """Return one question per new product, right when nothing is stated; none about one of ``trained_documents``."""
    return tuple(q for q in _unknown() if trained_documents_are_other(q, trained_documents))


def trained_documents_are_other(question: Question, trained_documents: Collection[str]) -> bool:
    """Return whether a question is about none of the documents."""
    return not any(document in trained_documents for document in question.documents)


@functools.cache
def _known() -> tuple[Question, ...]:
    rng = random.Random("general known facts")
    shelf = Shelf([], known_products(), rng, TRAINED)
    asker = Asker(rng, TRAINED)
    return tuple(
        shelf.question_of(asker.one_fact(product, attribute), f"general-known-{number:03d}-{turn}")
        for number, product in enumerate(known_products())
        for turn, attribute in enumerate(rng.sample(product.stated, KNOWN_PER_PRODUCT))
    )


@functools.cache
def _unknown() -> tuple[Question, ...]:
    rng = random.Random("general unknown products")
    kinds = tuple(KINDS)
    chosen = rng.sample(names("evaluation"), NEW_PRODUCTS)
    products = [draw_product(name, rng, kinds[number % len(kinds)]) for number, name in enumerate(chosen)]
    asker = Asker(rng, TRAINED)
    found = []
    for number, product in enumerate(products):
        others = [other for other in products if other.kind == product.kind and other is not product]
        ask = ask_unknown(asker, product, rng.choice(others))
        metadata = {"facts": [asdict(fact) for fact in ask.facts], "form": ask.form, "known": False}
        found.append(
            Question(
                f"general-unknown-{number:03d}",
                ask.text,
                ("not known",),
                documents=(document_id(product),),
                kind=ask.form,
                answerable=False,
                metadata={**metadata, "held_wording": False},
            )
        )
    return tuple(found)
