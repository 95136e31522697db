"""Whether a rule that compares words is fair to both sides: it calls more short answers wrong that are right."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Where answers of SmolLM2-135M were read one by one (docs/real.md, "As read"), base against adapters, of answers of 33
# and of 2 to 9 words: the rule said up to so many points of 100 less of the adapters, and as much of the base.
MOST_TOO_LOW = 8
# Below, nothing is said. The study's adapters answer in a quarter of the base's words and less.
MOST_RATIO = 2.0


@dataclass(frozen=True, slots=True)
class Terse:
    """Two sides of which one answers in far fewer words.

    Attributes:
        shorter: The side that does, as people call it.
        longer: The other side.
        words: Words of a mean answer of each, the shorter side's first.
    """

    shorter: str
    longer: str
    words: tuple[float, float]

    @property
    def warning(self) -> str:
        """What that means for the rule."""
        few, many = self.words
        return (
            f"a rule that compares words says what is right, and answers of {self.shorter} are {few:.1f} words long "
            f"where those of {self.longer} are {many:.1f}. It calls more of the short ones wrong that are right in "
            f"words of their own: on a real model it was up to {MOST_TOO_LOW} points of 100 too low for such a side. "
            "What people say of some answers corrects it"
        )


def find_terse(answers: dict[str, Sequence[str]]) -> Terse | None:
    """Return the two sides, where the answers of one have less than half as many words as those of the other.

    Args:
        answers: Side -> its answers that the rule calls right or wrong, of two sides.
    """
    if not all(answers.values()):
        return None
    words = {side: statistics.fmean(len(answer.split()) for answer in said) for side, said in answers.items()}
    shorter, longer = sorted(words, key=words.__getitem__)
    if words[longer] <= MOST_RATIO * words[shorter]:
        return None
    return Terse(shorter, longer, (words[shorter], words[longer]))
