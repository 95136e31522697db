"""Programmatic truth: which facts an answer in free words states rightly, wrongly or not at all.

A fact counts as right when the answer gives its value with its unit, not negated, of the right attribute
and product where the answer names any, and with no other value beside it.
"""

# ruff: noqa: SIM905 - lists of words read best as words

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ragft.pocket.world_catalog import ATTRIBUTES, FIRST_WORDS, OBJECTS, SECOND_WORDS, VERBS, Attribute
from ragft.pocket.world_judging import Grade
from ragft.types import Question

_UNIT_WORDS = {
    "GB": r"gb|gigabytes?|gigs?",
    "Mbps": r"mbps|mbit/s|megabits? per second|megabits?",
    "minutes": r"minutes?|mins?",
    "seconds": r"seconds?|secs?",
    "hours": r"hours?|hrs?",
    "days": r"days?",
    "months": r"months?",
    "metres": r"metres?|meters?|m",
    "watts": r"watts?|w",
    "ports": r"ports?|sockets?",
    "texts": r"texts?|text messages|messages|sms",
}
_LONGER_UNITS = {"months": (r"years?", 12), "days": (r"weeks?", 7)}
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NEGATION = re.compile(r"\b(not|isn't|aren't|never|no longer|instead of|rather than|wrong to say)\b[^,.;]*$", re.I)
_BOUNDARY = re.compile(r"[;!?\n]|\.(?!\d)|,|\bbut\b|\bwhile\b|\bwhereas\b|\band\b", re.I)
_REFUSAL = re.compile(
    r"\b(?:is|are|was|were)(?: not|n't) (?:\w+ )?(?:in|contained|mentioned|stated|known|found|available|given|"
    r"specified|provided|listed|covered|answered)\b"
    r"|\b(?:do|does|did)(?: not|n't) (?:\w+ )?(?:say|mention|contain|know|state|specify|provide|give|tell|cover|"
    r"include (?:this|that|the answer))"
    r"|\b(?:can ?not|can't|could not|couldn't|unable to) (?:\w+ )?(?:find|answer|tell|say|determine)"
    r"|\bno (?:information|answer|mention)\b|\bunknown\b|\bunanswerable\b|\bnot sure\b|\bdon't know\b",
    re.I,
)
_QUESTION = re.compile(r"[^.!?\n]*\?")
_NAME = re.compile(rf"\b(?:{'|'.join(FIRST_WORDS)}) (?:{'|'.join(SECOND_WORDS)})\b", re.I)
_STEP = re.compile(rf"\b({'|'.join(VERBS)}) (?:the )?({'|'.join(OBJECTS)})\b", re.I)
_NOUNS = sorted(
    ((noun, a.noun) for a in ATTRIBUTES.values() for noun in (*a.nouns, *a.held_nouns)), key=lambda pair: -len(pair[0])
)
_NOUN = re.compile(rf"\b(?:{'|'.join(re.escape(noun) for noun, _ in _NOUNS)})\b", re.I)
_ATTRIBUTES_OF: dict[str, set[str]] = {}
for _noun, _attribute in _NOUNS:
    _ATTRIBUTES_OF.setdefault(_noun.lower(), set()).add(_attribute)


@dataclass(frozen=True, slots=True)
class Claim:
    """A value said in an answer.

    Attributes:
        value: In the words of the documents ("$24", "24 months").
        attributes: The attributes it is said of; empty when the answer names none.
        product: The product it is said of, in lower case; "" when the answer names none.
    """

    value: str
    attributes: frozenset[str]
    product: str


def grade(question: Question, answer: str) -> Grade:
    """Return what an answer states of the facts that a telecom question asks for.

    Where the documents do not hold the answer, the one thing to give is a refusal: a refusal is right,
    a stated value is wrong, and anything else is missing.

    Raises:
        KeyError: If the question does not come from the telecom world.
    """
    facts: Sequence[Mapping[str, Any]] = question.metadata["facts"]
    answer = _QUESTION.sub("", answer)  # a question states nothing
    verdicts = [_verdict(fact, facts, answer) for fact in facts if fact["type"] != "step"]
    steps = [fact["value"] for fact in facts if fact["type"] == "step"]
    if steps and question.answerable:
        verdicts += _step_verdicts(steps, answer)
    stated = "right" in verdicts or "wrong" in verdicts or bool(steps and _STEP.search(answer))
    refused = bool(_REFUSAL.search(answer)) and not stated
    if not question.answerable:
        return Grade(int(refused), int(stated), int(not refused and not stated), refused)
    return Grade(verdicts.count("right"), verdicts.count("wrong"), verdicts.count("missing"), refused)


