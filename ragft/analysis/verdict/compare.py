"""From the scores of two sides to a comparison."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ragft.analysis.statistics.clusters import Clusters, cluster
from ragft.analysis.verdict.attribution import Attribution, Term, attribute
from ragft.analysis.verdict.comparison import Check, Comparison, Result
from ragft.analysis.verdict.conditions import check_conditions
from ragft.analysis.verdict.correcting import any_judged, correct_all, with_corrected, without_people
from ragft.analysis.verdict.design import Design
from ragft.analysis.verdict.effect import Bounds, Levels, Resampling
from ragft.analysis.verdict.equal_length import at_equal_length
from ragft.analysis.verdict.guards import GuardRates, check_guards, guard_result, pair_guard
from ragft.analysis.verdict.health import Health
from ragft.analysis.verdict.multiplicity import claim
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.people import People
from ragft.analysis.verdict.power import Power, Spread, power
from ragft.analysis.verdict.scale import Measured, Scale
from ragft.analysis.verdict.side import Side, pair_sides
from ragft.analysis.verdict.slices import masks_of
from ragft.analysis.verdict.what_would_change import TippingPoint, carriers, change
from ragft.errors import ConfigError, DataError
from ragft.types import Question

__all__ = ["Findings", "Side", "compare", "spreads_of"]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the caller knows and the scores do not show.

    Attributes:
        checks: Checks of integrity, passed or not.
        advisory: Why the judge is only advisory, one sentence per reason.
        outcomes_judged: The primaries and guards for which the judge alone says which answers are right.
        tried: How many versions were compared on these questions, this one included.
        spreads: Criterion -> spread of its differences on dev, known before the comparison. A criterion without one
            takes that of the comparison itself.
        health: Whether the comparison is to be believed at all; None where that is not known.
        people: Criterion -> what people said of some of the answers.
    """

    checks: tuple[Check, ...] = ()
    advisory: tuple[str, ...] = ()
    outcomes_judged: Collection[str] = ()
    tried: int = 1
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    health: Health | None = None
    people: Mapping[str, People] = field(default_factory=dict)

    @property
    def without_doubts(self) -> "Findings":
        """The findings where people correct all that the judge scores: its bias is measured, so nothing rests on it."""
        return replace(self, advisory=(), health=self.health and replace(self.health, fooled=()))

    @property
    def kept(self) -> dict[str, Any]:
        """What a comparison keeps as it is."""
        return {"checks": self.checks, "advisory": self.advisory, "tried": self.tried, "health": self.health}


def compare(
    base: Side,
    version: Side,
    questions: Sequence[Question],
    criteria: Sequence[Measured],
    *,
    slices: Mapping[str, Collection[str]] | None = None,
    design: Design | None = None,
    findings: Findings | None = None,
    guards: Sequence[GuardRates] = (),
) -> Comparison:
    """Return the comparison of ``version`` with ``base``; it does not depend on the order of the questions.

    ``criteria`` are judged criteria or other measures (`Scale`). Contexts and measures that only one side has are left
    out, unless they are primary. ``slices`` is name -> ids of its questions; `slices_of` makes the usual ones.
    ``guards`` holds those that were not measured too.

    Raises:
        ConfigError: If the two sides were not judged, asked or answered under the same conditions, a primary was not
            measured in the deciding context on both, or a guard is named twice or has an impossible margin.
        DataError: If a question has no entry on one side, or a score outside its measure's range.
    """
    design, findings = design or Design(), findings or Findings()
    clusters = cluster(questions)
    pairs = _paired(base, version, clusters, criteria, design)
    check_guards(guards, design.primary)
    masks = masks_of(slices or {}, sorted(clusters.labels))
    guarded = {guard.name: pair_guard(guard) for guard in guards if not guard.unmeasured}
    levels, resampling = _levels(design, len(masks), len(guarded)), Resampling(design.resamples, design.seed)
    family = {name: pairs[design.context, name] for name in design.primary}
    by_judge = _results(pairs, masks, design, levels, resampling)
    corrected = correct_all(family, by_judge, findings.people, levels, resampling)
    results, alone = with_corrected(by_judge, corrected), without_people(family, corrected)
    if corrected and not any_judged(alone) and set(findings.outcomes_judged) <= family.keys() - alone.keys():
        findings = findings.without_doubts
    decided = {each.criterion: each for each in results if each.primary and not each.slice}
    bounds = {name: decided[name].bounds for name in family}
    found = tuple(guard_result(guard, guarded.get(guard.name), levels, resampling) for guard in guards)
    margins = {name: decided[name].margin for name in family} | {each.name: each.margin for each in found}
    sizes = np.unique(list(clusters.labels.values()), return_counts=True)[1]
    return Comparison(
        base=base.name,
        version=version.name,
        conditions=dict(sorted(base.conditions.items())),
        design=design,
        questions=len(clusters.labels),
        clusters=len(sizes),
        largest=int(sizes.max()),
        results=results,
        claims=claim(bounds, margins, {each.name: each.bounds for each in found if each.bounds}),
        **findings.kept,
        power=_powers(alone, margins, sizes, levels, findings.spreads),
        changes=_changes(alone, bounds, margins, levels),
        carriers=carriers(family, margins, levels, resampling, guarded) if len(alone) == len(family) else (),
        attributions=_attributions(pairs, base, version, design, resampling),
        equal_length=_equal_length(family, base, version, design),
        guards=found,
        corrected=corrected,
    )


