"""Questions about the products of the telecom world, each with its answer and its truth."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ragft.pocket.world_catalog import ATTRIBUTES
from ragft.pocket.world_products import Product, Wording, draw_value

# A value in an answer stands between these marks until `plain` takes them away; training weights it higher.
OPEN, CLOSE = "\x02", "\x03"
ABSENT = "is not in the documents"
UNKNOWN = "is not known to me"

FORMS = ("one_fact", "two_facts", "three_facts", "procedure", "yes_no", "comparison")

QUESTIONS = (
    "What is the {K} of {E}?",
    "What is the {K} for {E}?",
    "Can you tell me the {K} of {E}?",
    "Which {K} does {E} have?",
    "I need to know the {K} of {E}.",
    "{E}: what is the {K}?",
    "I have a question about {E}. What is its {K}?",
)
HELD_QUESTIONS = (
    "Please look up the {K} that applies to {E}.",
    "How about the {K} with {E}?",
    "My neighbour asked me about {E}; do you know its {K}?",
)
SEVERAL = (
    "What are the {L} of {E}?",
    "Can you tell me the {L} of {E}?",
    "I need to know the {L} of {E}.",
    "For {E}, what are the {L}?",
)
HELD_SEVERAL = ("Please look up these for {E}: the {L}.", "Thinking of {E}, I would like to hear about the {L}.")
EQUAL = ("Is the {K} of {E} {v}?", "Is {v} the {K} of {E}?", "Does {E} have a {K} of {v}?")
HELD_EQUAL = ("I was told {v} as the {K} of {E}, is that right?",)
MORE = ("Is the {K} of {E} more than {v}?", "Is the {K} for {E} above {v}?")
HELD_MORE = ("Does the {K} of {E} go beyond {v}?",)
LESS = ("Is the {K} of {E} less than {v}?", "Is the {K} for {E} below {v}?")
HELD_LESS = ("Does the {K} of {E} stay under {v}?",)
FEATURE = ("Does {E} include {F}?", "Is {F} included with {E}?", "Does {E} come with {F}?")
HELD_FEATURE = ("Can I count on {F} with {E}?",)
PROCEDURE = (
    "How do I {T} {E}?",
    "What are the steps to {T} {E}?",
    "I want to {T} {E}. What do I have to do?",
    "How can I {T} {E}?",
)
HELD_PROCEDURE = ("Please explain to me, step by step, how to {T} {E}.", "What must I do to {T} {E}?")
HIGHER = (
    "Which has the higher {K}, {E} or {G}?",
    "Is the {K} higher for {E} or for {G}?",
    "Compare {E} and {G}: which one has the higher {K}?",
)
HELD_HIGHER = ("Between {E} and {G}, whose {K} is higher?",)
LOWER = (
    "Which has the lower {K}, {E} or {G}?",
    "Is the {K} lower for {E} or for {G}?",
    "Compare {E} and {G}: which one has the lower {K}?",
)
HELD_LOWER = ("Between {E} and {G}, whose {K} is lower?",)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing an answer has to say.

    Attributes:
        type: "value", "step", "feature", "verdict" (yes or no) or "choice" (one of two products).
        product: The product it is about.
        attribute: The attribute, feature or task.
        value: What is true; "" where the documents do not say.
    """

    type: str
    product: str
    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class WorldQuestion:
    """A question and the truth about it.

    Attributes:
        form: One of `FORMS`.
        answer: The answer in the pocket model's words, values marked.
        also: The same answer in other words, or "".
        facts: What the answer has to say; those without a value are refused.
        held: Whether a phrasing was used that training never shows.
    """

    text: str
    form: str
    answer: str
    also: str
    facts: tuple[Fact, ...]
    held: bool

    @property
    def answerable(self) -> bool:
        """Whether every fact asked for is there."""
        return all(fact.value for fact in self.facts)


def plain(marked: str) -> str:
    """Return a marked answer without its marks."""
    return marked.replace(OPEN, "").replace(CLOSE, "")


def marked(value: str) -> str:
    """Return a value between marks."""
    return f"{OPEN}{value}{CLOSE}"


def clause(product: str, attribute: str, value: str, refusal: str = ABSENT) -> str:
    """Return 'the K of E is v', or its refusal where there is no value, without a full stop."""
    said = marked(value) if value else marked(refusal.removeprefix("is "))
    return f"the {attribute} of {product} is {said}"