def _verdict(fact: Mapping[str, Any], facts: Sequence[Mapping[str, Any]], answer: str) -> str:
    if fact["type"] in ("verdict", "feature"):
        said = _yes_or_no(answer, fact)
    elif fact["type"] == "choice":
        said = _choice(answer, [f["product"] for f in facts if f["type"] == "value"])
    else:
        said = _said_values(fact, facts, answer)
    return "missing" if not said else "right" if said == {fact["value"]} else "wrong"


def _yes_or_no(answer: str, fact: Mapping[str, Any]) -> set[str]:
    said = {
        word.lower()
        for word in re.findall(r"\b(yes|no)\b(?! (?:information|answer|mention|longer|more|less))", answer, re.I)
    }
    if said or fact["type"] == "verdict":
        return said
    feature = re.escape(fact["attribute"].split(" ", 1)[-1])
    if not re.search(feature, answer, re.I) or _REFUSAL.search(answer):
        return set()
    if re.search(
        r"\b(not (?:\w+ )?(?:include|included|part|come)|without|lacks|excludes?|excluded|n't include)", answer
    ):
        return {"no"}
    return {"yes"} if re.search(r"\b(includ\w+|comes? with|part of|has|offers)\b", answer) else set()


def _choice(answer: str, products: Sequence[str]) -> set[str]:
    """Return which of the products an answer decides for: after 'so', before 'has the higher', or named alone."""
    tail = re.search(r"\b(?:so|therefore|hence)\b,?(?: it is)? (.*)$", answer, re.I | re.S)
    lead = re.search(r"^(.*?) (?:has|is|costs) (?:the )?(?:higher|lower|more|less|cheaper|dearer|longer)", answer, re.I)
    text = tail[1] if tail else lead[1] if lead else answer if len(answer.split()) < 6 else ""
    return {p for p in products if re.search(rf"\b{p}\b", text, re.I)}


def _said_values(fact: Mapping[str, Any], facts: Sequence[Mapping[str, Any]], answer: str) -> set[str]:
    """Return the values that an answer states for a fact; values without an attribute are assigned in order."""
    claims = _claims(ATTRIBUTES[fact["attribute"]], answer)
    mine = [c for c in claims if _may_mean(c, fact)]
    rivals = [f for f in facts if f["type"] == "value" and f["attribute"] == fact["attribute"]]
    if len(rivals) > 1:  # two products compared: a claim that names none belongs to them in turn
        named = [c for c in mine if c.product]
        free = [c for c in mine if not c.product]
        place = next(i for i, rival in enumerate(rivals) if rival["product"] == fact["product"])
        mine = named or free[place : place + 1]
    return {c.value for c in mine}


def _may_mean(claim: Claim, fact: Mapping[str, Any]) -> bool:
    return (not claim.attributes or fact["attribute"] in claim.attributes) and (
        not claim.product or claim.product == fact["product"].lower()
    )


def _claims(attribute: Attribute, answer: str) -> list[Claim]:
    """Return every value of an attribute's unit that an answer states and does not negate."""
    text = _spelled(answer)
    borders = [0, *(m.end() for m in _BOUNDARY.finditer(text)), len(text)]
    claims: list[Claim] = []
    product = ""
    for begin, end in pairwise(borders):
        clause = text[begin:end]
        names = [m[0].lower() for m in _NAME.finditer(clause)]
        nouns = list(_NOUN.finditer(clause))
        for place, value in _values(attribute, clause):
            if _NEGATION.search(clause[:place]):
                continue
            nearest = min(nouns, key=lambda m: abs(m.start() - place), default=None)
            meant = frozenset(_ATTRIBUTES_OF[nearest[0].lower()]) if nearest else _by_statement(text, value, attribute)
            claims.append(Claim(value, meant, names[-1] if names else product))
        product = names[-1] if names else product
    return claims


