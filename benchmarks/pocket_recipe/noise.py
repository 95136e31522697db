"""Phrasings that nobody uses: trained ones with words replaced, dropped, added and moved.

A model that has only met whole templates stumbles over any other. Among made-up words, only the name,
the attribute and the value are left to hold on to, and that is what it should read.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ragft.pocket.world_products import Wording

_CONSONANTS, _VOWELS = "bdfghjklmnprstvwz", "aeiou"
_LITTLE = "the of with for about I you it do know me my is are to and a in on can we".split()  # noqa: SIM905
# Words that decide what is asked or said.
_KEPT = frozenset(
    "higher lower more less above below not without include includes included comes come part".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class NoisyWording(Wording):
    """Trained phrasings, a share of them disturbed."""

    noise: float = 0.5

    def pick(self, rng: random.Random, trained: Sequence[str], held: Sequence[str]) -> tuple[str, bool]:  # noqa: ARG002
        """Return a trained phrasing, perhaps disturbed; never a held-out one."""
        text = rng.choice(trained)
        return (disturbed(text, rng) if rng.random() < self.noise else text), False


def disturbed(template: str, rng: random.Random) -> str:
    """Return a template with its placeholders and deciding words, and noise for other words."""
    if "{" not in template:
        *kept, _ = template.split(" ")
        return template if template.endswith(".") or not kept else " ".join([*kept, made_up(rng)])
    generic = any(mark in template for mark in ("{K}", "{L}", "{F}", "{T}"))
    rate = 0.55 if generic else 0.2
    words: list[str] = []
    for word in template.split(" "):
        if "{" in word or word.strip(".,?:").lower() in _KEPT:
            words.append(word)
            continue
        draw = rng.random()
        if draw >= rate:
            words.append(word)
        elif draw < 0.6 * rate:
            words.append(made_up(rng) if rng.random() < 0.7 else rng.choice(_LITTLE))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 4))):
        words.insert(rng.choice((0, rng.randrange(len(words) + 1))), made_up(rng))
    if generic and "{1}" not in template and "{G}" not in template and rng.random() < 0.35:
        words = _moved(words, rng)
    text = " ".join(words)
    return text[0].upper() + text[1:]


def made_up(rng: random.Random) -> str:
    """Return a word that does not exist."""
    word = "".join(rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in range(rng.choice((1, 2, 2, 3))))
    end: str = rng.choice(["", "", *_CONSONANTS[:8]])
    return word + end


def _moved(words: Sequence[str], rng: random.Random) -> list[str]:
    """Return the words in pieces of one placeholder each, the pieces in any order."""
    pieces: list[list[str]] = [[]]
    for word in words:
        pieces[-1].append(word.rstrip(".?,:") if "{" in word else word)
        if "{" in word:
            pieces.append([])
    rng.shuffle(pieces)
    end = "?" if words[-1].endswith("?") else "."
    return (
        [*(word for piece in pieces for word in piece), end]
        if rng.random() < 0.3
        else [word for piece in pieces for word in piece]
    )
