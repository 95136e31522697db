"""The products of the telecom world: their names, facts and support articles."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ragft.pocket.world_catalog import (
    ATTRIBUTES,
    FEATURES,
    FIRST_WORDS,
    KINDS,
    OBJECTS,
    SECOND_WORDS,
    TASKS,
    VERBS,
    Attribute,
)

Pool = Literal["training", "evaluation"]
LEAST_CHARS, MOST_CHARS = 210, 395
KNOWN_PRODUCTS = 120
_KNOWN_SEED = 20_240_611  # the home world: facts the pocket model has memorised, whatever the data's seed


@dataclass(frozen=True, slots=True)
class Product:
    """A product and its facts.

    Attributes:
        values: Attribute -> value, for all attributes of its kind.
        parts: The attributes its article states, by paragraph; the others cannot be answered.
        features: Feature -> whether it is included; the article states the first two.
        tasks: Task -> its three steps; the article states the first two.
    """

    name: str
    kind: str
    values: dict[str, str]
    parts: tuple[tuple[str, ...], tuple[str, ...]]
    features: dict[str, bool]
    tasks: dict[str, tuple[str, ...]]

    @property
    def stated(self) -> tuple[str, ...]:
        """The attributes its article states."""
        return self.parts[0] + self.parts[1]

    @property
    def withheld(self) -> tuple[str, ...]:
        """The attributes of its kind that no article states."""
        return tuple(a for a in self.values if a not in self.stated)

    @property
    def stated_features(self) -> tuple[str, ...]:
        """The features its article speaks of."""
        return tuple(self.features)[:2]

    @property
    def stated_tasks(self) -> tuple[str, ...]:
        """The tasks its article explains."""
        return tuple(self.tasks)[:2]


@dataclass(frozen=True, slots=True)
class Wording:
    """How often a text uses phrasings that the pocket model never saw in training."""

    held: float = 0.0

    def pick(self, rng: random.Random, trained: Sequence[str], held: Sequence[str]) -> tuple[str, bool]:
        """Return a phrasing, and whether it is a held-out one."""
        if held and rng.random() < self.held:
            return rng.choice(held), True
        return rng.choice(trained), False


TRAINED, HELD = Wording(0.0), Wording(1.0)


def pool_of(name: str) -> Pool:
    """Return where a name may be used: three fifths are for training, by a hash of the name."""
    return "training" if hashlib.sha256(name.encode()).digest()[0] < 154 else "evaluation"


def names(pool: Pool) -> list[str]:
    """Return the names of a pool, without those of the known products, in a fixed order."""
    known = {product.name for product in known_products()}
    every = (f"{first} {second}" for first in FIRST_WORDS for second in SECOND_WORDS)
    return [name for name in every if pool_of(name) == pool and name not in known]


def draw_value(attribute: Attribute, rng: random.Random) -> str:
    """Return a random value of an attribute, as documents write it."""
    if attribute.unit == "money":
        return f"${rng.randint(attribute.low, attribute.high)}"
    if attribute.unit == "count":
        return f"{rng.randint(attribute.low, attribute.high)} {attribute.unit_word}"
    word = rng.choice(attribute.words)
    return word if attribute.unit == "word" else "".join(str(rng.randint(0, 9)) if c == "d" else c for c in word)


def draw_product(name: str, rng: random.Random, kind: str = "") -> Product:
    """Return a product of a name with random facts; no two facts of it have the same value."""
    kind = kind or rng.choice(tuple(KINDS))
    values: dict[str, str] = {}
    for attribute in KINDS[kind]:
        value = draw_value(ATTRIBUTES[attribute], rng)
        while value in values.values():
            value = draw_value(ATTRIBUTES[attribute], rng)
        values[attribute] = value
    stated = rng.sample(KINDS[kind], 6)
    features = rng.sample(FEATURES[kind], 3)
    tasks = rng.sample(TASKS[kind], 3)
    return Product(
        name,
        kind,
        values,
        (tuple(stated[:3]), tuple(stated[3:])),
        {feature: rng.random() < 0.5 for feature in features},
        {task: draw_steps(rng) for task in tasks},
    )


def draw_steps(rng: random.Random) -> tuple[str, ...]:
    """Return three different steps of a procedure."""
    objects = rng.sample(OBJECTS, 3)
    return tuple(f"{verb} {thing}" for verb, thing in zip(rng.sample(VERBS, 3), objects, strict=True))


def with_new_values(product: Product, rng: random.Random) -> Product:
    """Return the same product with every value, feature and step drawn anew."""
    fresh = draw_product(product.name, rng, product.kind)
    values = {a: fresh.values[a] for a in product.values}
    features = {feature: rng.random() < 0.5 for feature in product.features}
    return replace(product, values=values, features=features, tasks={task: draw_steps(rng) for task in product.tasks})


_known: list[Product] = []


def known_products() -> list[Product]:
    """Return the products whose facts are in the pocket model's training, the same for every seed."""
    if not _known:
        rng = random.Random(_KNOWN_SEED)
        every = [f"{first} {second}" for first in FIRST_WORDS for second in SECOND_WORDS]
        kinds = tuple(KINDS)
        chosen = rng.sample(every, KNOWN_PRODUCTS)
        _known.extend(draw_product(name, rng, kinds[i % len(kinds)]) for i, name in enumerate(chosen))
    return list(_known)


