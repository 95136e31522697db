"""Where people's labels are enough, the corrected change decides in place of the judge's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ragft.analysis.verdict.comparison import Result
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.paired_scores import Pairs
from ragft.analysis.verdict.people import Corrected, Estimate, People, correct
from ragft.analysis.verdict.scale import Scale


def correct_all(
    family: Mapping[str, Pairs],
    results: Sequence[Result],
    people: Mapping[str, People],
    levels: Levels,
    resampling: Resampling,
) -> tuple[Corrected, ...]:
    """Return the corrected change of each primary of ``family`` that people scored too; ``results`` are the judge's."""
    asked = replace(levels, vetoes=0)  # slices are the judge's alone: people are not asked enough of each
    found = []
    for result in results:
        if result.primary and not result.slice and result.criterion in people:
            effect, bounds, name = result.effect, result.bounds, result.criterion
            alone = Estimate(effect.gain, bounds.low, bounds.high) if effect else None
            found.append(correct(family[name], people[name], alone, asked, resampling))
    return tuple(each for each in found if each is not None)


def with_corrected(results: Sequence[Result], corrected: Sequence[Corrected]) -> tuple[Result, ...]:
    """Return the results, with the change and the bounds of both together where those decide.

    The means of the two sides stay the judge's: people did not score either side as a whole.
    """
    deciding = {each.criterion: each for each in corrected if each.decides}

    def settled(result: Result) -> Result:
        found = deciding.get(result.criterion)
        if found is None or result.effect is None or not result.primary or result.slice:
            return result
        both = found.both
        return replace(
            result, effect=replace(result.effect, gain=both.change, low=both.low, high=both.high), bounds=found.bounds
        )

    return tuple(settled(result) for result in results)


def without_people(family: Mapping[str, Pairs], corrected: Sequence[Corrected]) -> dict[str, Pairs]:
    """Return the primaries that people's labels do not decide.

    What the judge's scores alone could show, or would show without a document, says nothing of the others.
    """
    decided = {each.criterion for each in corrected if each.decides}
    return {name: pairs for name, pairs in family.items() if name not in decided}


def any_judged(family: Mapping[str, Pairs]) -> bool:
    """Return whether a judge scores one of the primaries."""
    return any(not isinstance(pairs.scale, Scale) for pairs in family.values())