def spreads_of(
    base: Side,
    version: Side,
    questions: Sequence[Question],
    criteria: Sequence[Measured],
    *,
    source: str,
    design: Design | None = None,
) -> dict[str, Spread]:
    """Return how the differences of each primary vary, measured on questions other than the comparison's.

    ``source`` says where ("the dev split"); the result is for `Findings`. A criterion without two questions scored
    on both sides has none.

    Raises:
        ConfigError: As `compare` does.
        DataError: As `compare` does.
    """
    design = design or Design()
    pairs = _paired(base, version, cluster(questions), criteria, design)
    spreads = {name: pairs[design.context, name].spread(source) for name in design.primary}
    return {name: spread for name, spread in spreads.items() if spread is not None}


def _levels(design: Design, slices: int, guards: int) -> Levels:
    primaries = len(design.primary)
    return Levels(design.alpha, primaries, slices * primaries, rejecting=primaries + guards)


def _paired(
    base: Side, version: Side, clusters: Clusters, criteria: Sequence[Measured], design: Design
) -> dict[tuple[str, str], Pairs]:
    """Return (context, measure) -> scores of both sides, which are checked, by question in the order of the ids."""
    if not clusters.labels:
        raise DataError("there is no question to compare on: evaluate both sides on a split that holds some")
    check_conditions(base, version)
    pairs = pair_sides(base, version, sorted(clusters.labels), clusters, criteria, design.context)
    _check_primaries(pairs, design, base, version)
    return pairs


def _check_primaries(pairs: Mapping[tuple[str, str], Pairs], design: Design, base: Side, version: Side) -> None:
    lacking = [name for name in design.primary if (design.context, name) not in pairs]
    if lacking or not design.primary:
        measured = ", ".join(f"{name} in {context}" for context, name in pairs) or "nothing"
        raise ConfigError(
            f"the verdict needs {', '.join(design.primary) or 'a primary criterion'} in the context {design.context} "
            f"on both sides; {base.name} and {version.name} share {measured}. "
            "Evaluate with these criteria, or name other primaries."
        )


def _results(
    pairs: Mapping[tuple[str, str], Pairs],
    masks: Mapping[str, Sequence[bool]],
    design: Design,
    levels: Levels,
    resampling: Resampling,
) -> tuple[Result, ...]:
    """Return each criterion in each context, then the slices (name -> which questions) of the deciding context."""
    whole = [_result(key, paired, "", design, levels, resampling) for key, paired in pairs.items()]
    parts = [
        _result(key, paired.only(mask), name, design, levels, resampling)
        for name, mask in masks.items()
        for key, paired in pairs.items()
        if key[0] == design.context
    ]
    return (*whole, *parts)


def _result(
    key: tuple[str, str], pairs: Pairs, name: str, design: Design, levels: Levels, resampling: Resampling
) -> Result:
    context, criterion = key
    primary = context == design.context and criterion in design.primary
    vetoes = levels.vetoes if primary and name else 0
    rejecting = levels.rejecting if primary and not name else 1
    return Result(
        criterion=criterion,
        context=context,
        slice=name,
        primary=primary,
        direction=pairs.scale.direction,
        margin=design.margin_share * pairs.scale.range,
        missing=pairs.missing(),
        effect=pairs.effect(design.alpha, resampling),
        bounds=pairs.bounds(Levels(levels.alpha, levels.family, vetoes, rejecting), resampling),
    )


def _powers(
    family: Mapping[str, Pairs],
    margins: Mapping[str, float],
    sizes: npt.NDArray[np.integer[Any]],
    levels: Levels,
    spreads: Mapping[str, Spread],
) -> dict[str, Power]:
    powers = {}
    for name, pairs in family.items():
        spread = spreads.get(name) or pairs.spread("this comparison")
        if spread is not None and len(sizes) > 1:
            most = pairs.scale.range
            powers[name] = power(
                sizes, spread, margin=margins[name], alpha=levels.alpha, family=levels.family, most=most
            )
    return powers


def _changes(
    family: Mapping[str, Pairs],
    bounds: Mapping[str, Bounds],
    margins: Mapping[str, float],
    levels: Levels,
) -> dict[str, TippingPoint]:
    changes = {name: change(family[name], bounds[name], margin=margins[name], levels=levels) for name in family}
    return {name: point for name, point in changes.items() if point is not None}


def _equal_length(family: Mapping[str, Pairs], base: Side, version: Side, design: Design) -> dict[str, Term]:
    longer = _more(base.lengths, version.lengths).get(design.context, {})
    terms = {}
    # Judges like long answers; a rule does not, and shares of right answers lie on no line through lengths.
    for name, pairs in ((name, pairs) for name, pairs in family.items() if not isinstance(pairs.scale, Scale)):
        kept = pairs.only(
            [done and question in longer for done, question in zip(pairs.complete, pairs.ids, strict=True)]
        )
        lengths = np.array([longer[question] for question in kept.ids])
        if kept.ids and (term := at_equal_length(kept.gains(), lengths, kept.labels, alpha=design.alpha)):
            terms[name] = term
    return terms


def _attributions(
    pairs: Mapping[tuple[str, str], Pairs], base: Side, version: Side, design: Design, resampling: Resampling
) -> tuple[Attribution, ...]:
    lengths, refusals = _more(base.lengths, version.lengths), _more(base.refusals, version.refusals)
    attributions = []
    for name in design.primary:
        by_context = {context: paired for (context, criterion), paired in pairs.items() if criterion == name}
        attribution = attribute(by_context, lengths, refusals, alpha=design.alpha, resampling=resampling)
        if attribution is not None:
            attributions.append(attribution)
    return tuple(attributions)


def _more(
    base: Mapping[str, Mapping[str, float]], version: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Return context -> question id -> how much more the version has than the base, where both are known."""
    return {
        context: {name: value - base[context][name] for name, value in by_question.items() if name in base[context]}
        for context, by_question in version.items()
        if context in base
    }
