"""A comparison as a record: both sides, the verdict, and what the statistics are handed of a side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.prepared import Prepared
from entrypoints.steps.shared.primaries import measured, values_of
from ragft.analysis.verdict.compare import Side
from ragft.analysis.verdict.comparison import Comparison
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.scale import Measured
from ragft.judging.abstention import abstains
from ragft.judging.advisory import JudgedSide
from ragft.params import CompareParams
from ragft.prompts.criterion import Criterion
from ragft.types import DECIDING, WITHHELD, Question
from registry.gate import Decision
from registry.versions import Version

# Version's address -> context -> evaluation.
Sides = Mapping[str, Mapping[str, Evaluation]]
NOTHING_KNOWN: Sides = MappingProxyType({})


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


def side_of(version: Version, evaluations: Mapping[str, Evaluation], names: Sequence[str]) -> Side:
    """Return what the statistics compare of a version.

    Args:
        version: The side.
        evaluations: Context -> evaluation.
        names: What is compared; where a context lacks one, it is left out there.
    """
    return Side(
        name=version.uri,
        conditions=evaluations[DECIDING].conditions,
        scores={
            context: {name: values for name in names if (values := values_of(found, name)) is not None}
            for context, found in evaluations.items()
            if context != WITHHELD
        },
        lengths={
            context: {row.id: float(row.facts["answer_tokens"]) for row in found.rows}
            for context, found in evaluations.items()
        },
        refusals={
            context: {row.id: float(abstains(row.answer, row.question)) for row in found.rows}
            for context, found in evaluations.items()
        },
    )


def decisive(sides: Sides) -> dict[str, Evaluation]:
    """Return version's address -> its evaluation in the context that decides."""
    return {uri: side[DECIDING] for uri, side in sides.items()}


def judged_side(evaluation: Evaluation) -> JudgedSide:
    """Return what an evaluation tells of its judge."""
    rows = evaluation.rows
    measures = dict.fromkeys(name for row in rows for name in row.numbers)
    return JudgedSide(
        fooled=evaluation.advisory,
        people=tuple(evaluation.calibrations.values()),
        scores={name: [score.value for score in scores] for name, scores in evaluation.scores.items()},
        truths={name: [row.numbers.get(name) for row in rows] for name in measures},
        groups=[row.documents or row.question for row in rows],
    )
