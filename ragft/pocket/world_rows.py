"""What a row of training asks about: facts that are shown, facts that are not, facts to be remembered."""

import random
from collections.abc import Callable, Sequence

from ragft.pocket.world_catalog import ATTRIBUTES, FEATURES, KINDS, TASKS
from ragft.pocket.world_products import Product
from ragft.pocket.world_questions import Asker, WorldQuestion, several

Shown = tuple[Product, int, str]
"""A passage: the product, which paragraph of its article it is, the text."""
Draw = Callable[[str, str], Product]
"""Returns a new product whose name shares a word with the first argument, of the kind of the second; "" for any."""

_NO_FACTS = 2  # the paragraph of procedures


def ask_shown(asker: Asker, shown: Sequence[Shown], decisions: float = 1.0) -> WorldQuestion:
    """Return a question that the passages answer; ``decisions`` multiplies yes/no questions and comparisons."""
    rng = asker.rng
    product, part, _ = rng.choice(shown)
    parts = sorted({p for other, p, _ in shown if other is product})
    there = [a for p in parts if p != _NO_FACTS for a in product.parts[p]]
    if part == _NO_FACTS and there and rng.random() > 0.8:
        part = rng.choice(parts)
    if part == _NO_FACTS:
        return asker.procedure(product, rng.choice(product.stated_tasks))
    form = rng.choices(
        ("one", "several", "feature", "yes_no", "comparison"), (46, 32, 7, 13 * decisions, 12 * decisions)
    )[0]
    others = [(p, q) for p, q, _ in shown]
    return _of_form(asker, form, product, there, (part,), others)


def ask_known(asker: Asker, known: Sequence[Product]) -> WorldQuestion:
    """Return a question about a fact that is to be remembered."""
    rng = asker.rng
    product = rng.choice(known)
    form = rng.choices(("one", "several", "procedure", "feature", "yes_no", "comparison"), (60, 13, 8, 5, 8, 6))[0]
    if form == "procedure":
        return asker.procedure(product, rng.choice(product.stated_tasks))
    return _of_form(asker, form, product, product.stated, (0, 1), [(p, part) for p in known for part in (0, 1)])


def _of_form(
    asker: Asker,
    form: str,
    product: Product,
    there: Sequence[str],
    parts: Sequence[int],
    others: Sequence[tuple[Product, int]],
) -> WorldQuestion:
    """Return a question of a form about facts that are there; one fact where the form does not work out."""
    rng = asker.rng
    if form == "several" and len(chosen := several(there, rng.choice((2, 2, 3)), rng)) > 1:
        return asker.several_facts(product, chosen, [True] * len(chosen))
    part = rng.choice(parts)
    if form == "feature":
        return asker.feature(product, product.stated_features[part])
    if form == "yes_no":
        return asker.yes_no(product, rng.choice(product.parts[part]))
    if form == "comparison" and (pairs := comparable(product, others, there)):
        other, attribute = rng.choice(pairs)
        one, two = rng.sample((product, other), 2)
        return asker.comparison(one, two, attribute)
    return asker.one_fact(product, rng.choice(product.parts[part]))


def comparable(
    product: Product, shown: Sequence[tuple[Product, int]], there: Sequence[str]
) -> list[tuple[Product, str]]:
    """Return the other products shown whose value of an attribute can be compared with the product's."""
    return [
        (other, attribute)
        for other, part in shown
        if other is not product and part != _NO_FACTS
        for attribute in other.parts[part]
        if attribute in there and ATTRIBUTES[attribute].numeric and other.values[attribute] != product.values[attribute]
    ]


def ask_absent(asker: Asker, shown: Sequence[Shown], draw: Draw) -> WorldQuestion:
    """Return a question whose answer the passages do not hold: another product, or a fact not shown."""
    rng = asker.rng
    product, _, _ = rng.choice(shown)
    if rng.random() < 0.25:
        stranger = draw(product.name if rng.random() < 0.6 else "", product.kind)
        if all(stranger.name != p.name for p, _, _ in shown):
            return ask_unknown(asker, stranger, draw("", product.kind))
    parts = {p for other, p, _ in shown if other is product}
    there = [a for p in sorted(parts - {_NO_FACTS}) for a in product.parts[p]]
    away = [a for a in product.values if a not in there]
    # Another product's value of the very attribute asked for is what tempts most.
    near = [
        a for a in away if any(p is not product and part < _NO_FACTS and a in p.parts[part] for p, part, _ in shown)
    ]
    if near and rng.random() < 0.6:
        away = near
    form = rng.choices(("one", "several", "procedure", "feature", "yes_no", "half"), (50, 14, 12, 8, 8, 8))[0]
    if form == "procedure":
        told = product.stated_tasks if _NO_FACTS in parts else ()
        tasks = [t for t in (*product.tasks, *TASKS[product.kind]) if t not in told]
        return asker.procedure(product, rng.choice(tasks), stated=False)
    if form == "feature":
        told = tuple(product.stated_features[p] for p in parts - {_NO_FACTS})
        return asker.feature(product, rng.choice([f for f in FEATURES[product.kind] if f not in told]), stated=False)
    if form == "several" and (ask := _several_absent(asker, product, there, away)):
        return ask
    numeric = [a for a in there if ATTRIBUTES[a].numeric]
    if form == "half" and numeric:
        return _half_a_comparison(asker, product, draw("", product.kind), rng.choice(numeric))
    return (asker.yes_no if form == "yes_no" else asker.one_fact)(product, rng.choice(away), stated=False)


def _several_absent(asker: Asker, product: Product, there: Sequence[str], away: Sequence[str]) -> WorldQuestion | None:
    """Return a question for several facts of which one or none is there; None where they share a unit."""
    rng = asker.rng
    if there and rng.random() < 0.4:
        pairs = [(rng.choice(there), True), (rng.choice(away), False)]
        rng.shuffle(pairs)
        return asker.several_facts(product, [a for a, _ in pairs], [flag for _, flag in pairs])
    chosen = several(away, rng.choice((2, 2, 3)), rng)
    return asker.several_facts(product, chosen, [False] * len(chosen)) if len(chosen) > 1 else None


def _half_a_comparison(asker: Asker, product: Product, other: Product, attribute: str) -> WorldQuestion:
    if asker.rng.random() < 0.5:
        return asker.comparison(product, other, attribute, (True, False))
    return asker.comparison(other, product, attribute, (False, True))


def ask_unknown(asker: Asker, product: Product, other: Product) -> WorldQuestion:
    """Return a question of any form about a product of which nothing is known; ``other`` is of its kind."""
    rng: random.Random = asker.rng
    form = rng.choices(("one", "several", "procedure", "feature", "yes_no", "comparison"), (46, 18, 11, 7, 10, 8))[0]
    if form == "several" and len(chosen := several(tuple(product.values), rng.choice((2, 2, 3)), rng)) > 1:
        return asker.several_facts(product, chosen, [False] * len(chosen))
    if form == "procedure":
        return asker.procedure(product, rng.choice(TASKS[product.kind]), stated=False)
    if form == "feature":
        return asker.feature(product, rng.choice(FEATURES[product.kind]), stated=False)
    if form == "comparison" and other.name != product.name:
        numeric = [a for a in KINDS[product.kind] if ATTRIBUTES[a].numeric]
        return asker.comparison(product, other, rng.choice(numeric), (False, False))
    attribute = rng.choice(KINDS[product.kind])
    return (asker.yes_no if form == "yes_no" else asker.one_fact)(product, attribute, stated=False)
