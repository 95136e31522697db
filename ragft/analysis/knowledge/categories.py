"""What a base knew before training: the SliCK categories, and training sets with a given share of unknown facts.

Gekhman et al. (2024), "Does Fine-Tuning LLMs on New Knowledge Encourage Hallucinations?", arXiv 2405.05904. A question
is asked after several sets of solved examples, once greedily and several times by sampling; the shares of right
answers, P(T=0) and P(T>0), decide its category.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from scipy.special import ndtri

from ragft.data.splits import nested_subset
from ragft.errors import ConfigError
from ragft.types import Question

Category = Literal["HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
KNOWN: tuple[Category, ...] = CATEGORIES[:3]
NOT_APPLICABLE = "not applicable"
NOT_PROBED = "not probed"


@dataclass(frozen=True, slots=True)
class Estimate:
    """How often a base answered one question rightly.

    Attributes:
        greedy_asked: Greedy answers, one per set; ``sampled_asked``: sampled answers of all sets together.
    """

    greedy_right: int
    greedy_asked: int
    sampled_right: int
    sampled_asked: int

    @property
    def category(self) -> Category:
        """The SliCK category. It is a rule on two observed shares, so it is as uncertain as they are."""
        if self.greedy_right == self.greedy_asked:
            return "HighlyKnown"
        if self.greedy_right:
            return "MaybeKnown"
        return "WeaklyKnown" if self.sampled_right else "Unknown"

    @property
    def greedy_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of P(T=0), over sets as good as these."""
        return wilson(self.greedy_right, self.greedy_asked)

    @property
    def sampled_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of P(T>0), taking the samples as independent."""
        return wilson(self.sampled_right, self.sampled_asked)


def wilson(right: int, asked: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share (Journal of the American Statistical Association 22, 1927).

    Returns:
        (low, high) in [0, 1]; (0.0, 1.0) where nothing was asked.
    """
    if asked == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + level / 2))
    share, square = right / asked, z * z / asked
    middle = share + square / 2
    reach = z * math.sqrt(share * (1 - share) / asked + square / (4 * asked))
    return max(0.0, (middle - reach) / (1 + square)), min(1.0, (middle + reach) / (1 + square))


def count_categories(categories: Iterable[str]) -> dict[str, int]:
    """Return how many questions each category has: SliCK's four first, then those that were not asked, by reason."""
    counts = Counter(categories)
    return {
        name: counts[name] for name in (*CATEGORIES, NOT_APPLICABLE, NOT_PROBED) if counts[name] or name in CATEGORIES
    }


def known_and_unknown(
    questions: Sequence[Question], categories: Mapping[str, Category]
) -> tuple[list[Question], list[Question]]:
    """Return the questions that the base knew to any degree, and those it did not know; others are left out."""
    known = [question for question in questions if categories.get(question.id) in KNOWN]
    return known, [question for question in questions if categories.get(question.id) == "Unknown"]


def dose(
    questions: Sequence[Question],
    categories: Mapping[str, Category],
    samples: int,
    unknown_share: float,
    seed: int,
    command: str,
) -> tuple[Question, ...]:
    """Return ``samples`` questions of which a share was Unknown to the base and the rest Known.

    On each side the larger set contains the smaller one, so that only the dose changes.

    Args:
        questions: The train split.
        categories: Question id -> category, for the probed ones.
        samples: How many in all.
        unknown_share: In [0, 1]; the resulting number of questions is rounded.
        seed: Of the choice.
        command: How to probe more questions, for the message.

    Raises:
        ConfigError: If there are too few of either, naming how many there are.
    """
    known, unknown = known_and_unknown(questions, categories)
    wanted = round(samples * unknown_share)
    if wanted > len(unknown) or samples - wanted > len(known):
        probed = sum(question.id in categories for question in questions)
        raise ConfigError(
            f"samples={samples} with unknown_share={unknown_share:g} takes {samples - wanted} Known and {wanted} "
            f"Unknown questions; of {probed} probed ones of the train split {len(known)} are Known and "
            f"{len(unknown)} Unknown: use fewer samples or another share, or probe more questions: {command}"
        )
    parts = [(unknown, wanted), (known, samples - wanted)]
    return tuple(question for part, count in parts if count for question in nested_subset(part, count, seed))


def slices_by_category(questions: Sequence[Question], categories: Mapping[str, Category]) -> dict[str, list[str]]:
    """Return ``known: <category>`` -> ids of its questions: the slices of an evaluation; empty ones are left out."""
    slices = {f"known: {name}": [q.id for q in questions if categories.get(q.id) == name] for name in CATEGORIES}
    return {name: ids for name, ids in slices.items() if ids}
