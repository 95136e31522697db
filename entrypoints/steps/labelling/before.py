"""What is known of each question before people are asked: both answers, and how sure one is of their scores."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from entrypoints.steps.shared.compared import Contender, Sides, Task, decisive, side_of
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.labelled import pairs_of
from entrypoints.steps.shared.primaries import measured, values_of
from ragft.analysis.statistics.clusters import Array, cluster
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.side import pair_sides
from ragft.errors import ConfigError
from ragft.judging.g_eval import Item
from ragft.judging.outcomes import RIGHT, gradable
from ragft.prompts.criterion import Criterion
from ragft.types import Question, Score


@dataclass(frozen=True)
class Before:
    """Both sides of a comparison, as people could be asked about them.

    Attributes:
        data: What the questions are called.
        criteria: What decides and people can grade.
        pairs: Criterion -> scores of both sides, question by question.
        items: Question id -> the base's answer and the version's.
    """

    task: Task
    data: str
    deciding: Mapping[str, Evaluation]
    criteria: Sequence[Criterion]
    pairs: Mapping[str, Pairs]
    items: Mapping[str, tuple[Item, Item]]

    @property
    def version(self) -> Contender:
        """What is under test."""
        return self.task.version

    @property
    def against(self) -> Contender:
        """What it should replace."""
        return self.task.against

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The questions that both sides answered, in the order of every array here."""
        return tuple(name for name in next(iter(self.pairs.values())).ids if name in self.items)

    @cached_property
    def same(self) -> Array:
        """1.0 where both sides gave the same answer, so that nobody has to be asked."""
        return np.array([float(self.items[name][0] == self.items[name][1]) for name in self.ids])

    @cached_property
    def documents(self) -> npt.NDArray[np.int64]:
        """The number of each question's group of documents."""
        pairs = next(iter(self.pairs.values()))
        labels = dict(zip(pairs.ids, pairs.labels, strict=True))
        return np.unique([labels[name] for name in self.ids], return_inverse=True)[1]

    def gains(self, criterion: Criterion) -> Array:
        """Return by how much the version's answers are scored better; NaN where one side only has a score."""
        pairs = self.pairs[criterion.name]
        found = dict(zip(pairs.ids, pairs.gains(), strict=True))
        return np.array([found[name] for name in self.ids])

    def unsure(self, criterion: Criterion) -> Array:
        """Return how unsure the judge is of each change, in score points: both sides' spreads together.

        Where it could not score a side it knows nothing: half of the scale. Of outcomes nothing is known anywhere: 0.
        """
        if criterion == RIGHT:
            return np.zeros(len(self.ids))
        base, version = (_scores(self.deciding[side.uri], criterion) for side in (self.against, self.version))
        return np.array([_unsure(base[name], version[name], criterion) for name in self.ids])

    def judged(self, criterion: Criterion) -> dict[Item, float | None]:
        """Return answer -> its score without people, of both sides."""
        found: dict[Item, float | None] = {}
        for place, side in enumerate((self.against, self.version)):
            scores = _scores(self.deciding[side.uri], criterion)
            found |= {pair[place]: scores[name].value for name, pair in self.items.items()}
        return found


def look(task: Task, sides: Sides, questions: Sequence[Question], data: str) -> Before:
    """Return what is known of each question.

    Raises:
        ConfigError: If people can grade nothing that decides, so that labels would change nothing.
    """
    criteria = gradable(task.criteria, task.design.primary)
    if not criteria:
        raise ConfigError(
            f"primary is {', '.join(task.design.primary)}, which people cannot grade, so their labels would not change "
            "the verdict: name what they shall grade, -P primary=right or, with a judge, one of its criteria"
        )
    deciding, names = decisive(sides, task.design.context), [criterion.name for criterion in criteria]
    clusters = cluster(questions)
    base, version = (side_of(side, sides[side.uri], task) for side in (task.against, task.version))
    pairs = pair_sides(
        base, version, sorted(clusters.labels), clusters, measured(names, task.criteria), task.design.context
    )
    return Before(
        task,
        data,
        deciding,
        criteria,
        {name: pairs[task.design.context, name] for name in names},
        pairs_of(deciding[task.against.uri], deciding[task.version.uri]),
    )


def _scores(evaluation: Evaluation, criterion: Criterion) -> dict[str, Score]:
    if criterion.name in evaluation.scores:
        return {row.id: score for row, score in zip(evaluation.rows, evaluation.scores[criterion.name], strict=True)}
    values = values_of(evaluation, criterion.name) or {}
    return {row.id: Score(criterion.name, values.get(row.id)) for row in evaluation.rows}


def _unsure(one: Score, other: Score, criterion: Criterion) -> float:
    if one.value is None or other.value is None:
        return criterion.range / 2
    return math.hypot(one.spread, other.spread)
