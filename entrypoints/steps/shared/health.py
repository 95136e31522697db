"""Whether the scores of an evaluation or a comparison are to be believed at all."""

from collections.abc import Collection, Mapping, Sequence

from entrypoints.steps.shared.evaluation import Evaluation
from ragft.analysis.verdict.health import Health, Refused
from ragft.types import AS_ANSWERED


def health_of(sides: Mapping[str, Evaluation], deciding: Collection[str]) -> Health:
    """Return the health of evaluations in the context that decides.

    Args:
        sides: What people call each side -> its evaluation, the base first.
        deciding: Names of the criteria that decide; what a judge says under others is not asked here.
    """
    first = next(iter(sides.values()))
    of_files = first.context == AS_ANSWERED
    counted = [row.id for row in first.rows if row.numbers.get("false_refusal") is not None]
    hits = [name for name in (first.rows[0].numbers if first.rows else ()) if name.startswith("hit_at_")]
    known = [row.numbers[name] for name in hits[:1] for row in first.rows if row.numbers[name] is not None]
    dropped = sum(int(row.facts.get("dropped_passages", 0)) for row in first.rows)
    judged = [name for name in deciding if name in first.scores]
    return Health(
        answerable=len(counted),
        refused=tuple(Refused(name, _refused(side, set(counted))) for name, side in sides.items()),
        known=len(known),
        found=sum(value == 1.0 for value in known),
        passages=0 if of_files else dropped + sum(len(row.passages) for row in first.rows),
        dropped=dropped,
        auc={name: _auc(list(sides.values()), name) for name in judged},
        fooled=tuple(
            dict.fromkeys(
                f"{name}: {problem}"
                for side in sides.values()
                for name in judged
                if name in side.canaries
                for problem in side.canaries[name].problems
            )
        ),
        of_files=of_files,
    )


def _refused(side: Evaluation, counted: Collection[str]) -> int:
    return sum(row.id in counted and row.numbers["false_refusal"] == 1.0 for row in side.rows)


def _auc(sides: Sequence[Evaluation], criterion: str) -> float | None:
    """Return the lowest of the sides' AUC; None where none is known."""
    known = [side.canaries[criterion].auc for side in sides if criterion in side.canaries]
    return min((value for value in known if value is not None), default=None)