def listed(parts: Sequence[str]) -> str:
    """Return parts as 'a', 'a and b' or 'a, b and c'."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(parts: Sequence[str]) -> str:
    """Return parts as one sentence with a capital and a full stop."""
    text = listed(parts)
    return f"{text[0].upper()}{text[1:]}."


class Asker:
    """Asks about products in one wording, and answers from what is stated.

    Args:
        wording: How often held-out phrasings are used.
        refusal: The words of a refusal.
    """

    def __init__(self, rng: random.Random, wording: Wording, refusal: str = ABSENT) -> None:
        self.rng = rng
        self.wording = wording
        self.refusal = refusal

    def _noun(self, attribute: str) -> tuple[str, bool]:
        entry = ATTRIBUTES[attribute]
        return self.wording.pick(self.rng, entry.nouns, entry.held_nouns)

    def one_fact(self, product: Product, attribute: str, *, stated: bool = True) -> WorldQuestion:
        """Ask for one attribute."""
        entry = ATTRIBUTES[attribute]
        if self.rng.random() < 0.4:
            template, held = self.wording.pick(self.rng, entry.questions, entry.held_questions)
            text = template.format(E=product.name)
        else:
            template, held = self.wording.pick(self.rng, QUESTIONS, HELD_QUESTIONS)
            noun, unseen = self._noun(attribute)
            text, held = template.format(E=product.name, K=noun), held or unseen
        value = product.values[attribute] if stated else ""
        also = self.rng.choice(entry.statements).format(E=product.name, v=value) if stated else ""
        answer = sentence([clause(product.name, attribute, value, self.refusal)])
        return WorldQuestion(text, "one_fact", answer, also, (Fact("value", product.name, attribute, value),), held)

    def several_facts(self, product: Product, attributes: Sequence[str], stated: Sequence[bool]) -> WorldQuestion:
        """Ask for two or three attributes at once."""
        nouns = [self._noun(attribute) for attribute in attributes]
        template, held = self.wording.pick(self.rng, SEVERAL, HELD_SEVERAL)
        text = template.format(E=product.name, L=listed([f"the {noun}" for noun, _ in nouns]).removeprefix("the "))
        values = [product.values[a] if s else "" for a, s in zip(attributes, stated, strict=True)]
        clauses = [clause(product.name, a, v, self.refusal) for a, v in zip(attributes, values, strict=True)]
        also = ""
        if all(stated):
            also = f"For {product.name}: {listed([f'{a} {v}' for a, v in zip(attributes, values, strict=True)])}."
        facts = tuple(Fact("value", product.name, a, v) for a, v in zip(attributes, values, strict=True))
        form = "two_facts" if len(attributes) == 2 else "three_facts"
        return WorldQuestion(text, form, sentence(clauses), also, facts, held or any(unseen for _, unseen in nouns))

    def procedure(self, product: Product, task: str, *, stated: bool = True) -> WorldQuestion:
        """Ask for the steps of a task."""
        template, held = self.wording.pick(self.rng, PROCEDURE, HELD_PROCEDURE)
        text = template.format(E=product.name, T=task)
        lead = f"The steps to {task} {product.name} are"
        if not stated:
            refusal = self.refusal.removeprefix("is ")
            return WorldQuestion(
                text, "procedure", f"{lead} {marked(refusal)}.", "", (Fact("step", product.name, task, ""),), held
            )
        steps = product.tasks[task]
        answer = f"{lead}: {', '.join(marked(step) for step in steps)}."
        also = f"First {steps[0]}, then {steps[1]} and finally {steps[2]}."
        return WorldQuestion(
            text, "procedure", answer, also, tuple(Fact("step", product.name, task, s) for s in steps), held
        )

    def feature(self, product: Product, feature: str, *, stated: bool = True) -> WorldQuestion:
        """Ask whether a feature is included."""
        template, held = self.wording.pick(self.rng, FEATURE, HELD_FEATURE)
        text = template.format(E=product.name, F=feature)
        lead = f"For {product.name}, {feature}"
        if not stated:
            answer = f"{lead} is {marked(self.refusal.removeprefix('is '))}."
            return WorldQuestion(text, "yes_no", answer, "", (Fact("feature", product.name, feature, ""),), held)
        verdict = "yes" if product.features[feature] else "no"
        said = "included" if verdict == "yes" else "not included"
        answer = f"{lead} is {marked(said)}, so {marked(verdict)}."
        also = f"{verdict.capitalize()}, {feature} is {said} with {product.name}."
        return WorldQuestion(text, "yes_no", answer, also, (Fact("feature", product.name, feature, verdict),), held)

    def yes_no(self, product: Product, attribute: str, *, stated: bool = True) -> WorldQuestion:
        """Ask whether an attribute has a value, or is above or below one."""
        rng, entry = self.rng, ATTRIBUTES[attribute]
        value = product.values[attribute]
        test = rng.choice(("equal", "more", "less")) if entry.numeric else "equal"
        other = near_value(value, rng) if entry.numeric and rng.random() < 0.4 else another_value(attribute, value, rng)
        if test == "equal" and rng.random() < 0.5:
            other = value
        trained, held_out = {"equal": (EQUAL, HELD_EQUAL), "more": (MORE, HELD_MORE), "less": (LESS, HELD_LESS)}[test]
        template, held = self.wording.pick(rng, trained, held_out)
        noun, unseen = self._noun(attribute)
        text, held = template.format(E=product.name, K=noun, v=other), held or unseen
        if not stated:
            answer = sentence([clause(product.name, attribute, "", self.refusal)])
            return WorldQuestion(text, "yes_no", answer, "", (Fact("value", product.name, attribute, ""),), held)
        holds = {"equal": value == other, "more": number(value) > number(other), "less": number(value) < number(other)}
        verdict = "yes" if holds[test] else "no"
        answer = f"{sentence([clause(product.name, attribute, value)])[:-1]}, so {marked(verdict)}."
        also = f"{verdict.capitalize()}, the {attribute} of {product.name} is {value}."
        facts = (Fact("value", product.name, attribute, value), Fact("verdict", product.name, attribute, verdict))
        return WorldQuestion(text, "yes_no", answer, also, facts, held)

    def comparison(
        self, one: Product, other: Product, attribute: str, stated: tuple[bool, bool] = (True, True)
    ) -> WorldQuestion:
        """Ask which of two products has the higher or the lower value; the values must differ."""
        higher = self.rng.random() < 0.5
        template, held = self.wording.pick(self.rng, *((HIGHER, HELD_HIGHER) if higher else (LOWER, HELD_LOWER)))
        noun, unseen = self._noun(attribute)
        text = template.format(E=one.name, G=other.name, K=noun)
        values = [p.values[attribute] if s else "" for p, s in zip((one, other), stated, strict=True)]
        body = sentence([clause(p.name, attribute, v, self.refusal) for p, v in zip((one, other), values, strict=True)])
        facts = tuple(Fact("value", p.name, attribute, v) for p, v in zip((one, other), values, strict=True))
        if not all(stated):
            return WorldQuestion(text, "comparison", body, "", facts, held or unseen)
        first_wins = (number(values[0]) > number(values[1])) == higher
        winner = one.name if first_wins else other.name
        word = "higher" if higher else "lower"
        also = f"{winner} has the {word} {attribute}: {one.name} has {values[0]} and {other.name} has {values[1]}."
        facts = (*facts, Fact("choice", winner, attribute, winner))
        return WorldQuestion(text, "comparison", f"{body[:-1]}, so {marked(winner)}.", also, facts, held or unseen)


def number(value: str) -> int:
    """Return the number in a value, 0 where there is none."""
    return int("".join(c for c in value if c.isdigit()) or 0)


def near_value(value: str, rng: random.Random) -> str:
    """Return a value of one changed digit, the look-alike of a numeric or code value."""
    places = [i for i, c in enumerate(value) if c.isdigit()]
    if not places:
        return value
    place = rng.choice(places)
    least = 1 if place == places[0] else 0
    digit = rng.choice([d for d in range(least, 10) if str(d) != value[place]])
    return f"{value[:place]}{digit}{value[place + 1 :]}"


def another_value(attribute: str, value: str, rng: random.Random) -> str:
    """Return another value an attribute can have."""
    while (drawn := draw_value(ATTRIBUTES[attribute], rng)) == value:
        pass
    return drawn


def several(attributes: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Return attributes whose values cannot be confused: each of another unit; fewer where there are none."""
    chosen: list[str] = []
    for attribute in rng.sample(attributes, len(attributes)):
        units = {(ATTRIBUTES[a].unit, ATTRIBUTES[a].unit_word) for a in chosen}
        if (ATTRIBUTES[attribute].unit, ATTRIBUTES[attribute].unit_word) not in units and len(chosen) < count:
            chosen.append(attribute)
    return chosen
