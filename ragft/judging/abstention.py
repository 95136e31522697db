"""Whether an answer abstains, and whether it should: a table of two by two."""

import re
from collections.abc import Iterable

_NOT = r"(?:not|n['’]t)"
_ABSTAINS = re.compile(
    rf"\b(?:is|are|was|were|has|have)\s?{_NOT} (?:been )?(?:\w+ )?(?:in the|contained|mentioned|stated|known|found|"
    r"available|given|specified|provided|listed|covered|answered|described|discussed|disclosed)\b"
    rf"|\b(?:do|does|did)\s?{_NOT} (?:\w+ )?(?:say|mention|contain|know|state|specify|provide|give|tell|cover|include|"
    r"describe|discuss|have (?:enough|an answer|any|the|information))"
    r"|\b(?:(?:can|could)(?:\s?not|n?['’]t)|unable to|impossible to) (?:be )?(?:\w+ )?"
    r"(?:find|found|answer|answered|tell|say|determine|determined)"
    r"|\b(?:there is )?no (?:information|answer|mention|evidence|indication)\b"
    r"|\b(?:unknown|unanswerable|not sure)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[;\n]+|,? (?=but |however,? )", re.IGNORECASE)
_GOES_ON = re.compile(r"(?:but|however|still|nevertheless)\b", re.IGNORECASE)

ABSTENTION_CELLS = ("answered_answerable", "answered_unanswerable", "abstained_answerable", "abstained_unanswerable")


def abstains(answer: str) -> bool:
    """Return whether an answer gives none: it is empty, or begins by saying so and does not go on with "but".

    A rule over English wording: it does not see an abstention in other words or other languages.
    """
    first, *rest = [part.strip() for part in _SENTENCE_END.split(answer.strip()) if part.strip()] or [""]
    if re.match(r"(?:i am |i'm )?sorry\b[^.]*[.!]?$", first, re.IGNORECASE) and rest and not _found(first):
        first, *rest = rest
    return not first or (_found(first) and not any(_GOES_ON.match(part) for part in rest))


def abstention_table(answers: Iterable[tuple[str, bool]]) -> dict[str, float]:
    """Return how many answers were given and withheld, by whether the question has an answer; empty without answers.

    Args:
        answers: Text of each answer, and whether the documents hold one.
    """
    counts: dict[str, float] = {}
    for text, answerable in answers:
        counts = counts or dict.fromkeys(ABSTENTION_CELLS, 0.0)
        counts[f"{'abstained' if abstains(text) else 'answered'}_{'' if answerable else 'un'}answerable"] += 1
    return counts


def _found(sentence: str) -> bool:
    return _ABSTAINS.search(sentence) is not None
