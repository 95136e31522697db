"""A comparison as a record: both sides, the verdict, and what the statistics are handed of a side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.primaries import measured, values_of
from ragft.analysis.verdict.compare import Side
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.scale import Measured
from ragft.judging.advisory import JudgedSide
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import Criterion
from ragft.types import DECIDING, WITHHELD, Question
from registry.gate import Decision
from registry.versions import Version

# Version's address -> context -> evaluation.
Sides = Mapping[str, Mapping[str, Evaluation]]


class Turns(Protocol):
    """Says in which order the sides are evaluated, and whether one has to be."""

    def order(self, sides: Sequence[Version]) -> Sequence[Version]:
        """Return the sides in the order in which they are evaluated."""

    def evaluate(self, side: Version, compute: Callable[[], Mapping[str, Evaluation]]) -> Mapping[str, Evaluation]:
        """Return context -> evaluation of a side, computed or known already."""


class OneAfterAnother:
    """Evaluates every side, in the order in which they are given."""

    def order(self, sides: Sequence[Version]) -> Sequence[Version]:
        """Return them as they are."""
        return sides

    def evaluate(
        self,
        side: Version,  # noqa: ARG002 - a `Turns`
        compute: Callable[[], Mapping[str, Evaluation]],
    ) -> Mapping[str, Evaluation]:
        """Return what is computed."""
        return compute()


class Contender(Protocol):
    """One side of a comparison: a registered version, or a file of answers."""

    @property
    def uri(self) -> str:
        """Its address, or its name."""

    @property
    def short(self) -> str:
        """What people call it."""

    @property
    def identity(self) -> str:
        """What it is made of, whatever it is called."""


class Task(Protocol):
    """What is to be compared: two versions (`ToCompare`), or two files."""

    @property
    def params(self) -> CompareParams:
        """The settled parameters."""

    @property
    def given(self) -> CompareParams:
        """The parameters as a person gave them, for the commands that are named."""

    @property
    def version(self) -> Contender:
        """What is under test."""

    @property
    def against(self) -> Contender:
        """What it should replace."""

    @property
    def criteria(self) -> Sequence[Criterion]:
        """Those that are judged."""

    @property
    def design(self) -> Design:
        """What is fixed before anything is computed."""

    @property
    def questions(self) -> Sequence[Question]:
        """All that could be asked."""

    @property
    def measures(self) -> tuple[Measured, ...]:
        """What is compared."""


@dataclass(frozen=True)
class Compared:
    """The verdict on a version, and the run that holds it."""

    version: Version
    against: Version
    sides: Sides
    comparison: Comparison
    decision: Decision
    run_id: str


@dataclass(frozen=True)
class ToCompare(Prepared[CompareParams]):
    """Two versions that are to be compared.

    Attributes:
        given: The parameters as a person gave them, for the commands that a report names.
        version: The version under test.
        against: What it should replace.
        criteria: Those that are judged.
        design: What is fixed before anything is computed, the primaries among it.
    """

    given: CompareParams
    version: Version
    against: Version
    criteria: Sequence[Criterion]
    design: Design

    @property
    def questions(self) -> Sequence[Question]:
        """The questions of the split, of which each context asks some."""
        return self.preparation.splits[self.params.split]  # type: ignore[index]  # checked by the params

    @property
    def measures(self) -> tuple[Measured, ...]:
        """What is compared: the judged criteria, and the primaries that no judge gives."""
        return measured(self.design.primary, self.criteria)


def side_of(side: Contender, evaluations: Mapping[str, Evaluation], task: Task) -> Side:
    """Return what the statistics compare of a side; ``evaluations`` is context -> evaluation.

    What is compared is left out where a context lacks it.
    """
    names = [measure.name for measure in task.measures]
    return Side(
        name=side.uri,
        conditions=evaluations[task.design.context].conditions,
        scores={
            context: {name: values for name in names if (values := values_of(found, name)) is not None}
            for context, found in evaluations.items()
            if context != WITHHELD
        },
        lengths={
            context: {row.id: row.length for row in found.rows if row.given} for context, found in evaluations.items()
        },
        refusals={
            context: {row.id: float(row.abstained) for row in found.rows} for context, found in evaluations.items()
        },
    )


def decisive(sides: Sides, context: str = DECIDING) -> dict[str, Evaluation]:
    """Return version's address -> its evaluation in the context that decides."""
    return {uri: side[context] for uri, side in sides.items()}


def judged_side(evaluation: Evaluation) -> JudgedSide:
    """Return what an evaluation tells of its judge."""
    rows = evaluation.rows
    measures = dict.fromkeys(name for row in rows for name in row.numbers)
    return JudgedSide(
        fooled={
            name: [f"{name}: {problem}" for problem in found.problems] for name, found in evaluation.canaries.items()
        },
        people=tuple(evaluation.calibrations.values()),
        scores={name: [score.value for score in scores] for name, scores in evaluation.scores.items()},
        truths={name: [row.numbers.get(name) for row in rows] for name in measures},
        groups=[row.documents or row.question for row in rows],
    )
