"""Whether a judge likes long answers: some of the evaluation's are padded to twice their length and graded again."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragft.judging.canaries import is_checkable
from ragft.judging.g_eval import Item, Judged, is_empty
from ragft.prompts.criterion import Criterion
from ragft.types import digest

MOST_ANSWERS = 20
# .15 points on a scale from 1 to 5, and the same share of any other scale.
MOST_SHIFT = 0.15 / 4
# It says nothing, so it makes an answer neither better nor worse.
PADDING = (
    "That is the answer to the question that was asked here, and it has been written down in this place as an answer "
    "to that question, which is what was asked for, as can be seen from the question itself."
)


@dataclass(frozen=True, slots=True)
class Padded:
    """How padding moved a criterion's scores.

    Attributes:
        n: Answers that were scored both ways.
        shift: Mean change, in score points; above 0 where padding helped.
        most: Up to this change there is no warning.
    """

    criterion: str
    n: int
    shift: float
    most: float

    @property
    def warning(self) -> str:
        """The warning; "" where the shift is small."""
        if abs(self.shift) <= self.most:
            return ""
        likes = "likes" if self.shift > 0 else "dislikes"
        return (
            f"{self.criterion}: the judge {likes} long answers: the same ones padded to twice their length score "
            f"{self.shift:+.2f} ({self.n} answers; up to {self.most:.2f} is expected)"
        )


def choose(items: Sequence[Item], *, most: int = MOST_ANSWERS) -> list[int]:
    """Return the positions of at most ``most`` answers, the same ones for the same evaluation."""
    there = [index for index, item in enumerate(items) if not is_empty(item.answer)]
    return sorted(there, key=lambda index: digest(["padded", items[index].question]))[:most]


def padded(item: Item) -> Item:
    """Return the item with its answer padded to twice as many words; the second half says nothing."""
    more = itertools.islice(itertools.cycle(PADDING.split()), max(1, len(item.answer.split())))
    return replace(item, answer=f"{item.answer.rstrip()} {' '.join(more)}")


def check_padding(
    places: Sequence[int], judged: Judged, longer: Judged, criteria: Sequence[Criterion]
) -> dict[str, Padded]:
    """Return how padding moved each criterion that the canaries can check.

    Args:
        places: Which of the evaluation's answers were padded.
        judged: The evaluation's judgements.
        longer: The judgements of the padded answers, in the order of ``places``.
        criteria: The evaluation's criteria.
    """
    found = {}
    for criterion in filter(is_checkable, criteria):
        before = [judged.scores[criterion.name][place].value for place in places]
        after = [score.value for score in longer.scores[criterion.name]]
        shifts = [b - a for a, b in zip(before, after, strict=True) if a is not None and b is not None]
        if shifts:
            most = MOST_SHIFT * criterion.range
            found[criterion.name] = Padded(criterion.name, len(shifts), statistics.fmean(shifts), most)
    return found