def _values(attribute: Attribute, clause: str) -> Iterator[tuple[int, str]]:
    """Yield position and value of everything in a clause that could be a value of the attribute."""
    if attribute.unit == "money":
        for m in re.finditer(r"\$ ?(\d+)(?:\.00)?\b|\b(\d+)(?:\.00)? ?(?:dollars?|usd|\$)", clause, re.I):
            yield m.start(), f"${m[1] or m[2]}"
    elif attribute.unit == "count":
        for m in re.finditer(rf"\b(\d+)[ -]?(?:{_UNIT_WORDS[attribute.unit_word]})\b", clause, re.I):
            yield m.start(), f"{m[1]} {attribute.unit_word}"
        longer, factor = _LONGER_UNITS.get(attribute.unit_word, ("", 0))
        for m in re.finditer(rf"\b(\d+)[ -]?(?:{longer})\b", clause, re.I) if longer else ():
            yield m.start(), f"{int(m[1]) * factor} {attribute.unit_word}"
    elif attribute.unit == "code":
        pattern = re.escape(attribute.words[0]).replace("d", r"\d")
        for m in re.finditer(rf"(?<!\w){pattern}(?!\w)", clause):
            yield m.start(), m[0]
    else:
        for m in re.finditer(rf"\b({'|'.join(attribute.words)})\b(?! [A-Z])", clause):
            yield m.start(), m[0]


def _by_statement(text: str, value: str, attribute: Attribute) -> frozenset[str]:
    """Return whose sentence states the value: a phrasing of another attribute is no claim about this one."""
    patterns = _statement_patterns()
    own = any(p.search(text) and value in p.search(text)[0] for p in patterns[attribute.noun])  # type: ignore[index]
    if own:
        return frozenset({attribute.noun})
    meant = {
        noun
        for noun, others in patterns.items()
        if ATTRIBUTES[noun].unit == attribute.unit and ATTRIBUTES[noun].unit_word == attribute.unit_word
        for p in others
        if (m := p.search(text)) and value in m[0]
    }
    return frozenset(meant)


_patterns: dict[str, list[re.Pattern[str]]] = {}


def _statement_patterns() -> dict[str, list[re.Pattern[str]]]:
    if not _patterns:
        for attribute in ATTRIBUTES.values():
            for template in (*attribute.statements, *attribute.held_statements):
                pattern = re.escape(template.rstrip(".")).replace(r"\{E\}", _NAME.pattern)
                _patterns.setdefault(attribute.noun, []).append(
                    re.compile(pattern.replace(r"\{v\}", r"(?:[$*#]?\w+#?(?: \w+)?)"), re.I)
                )
    return _patterns


def _spelled(text: str) -> str:
    """Return the text with numbers in words as digits, up to ninety-nine, where a word follows them."""
    tens, small = "|".join(_TENS), "|".join(_SMALL)

    def digits(m: re.Match[str]) -> str:
        ten, one = m[1] or m[3] or "", m[2] or m[4] or ""
        value = (_TENS.index(ten.lower()) + 2) * 10 if ten else 0
        return str(value + (_SMALL.index(one.lower()) if one else 0))

    return re.sub(rf"\b(?:({tens})[ -]({small})|({tens})|({small}))\b(?=[ -]\w)", digits, text, flags=re.I)


def _step_verdicts(steps: Sequence[str], answer: str) -> list[str]:
    """Return a verdict for each step; other steps, or steps in another order, are wrong."""
    said = [f"{m[1].lower()} {m[2].lower()}" for m in _STEP.finditer(answer)]
    wanted = [step.lower() for step in steps]
    right = _in_order(wanted, said)
    wrong = min(len(said) - right, len(wanted) - right) if len(said) > right else 0
    extra = 1 if len(said) > len(wanted) and wrong == 0 else 0
    right -= extra
    return ["right"] * right + ["wrong"] * (wrong + extra) + ["missing"] * (len(wanted) - right - wrong - extra)


def _in_order(wanted: Sequence[str], said: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    lengths = [0] * (len(said) + 1)
    for want in wanted:
        before = lengths[:]
        for i, word in enumerate(said):
            lengths[i + 1] = before[i] + 1 if word == want else max(lengths[i], before[i + 1])
    return lengths[-1]
