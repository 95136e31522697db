"""The comparison of a version with a base: the gate decides on it, and the report shows it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ragft.analysis.read_record import read_record
from ragft.analysis.verdict.attribution import Attribution, Term
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.effect import Bounds, Effect
from ragft.analysis.verdict.guards import NEEDED, GuardResult
from ragft.analysis.verdict.health import Health
from ragft.analysis.verdict.missing import Missing
from ragft.analysis.verdict.multiplicity import Claims
from ragft.analysis.verdict.people import Corrected
from ragft.analysis.verdict.power import Power
from ragft.analysis.verdict.slices import LEAST_OF_A_SLICE
from ragft.analysis.verdict.what_would_change import Carrier, TippingPoint
from ragft.types import AS_ANSWERED, digest

# Came later: left out of a comparison where they are empty, so that an older one keeps its identity.
LATER = (
    "claim_highs", "guards", "harmful", "unsafe", "slipped", "health", "unknown", "of_files", "corrected", "hidden",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """A check of integrity that the caller has made; ``detail`` says with numbers what was found.

    Attributes:
        unknown: True where it could not be made, which fails nothing; ``detail`` says why.
    """

    name: str
    passed: bool
    detail: str
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One criterion in one context, over all questions or a slice of them.

    Attributes:
        slice: Name of the slice; "" for all questions.
        primary: True where it decides; a slice of a primary can veto.
        direction: "higher" or "lower": which scores are better.
        margin: The non-inferiority margin, in score points.
        effect: What was observed; None where no question has a score on both sides.
        bounds: The gate decides on these; they hold whatever the missing scores were.
    """

    criterion: str
    context: str
    slice: str
    primary: bool
    direction: str
    margin: float
    missing: Missing
    effect: Effect | None
    bounds: Bounds

    @property
    def vetoes(self) -> bool:
        """True where the version is shown to be worse by more than the margin in this slice."""
        return self.bounds.veto_high is not None and self.bounds.veto_high < -self.margin

    @property
    def telling(self) -> bool:
        """False for a slice that is too small to be shown: so few questions mean nothing. A veto is always shown."""
        if not self.slice or self.vetoes:
            return True
        if self.effect is None:
            return self.missing.asked >= LEAST_OF_A_SLICE
        return self.effect.n >= LEAST_OF_A_SLICE and self.effect.clusters > 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """A version against a base on the same questions.

    Attributes:
        base: Name of the base or champion compared against.
        version: Name of the version.
        conditions: What both sides share: judge, estimator, retrieval, messages, data -> identity.
        questions: How many were asked.
        clusters: Connected components of their documents.
        largest: Questions of the largest component.
        results: Criteria x contexts over all questions, then the slices of the deciding context.
        claims: What is shown of the primaries and the guards.
        checks: Checks of integrity; one that failed makes the verdict inconclusive.
        advisory: Why the judge is only advisory, one sentence per reason; empty where it can be relied on.
        tried: How many versions were compared on these questions, this one included.
        power: Primary criterion -> what these questions can show.
        changes: Primary criterion -> what would change its claims.
        carriers: Documents that move the means most, and what is shown without them.
        attributions: Where the change comes from, one per primary with at least two contexts.
        equal_length: Primary criterion -> the change that is left at equal length, where lengths are known.
        guards: What was found of each guard, measured or not; empty in a comparison that named none.
        health: Whether it is to be believed at all; None in a comparison of before this was asked.
        corrected: The primaries of which people scored some answers: what the judge, people and both say; where there
            are enough labels, the last decides.
    """

    base: str
    version: str
    conditions: Mapping[str, str]
    design: Design
    questions: int
    clusters: int
    largest: int
    results: tuple[Result, ...]
    claims: Claims
    checks: tuple[Check, ...]
    advisory: tuple[str, ...]
    tried: int
    power: Mapping[str, Power]
    changes: Mapping[str, TippingPoint]
    carriers: tuple[Carrier, ...]
    attributions: tuple[Attribution, ...]
    equal_length: Mapping[str, Term]
    guards: tuple[GuardResult, ...] = ()
    health: Health | None = None
    corrected: tuple[Corrected, ...] = ()

    @property
    def of_files(self) -> bool:
        """True where two files of answers were compared, and no versions."""
        return self.design.context == AS_ANSWERED

    @property
    def groups(self) -> str:
        """How many independent groups the questions form, in words."""
        named = "" if self.of_files else " of documents"
        return f"{self.clusters:,} independent groups{named}"

    @property
    def belief(self) -> str:
        """Whether the scores can be believed and why; "" where nothing was measured that says so."""
        if self.health is None or not self.health.line:
            return ""
        if self.health.few and not self.faults:
            few = "1 question is" if self.health.answerable == 1 else f"{self.health.answerable} questions are"
            return f"not known: {few} too few to tell; {self.health.line}"
        answer = "no" if self.faults else "as far as the judge goes" if self.advisory else "yes"
        return f"{answer}: {self.health.line}"

    @property
    def primaries(self) -> tuple[Result, ...]:
        """The results that decide, in the order of the design."""
        return tuple(result for result in self.results if result.primary and not result.slice)

    @property
    def by_people(self) -> Mapping[str, Corrected]:
        """Primary -> its corrected change, where people's labels decide."""
        return {each.criterion: each for each in self.corrected if each.decides}

    @property
    def vetoes(self) -> tuple[Result, ...]:
        """The slices that veto a promotion."""
        return tuple(result for result in self.results if result.vetoes)

    @property
    def faults(self) -> tuple[str, ...]:
        """Why its scores mean nothing, a sentence each; empty where they mean something."""
        return () if self.health is None else tuple(self.health.why(fault) for fault in self.health.faults)

    @property
    def unknown_harm(self) -> tuple[str, ...]:
        """The guards that a promotion needs and that were not measured; none where no guard was named at all."""
        measured = {guard.name for guard in self.guards if guard.measured}
        return tuple(name for name in NEEDED if self.guards and name not in measured)

    @property
    def sha256(self) -> str:
        """The identity of the comparison, for the record of a decision."""
        return digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as values that JSON can hold."""
        return asdict(self, dict_factory=_without_empty_later_fields)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Comparison":
        """Return the comparison that `to_dict` or its JSON describes.

        Raises:
            DataError: If a field is missing, unknown or of another type.
        """
        return read_record(cls, value)


def _without_empty_later_fields(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if value or name not in LATER}