# What a document says, with the product {E}, the attribute's noun {K} and its value {v}.
STATEMENTS = (
    "The {K} of {E} is {v}.",
    "{E} has a {K} of {v}.",
    "For {E}, the {K} is {v}.",
    "The {K} for {E} is {v}.",
    "With {E}, the {K} is {v}.",
    "Its {K} is {v}.",
    "The {K} is {v}.",
    "There is a {K} of {v} for {E}.",
)
HELD_STATEMENTS = (
    "Customers of {E} have a {K} of {v}.",
    "{E} is offered with a {K} of {v}.",
    "Please note that the {K} of {E} stands at {v}.",
)
INCLUDED = ("{F} is included with {E}.", "{E} includes {F}.", "{E} comes with {F}.")
HELD_INCLUDED = ("{F} is part of {E}.",)
NOT_INCLUDED = ("{F} is not included with {E}.", "{E} does not include {F}.", "{E} comes without {F}.")
HELD_NOT_INCLUDED = ("{F} is not part of {E}.",)
PROCEDURES = (
    "To {T} {E}, first {1}, then {2} and finally {3}.",
    "The steps to {T} {E} are: {1}, {2}, {3}.",
    "If you want to {T} {E}, {1}, then {2}, then {3}.",
    "You can {T} {E} this way: {1}, {2} and {3}.",
)
HELD_PROCEDURES = (
    "Customers {T} {E} in three steps: {1}, next {2} and last {3}.",
    "Would you like to {T} {E}? Begin with {1}, go on with {2} and end with {3}.",
)
INTRODUCTIONS = (
    "{E} is a {kind} for {who}.",
    "This article is about {E}, a {kind} for {who}.",
    "{E} is our {kind} for {who}.",
    "Here are the facts on the {kind} {E}.",
    "Many {who} ask about the {kind} {E}.",
)
HELD_INTRODUCTIONS = ("In this text you find all there is to know about {E}, a {kind} chosen by {who}.",)
AUDIENCES = (
    "families",
    "students",
    "small firms",
    "travellers",
    "homes",
    "new customers",
    "businesses",
    "older people",
)
FILLERS = (
    "More help is on our support pages.",
    "Our agents can help you with any question.",
    "This is the same in every region.",
    "Changes are shown in your account.",
    "You can find this in the app as well.",
    "Please keep your customer number at hand.",
    "The terms were checked by our team.",
    "Ask in a shop if something is unclear.",
)
HELD_FILLERS = ("Feedback on this page is always welcome.", "Do write to us when anything here is puzzling.")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def state_fact(product: Product, attribute: str, wording: Wording, rng: random.Random, *, named: bool = True) -> str:
    """Return a sentence that states one attribute; ``named`` sentences name the product."""
    entry = ATTRIBUTES[attribute]
    if rng.random() < 0.5:
        template, _ = wording.pick(rng, entry.statements, entry.held_statements)
        return template.format(E=product.name, v=product.values[attribute])
    template, _ = wording.pick(rng, STATEMENTS, HELD_STATEMENTS)
    while named and "{E}" not in template:
        template, _ = wording.pick(rng, STATEMENTS, HELD_STATEMENTS)
    noun, _ = wording.pick(rng, entry.nouns, entry.held_nouns)
    return template.format(E=product.name, K=noun, v=product.values[attribute])


def state_feature(product: Product, feature: str, wording: Wording, rng: random.Random) -> str:
    """Return a sentence that says whether a feature is included."""
    pair = (INCLUDED, HELD_INCLUDED) if product.features[feature] else (NOT_INCLUDED, HELD_NOT_INCLUDED)
    template, _ = wording.pick(rng, *pair)
    return _capital(template.format(E=product.name, F=feature))


def state_procedure(product: Product, task: str, wording: Wording, rng: random.Random) -> str:
    """Return a sentence with the steps of a task, in order."""
    template, _ = wording.pick(rng, PROCEDURES, HELD_PROCEDURES)
    first, second, third = product.tasks[task]
    return (
        template.replace("{T}", task)
        .replace("{E}", product.name)
        .replace("{1}", first)
        .replace("{2}", second)
        .replace("{3}", third)
    )


def introduce(product: Product, wording: Wording, rng: random.Random) -> str:
    """Return a first sentence that names the product and its kind."""
    template, _ = wording.pick(rng, INTRODUCTIONS, HELD_INTRODUCTIONS)
    return template.format(E=product.name, kind=product.kind, who=rng.choice(AUDIENCES))


def paragraphs(product: Product, wording: Wording, rng: random.Random) -> tuple[str, str, str]:
    """Return the product's article: two paragraphs of facts and one of procedures, 210 to 395 characters each."""
    first, second = product.parts
    one, two = product.stated_features
    return (
        _fit(lambda: _fact_sentences(product, first, one, wording, rng), wording, rng),
        _fit(lambda: _fact_sentences(product, second, two, wording, rng), wording, rng),
        _fit(lambda: [introduce(product, wording, rng), *_procedure_sentences(product, wording, rng)], wording, rng),
    )


def _fact_sentences(
    product: Product, part: Sequence[str], feature: str, wording: Wording, rng: random.Random
) -> list[str]:
    order = rng.sample(part, len(part))
    sentences = [state_fact(product, attribute, wording, rng, named=False) for attribute in order]
    sentences.insert(rng.randrange(len(sentences) + 1), state_feature(product, feature, wording, rng))
    return [introduce(product, wording, rng), *sentences]


def _procedure_sentences(product: Product, wording: Wording, rng: random.Random) -> Iterator[str]:
    for task in rng.sample(product.stated_tasks, 2):
        yield state_procedure(product, task, wording, rng)


def _fit(draw: Callable[[], list[str]], wording: Wording, rng: random.Random) -> str:
    """Return drawn sentences as one paragraph of the right length, with filler sentences if it is too short."""
    while True:
        sentences = draw()
        while len(" ".join(sentences)) < LEAST_CHARS:
            filler, _ = wording.pick(rng, FILLERS, HELD_FILLERS)
            sentences.insert(rng.randrange(1, len(sentences) + 1), filler)
        if len(text := " ".join(sentences)) <= MOST_CHARS:
            return text
