"""Answers of known worth, from which the pocket judge learns and against which it is measured."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragft.pocket.world_catalog import ATTRIBUTES, OBJECTS, VERBS
from ragft.pocket.world_products import (
    HELD_STATEMENTS,
    STATEMENTS,
    Product,
    Wording,
    draw_product,
)
from ragft.pocket.world_questions import Asker, Fact, WorldQuestion, another_value, listed, near_value, plain, several

REFUSALS = (
    "I do not know.",
    "The documents do not say.",
    "This is not in the documents.",
    "I cannot answer that.",
    "There is no information on this.",
)
HELD_REFUSALS = ("Sorry, I could not find anything about it.", "The passages do not mention it.")
EMPTY = ("", "...", "Yes, of course.", "Thank you for your question.", "n/a", "I can help you with that.")


@dataclass(frozen=True, slots=True)
class Grade:
    """What an answer says, fact by fact.

    Attributes:
        right: Facts stated as they are.
        wrong: Facts stated otherwise, or made up.
        missing: Facts not stated.
        refused: Whether the answer says that it cannot answer, and states nothing.
    """

    right: int
    wrong: int
    missing: int
    refused: bool = False

    @property
    def correct(self) -> bool:
        """Whether every fact is right and nothing is wrong."""
        return self.wrong == 0 and self.missing == 0

    @property
    def accuracy(self) -> int:
        """The grade from 1 to 5: 5 minus 4 times the wrong and 2 times the missing share; 1 if nothing is right."""
        facts = self.right + self.wrong + self.missing
        return 1 if self.right == 0 else math.floor(5.5 - (4 * self.wrong + 2 * self.missing) / facts)

    @property
    def completeness(self) -> int:
        """The programmatic grade from 1 to 5: 1 plus 4 times the share of facts that are right."""
        return math.floor(1.5 + 4 * self.right / (self.right + self.wrong + self.missing))


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """An answer to grade, with the reasoning and the grades it deserves.

    Attributes:
        kind: How the answer was made, for slices ("right", "near", "partial", "refusal", ...).
        facts: What the question asks for, and whether there is an answer.
    """

    question: str
    references: tuple[str, ...]
    answer: str
    reason: str
    grade: Grade
    kind: str
    facts: tuple[Fact, ...]
    answerable: bool


def judge_item(rng: random.Random, product: Product, other: Product, wording: Wording) -> JudgeItem:
    """Return an item about a product; ``other``, of the same kind, lends wrong answers."""
    asker = Asker(rng, wording)
    ask = _any_ask(asker, product, other, answerable=rng.random() > 0.1)
    references: tuple[str, ...] = (plain(ask.answer),)
    if ask.also and rng.random() < 0.6:
        references = (*references, ask.also) if rng.random() < 0.7 else (ask.also,)
    modes = ("facts", "refusal", "elsewhere", "echo", "empty", "babble")
    mode = rng.choices(modes, (0.71, 0.1, 0.09, 0.03, 0.03, 0.04))[0]
    if mode == "facts":
        return _stating(ask, references, product, wording, rng)
    if mode == "elsewhere":
        return _elsewhere(ask, references, product, other, wording, rng)
    if mode == "refusal":
        text = plain(_absent_ask(ask)) if rng.random() < 0.5 else wording.pick(rng, REFUSALS, HELD_REFUSALS)[0]
        claims = ["unknown" if not ask.answerable else ""] * len(_graded(ask))
        return _item(ask, references, text, claims, "refusal", refused=True)
    text = _babble(ask, rng) if mode == "babble" else ask.text if mode == "echo" else rng.choice(EMPTY)
    if text.startswith("Yes") and any(f.type in ("verdict", "feature") for f in ask.facts):
        text = "..."  # a yes is a claim there
    return _item(ask, references, text, [""] * len(_graded(ask)), mode)


def _babble(ask: WorldQuestion, rng: random.Random) -> str:
    """Return words that state nothing: made up, or a thing named and not said."""
    if rng.random() < 0.4:
        return f"The {ask.facts[0].attribute}."
    # Without n and y, lest a word be a no or a yes.
    return " ".join("".join(rng.choices("aeioubdfgklmprst", k=rng.randint(2, 7))) for _ in range(rng.randint(1, 9)))


def _any_ask(asker: Asker, product: Product, other: Product, *, answerable: bool) -> WorldQuestion:
    rng = asker.rng
    numeric = [a for a in product.values if ATTRIBUTES[a].numeric and product.values[a] != other.values[a]]
    form = rng.choices(("one", "several", "procedure", "feature", "yes_no", "comparison"), (40, 24, 10, 5, 12, 9))[0]
    attribute = rng.choice(tuple(product.values))
    if form == "several":
        chosen = several(tuple(product.values), rng.choice((2, 2, 3)), rng)
        return asker.several_facts(product, chosen, [answerable] * len(chosen))
    if form == "procedure":
        return asker.procedure(product, rng.choice(tuple(product.tasks)), stated=answerable)
    if form == "feature":
        return asker.feature(product, rng.choice(tuple(product.features)), stated=answerable)
    if form == "yes_no":
        return asker.yes_no(product, attribute, stated=answerable)
    if form == "comparison":
        return asker.comparison(product, other, rng.choice(numeric), (answerable, answerable))
    return asker.one_fact(product, attribute, stated=answerable)


def _absent_ask(ask: WorldQuestion) -> str:
    fact = ask.facts[0]
    if fact.type == "step":
        return f"The steps to {fact.attribute} {fact.product} are not in the documents."
    if fact.type == "feature":
        return f"For {fact.product}, {fact.attribute} is not in the documents."
    asked = [f for f in ask.facts if f.type == "value"]
    text = listed([f"the {f.attribute} of {f.product} is not in the documents" for f in asked])
    return f"{text[0].upper()}{text[1:]}."


def _graded(ask: WorldQuestion) -> tuple[Fact, ...]:
    """Return the facts an answer is graded on: what cannot be answered counts as one."""
    return ask.facts if ask.answerable else (replace(ask.facts[0], value="unknown"),)


def _item(
    ask: WorldQuestion,
    references: tuple[str, ...],
    text: str,
    claims: Sequence[str],
    kind: str,
    *,
    refused: bool = False,
) -> JudgeItem:
    facts = _graded(ask)
    verdicts = [
        "missing" if not c else "right" if c == f.value else "wrong" for f, c in zip(facts, claims, strict=True)
    ]
    grade = Grade(verdicts.count("right"), verdicts.count("wrong"), verdicts.count("missing"), refused)
    reason = "; ".join(
        f"reference {fact.value}, answer {claim or 'none'}: {verdict}"
        for fact, claim, verdict in zip(facts, claims, verdicts, strict=True)
    )
    return JudgeItem(ask.text, references, text, f"{reason}.", grade, kind, ask.facts, ask.answerable)


def _wrong(fact: Fact, product: Product, other: Product | None, rng: random.Random) -> tuple[str, str]:
    """Return a false value of a fact, and whether it is a look-alike ("near") or just another ("other")."""
    if fact.type in ("verdict", "feature"):
        return ("no" if fact.value == "yes" else "yes"), "other"
    if fact.type == "step":
        verb, thing = fact.value.split(" ", 1)
        verb_changes = rng.random() < 0.3
        words = [w for w in (VERBS if verb_changes else OBJECTS) if w not in (verb, thing)]
        return (f"{rng.choice(words)} {thing}", "near") if verb_changes else (f"{verb} {rng.choice(words)}", "other")
    if fact.type == "choice":
        return (other.name if other and other.name != fact.value else product.name), "other"
    near = near_value(fact.value, rng) if fact.attribute in ATTRIBUTES else fact.value
    if near != fact.value and rng.random() < 0.6:
        return near, "near"
    return another_value(fact.attribute, fact.value, rng), "other"


def _stating(
    ask: WorldQuestion, references: tuple[str, ...], product: Product, wording: Wording, rng: random.Random
) -> JudgeItem:
    """Return an item whose answer states each fact rightly, wrongly or not at all."""
    if not ask.answerable:
        return _made_up(ask, references, wording, rng)
    claims: list[str] = []
    kinds: list[str] = []
    all_right = rng.random() < 0.35
    several_facts = len(ask.facts) > 1
    rivals = [f.product for f in ask.facts if f.type == "value" and f.product != product.name]
    for fact in ask.facts:
        draw = 0.0 if all_right else rng.random()
        if draw < 0.45:
            claims.append(fact.value)
            kinds.append("right")
        elif several_facts and draw > 0.75:
            claims.append("")
            kinds.append("partial")
        else:
            other = replace(product, name=rivals[0]) if rivals else None
            false, kind = _wrong(fact, product, other, rng)
            claims.append(false)
            kinds.append(kind)
    if not any(claims):
        claims[0], kinds[0] = ask.facts[0].value, "right"
    text = word_answer(ask, claims, wording, rng)
    kind = next((k for k in ("near", "other", "partial") if k in kinds), "right")
    return _item(ask, references, text, claims, kind)


def _made_up(ask: WorldQuestion, references: tuple[str, ...], wording: Wording, rng: random.Random) -> JudgeItem:
    fact = ask.facts[0]
    if fact.type == "value":
        value = another_value(fact.attribute, "", rng)
        made = replace(ask, facts=(replace(fact, value=value),))
        return _item(ask, references, word_answer(made, [value], wording, rng), [value], "other")
    if fact.type == "feature":
        value = rng.choice(("yes", "no"))
        made = replace(ask, facts=(replace(fact, value=value),))
        return _item(ask, references, word_answer(made, [value], wording, rng), [value], "other")
    step = f"{rng.choice(VERBS)} {rng.choice(OBJECTS)}"
    made = replace(ask, facts=(replace(fact, value=step),))
    return _item(ask, references, word_answer(made, [step], wording, rng), [step], "other")


def _elsewhere(
    ask: WorldQuestion,
    references: tuple[str, ...],
    product: Product,
    other: Product,
    wording: Wording,
    rng: random.Random,
) -> JudgeItem:
    """Return an item whose answer belongs to another question or product."""
    asker = Asker(rng, wording)
    asked = {f.attribute for f in ask.facts}
    rest = [a for a in product.values if a not in asked]
    compared = any(f.product == other.name for f in ask.facts)
    if rng.random() < 0.5 or compared:
        text = plain(asker.one_fact(product, rng.choice(rest)).answer)
    else:
        stranger = draw_product(other.name, rng, product.kind)
        fact = ask.facts[0]
        attribute = fact.attribute if fact.type == "value" else rng.choice(rest)
        text = plain(asker.one_fact(stranger, attribute).answer)
    return _item(ask, references, text, [""] * len(_graded(ask)), "elsewhere")


def word_answer(ask: WorldQuestion, claims: Sequence[str], wording: Wording, rng: random.Random) -> str:
    """Return an answer that claims a value for each fact ("" for none), in one of many wordings."""
    said = [(f, c) for f, c in zip(ask.facts, claims, strict=True) if c]
    steps = [c for f, c in said if f.type == "step"]
    if steps:
        return _word_steps(ask.facts[0], steps, rng)
    if ask.facts[0].type == "feature":
        return _word_feature(ask.facts[0], claims[0], rng)
    ends = [c for f, c in said if f.type in ("verdict", "choice")]
    values = [(f, _reworded(c, rng)) for f, c in said if f.type == "value"]
    if not values:
        return rng.choice((f"{ends[0][0].upper()}{ends[0][1:]}.", f"So {ends[0]}."))
    body = _word_values(values, wording, rng, alone=len(ask.facts) == 1)
    if not ends:
        return body
    if ask.form == "yes_no" and rng.random() < 0.5:
        return f"{ends[0].capitalize()}, {body if body[0].isdigit() else body[0].lower() + body[1:]}"
    return f"{body.rstrip('.')}, so {ends[0]}."


def _word_values(values: Sequence[tuple[Fact, str]], wording: Wording, rng: random.Random, *, alone: bool) -> str:
    style = rng.random()
    if alone and style < 0.2:
        value = values[0][1]
        return rng.choice((f"It is {value}.", f"{value}", f"{value}.", f"That is {value}."))
    if style < 0.55:
        parts = [f"the {_noun(f, wording, rng)} of {f.product} is {v}" for f, v in values]
        text = listed(parts)
        return f"{text[0].upper()}{text[1:]}."
    sentences = []
    for fact, value in values:
        entry = ATTRIBUTES[fact.attribute]
        if rng.random() < 0.5:
            template = wording.pick(rng, entry.statements, entry.held_statements)[0]
        else:
            template = wording.pick(rng, STATEMENTS[:5], HELD_STATEMENTS)[0]
        sentences.append(template.format(E=fact.product, K=_noun(fact, wording, rng), v=value))
    return " ".join(sentences)


def _noun(fact: Fact, wording: Wording, rng: random.Random) -> str:
    entry = ATTRIBUTES[fact.attribute]
    return wording.pick(rng, entry.nouns, entry.held_nouns)[0]


def _reworded(value: str, rng: random.Random) -> str:
    """Return a value, an amount of dollars sometimes in words."""
    if value.startswith("$") and rng.random() < 0.15:
        return f"{value[1:]} dollars"
    return value


def _word_steps(fact: Fact, steps: Sequence[str], rng: random.Random) -> str:
    lead = f"The steps to {fact.attribute} {fact.product} are: "
    style = rng.random()
    if style < 0.5:
        return f"{lead}{', '.join(steps)}."
    if style < 0.8:
        return f"First {' then '.join(steps)}."
    return f"To {fact.attribute} {fact.product}, {listed(steps)}."


def _word_feature(fact: Fact, verdict: str, rng: random.Random) -> str:
    said = "included" if verdict == "yes" else "not included"
    return rng.choice(
        (
            f"For {fact.product}, {fact.attribute} is {said}, so {verdict}.",
            f"{verdict.capitalize()}, {fact.attribute} is {said} with {fact.product}.",
            f"{verdict.capitalize()}.",
            f"{fact.attribute[0].upper()}{fact.attribute[1:]} is {said}.",
        )
    )
