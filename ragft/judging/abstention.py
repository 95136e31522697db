"""Whether an answer abstains, and whether it should: a table of two by two."""

import re
from collections.abc import Iterable

_NOT = r"(?:not|n['’]t)"
_ABSTAINS = re.compile(
    rf"\b(?:is|are|was|were|has|have)\s?{_NOT} (?:been )?(?:\w+ )?(?:in the|contained|mentioned|stated|known|found|"
    r"available|given|specified|provided|listed|covered|answered|described|discussed|disclosed)\b"
    rf"|\b(?:do|does|did)\s?{_NOT} (?:\w+ )?(?:say|mention|contain|know|state|specify|provide|give|tell|cover|include|"
    r"describe|discuss|have (?:enough|an answer|any|the (?:information|answer|ability|capability|means|data|details)|"
    r"information|access))"
    r"|\b(?:(?:can|could)(?:\s?not|n?['’]t)|unable to|impossible to) (?:be )?(?:\w+ )?"
    r"(?:find|found|answer|answered|tell|say|determine|determined)"
    rf"|\b(?:am|'m|are|is)\s?{_NOT} (?:\w+ )?(?:equipped|able|capable|designed|qualified) (?:to|of)\b"
    r"|\b(?:there is )?no (?:information|answer|mention|evidence|indication)\b"
    r"|\b(?:unknown|unanswerable|unsure|not (?:sure|certain))\b",
    re.IGNORECASE,
)
# The whole of an answer that says that there is none, as programs and people who fill in cells do: words, or a sign. No
# part gives back what it took: an answer of 20,000 dashes and a letter took 3 seconds otherwise.
_BARE = re.compile(
    r"\W*+(?:n/?a|none|null|nan|nothing"
    r"|not (?:found|mentioned|available|applicable|stated|given|specified|provided)"
    r"|(?:insufficient|not enough) (?:information|data))\W*+"
    r"|[\s\"'.:]*+[^\w\s\"'.:]\W*+",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|[;\n]+|,? (?=but |however,? )", re.IGNORECASE)
_GOES_ON = re.compile(r"(?:but|however|still|nevertheless)\b", re.IGNORECASE)
# "The answer to the question is:" and the like, with nothing behind it.
_LEAD = re.compile(
    rf"(?:(?:the )?answer (?:to (?:this|the|your) question )?is\b(?! {_NOT}\b)[\s:.\"']*)+(?:the(?: answer)?$)?",
    re.IGNORECASE,
)
# Sentences that an assistant puts around its refusal.
_POLITE = re.compile(
    r"(?:but |however,? )?(?:as an? [^,]*, )?"
    r"(?:(?:i am |i'm )?sorry\b"
    r"|(?:i am|i'm|i can|i'll|i will|i'd be) (?:\w+ )?(?:here to |happy to |glad to )?"
    r"(?:assist|help|designed|provide assistance)\b"
    r"|(?:i am|i'm) (?:not )?an? (?:\w+ ){0,2}(?:ai|tool|machine|chatbot|translator|helpful)\b"
    r"|(?:i am|i'm) not$"
    r"|if you (?:need|have|would like|are|'re)\b)",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r", (?:and )?| and ")
_SUBORDINATE = re.compile(
    r"(?:although|though|while|since|as|because|if|that|which|whether|when|so|but)\b", re.IGNORECASE
)
_STATES = re.compile(rf"\b(?:is|are|was|were|costs?|lasts?|takes?) (?!{_NOT}\b|no\b|unknown)\S", re.IGNORECASE)

ABSTENTION_CELLS = ("answered_answerable", "answered_unanswerable", "abstained_answerable", "abstained_unanswerable")


def abstains(answer: str, question: str = "") -> bool:
    """Return whether an answer states nothing of what was asked.

    It is empty, a bare "N/A", or only the ``question`` again, or it begins by saying that it has no answer (perhaps
    after an apology), states nothing beside that ("A is $15 and B is not in the documents" does) and does not go on
    with "but".

    A rule over English wording: it does not see an abstention in other words or other languages. How often it is
    right stands in docs/metrics.md, made from answers that were labelled by hand (``tests/data/abstention``).
    """
    if is_bare(answer):
        return True
    said = _LEAD.sub("", answer.strip(), count=1)
    if question and _letters(said) == _letters(question):
        return True
    parts = [part.strip() for part in _SENTENCE_END.split(said) if part.strip(" \"'.:")]
    spoken = [part for part in parts if not _polite(part)]
    if not spoken:
        return True
    first, *rest = spoken
    return (
        _found(first)
        and not _states_beside(first)
        and not any(_GOES_ON.match(part) for part in rest if not _found(part))
    )


def is_bare(answer: str) -> bool:
    """Return whether the whole of an answer is a mark or a word or two that say there is none: "N/A", "Not found."."""
    return _BARE.fullmatch(answer) is not None


def abstention_table(answers: Iterable[tuple[str, str, bool]]) -> dict[str, float]:
    """Return how many answers were given and withheld, by whether the question has one; nothing without answers.

    Args:
        answers: The answer, its question, and whether the documents hold one.
    """
    counts: dict[str, float] = {}
    for text, question, answerable in answers:
        counts = counts or dict.fromkeys(ABSTENTION_CELLS, 0.0)
        counts[f"{'abstained' if abstains(text, question) else 'answered'}_{'' if answerable else 'un'}answerable"] += 1
    return counts


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _polite(sentence: str) -> bool:
    return bool(_POLITE.match(sentence)) and not _found(sentence)


def _states_beside(sentence: str) -> bool:
    """Return whether a clause of a sentence that abstains states something itself."""
    clauses = [clause.strip() for clause in _CLAUSE_END.split(sentence)]
    return any(_STATES.search(clause) and not _found(clause) and not _SUBORDINATE.match(clause) for clause in clauses)


def _found(sentence: str) -> bool:
    return _ABSTAINS.search(sentence) is not None
