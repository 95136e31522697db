"""What people said: kept, held against each other and themselves, and what it makes of the interval."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow

from entrypoints.steps.labelling.asking import SAMPLE, points
from entrypoints.steps.labelling.before import Before
from entrypoints.steps.shared.kept_labels import keep_labels
from entrypoints.steps.shared.labelled import find_people
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.statistics.raters import disagreement, half_width_without, own_noise
from ragft.analysis.verdict.effect import Levels, Resampling
from ragft.analysis.verdict.people import Corrected, People, correct, in_words
from ragft.errors import DataError
from ragft.judging import agreement
from ragft.judging.g_eval import Item
from ragft.judging.labels import item_key, labels_of, pair_key
from ragft.judging.outcomes import RIGHT
from ragft.judging.sheet import Ratings, read_sheets, row_id
from ragft.lists import first_of
from ragft.prompts.criterion import Criterion
from ragft.store.labels import find_samples

Given = Mapping[Item, tuple[float | None, ...]]
"""Answer -> one number for each person."""


def read(before: Before, paths: Sequence[Path], workspace: Workspace) -> None:
    """Keep the labels, and say how far people agree and how wide the interval is with them.

    Raises:
        DataError: If a cell is no label, or no row is one of these answers.
    """
    ratings = read_sheets(paths, before.criteria)
    secret = workspace.store.secret
    items = {item for pair in before.items.values() for item in pair}
    first, second = ({row_id(secret, item, again=again): item for item in items} for again in (False, True))
    rated = {row for numbers in ratings.numbers.values() for row in numbers}
    if not rated:
        raise DataError(
            f"{first_of([str(path) for path in paths])} holds no label: fill in the columns of the criteria"
        )
    lost = sorted(rated - first.keys() - second.keys())
    if len(lost) == len(rated):
        raise DataError(
            f"none of the {len(rated)} labelled rows is an answer of these two sides: give the parameters, and the "
            "RAGFT_HOME or database, with which the sheet was written"
        )
    if lost:
        workspace.alert(
            f"warning: {len(lost)} of {len(rated)} labelled rows are no answers of these two sides and are left out: "
            f"{first_of(lost)}"
        )
    if not rated & first.keys():
        raise DataError(
            f"the {len(rated & second.keys())} labelled rows are all shown for the second time, which tells a person's "
            "own noise alone: give the files that hold the first ones too, joined by commas"
        )
    source = ", ".join(path.name for path in paths)
    for criterion in before.criteria:
        given = _given(ratings, criterion, first)
        keys = [item_key(item) for item in given]
        keep_labels(labels_of(criterion, keys, _by_person(given, ratings), ratings.annotators, source), workspace)
    people = find_people(before.task, before.deciding, workspace)
    for criterion in before.criteria:
        if criterion.name not in people:
            continue
        found = correct(
            before.pairs[criterion.name],
            people[criterion.name],
            None,
            Levels(before.task.design.alpha),
            Resampling(before.task.design.resamples, before.task.design.seed),
        )
        if found is not None:
            workspace.say(f"  {criterion.name}: {in_words(found)}")
            given, again = (_given(ratings, criterion, rows) for rows in (first, second))
            _tell(before, criterion, (found, people[criterion.name]), (given, again), ratings, workspace)


def _given(ratings: Ratings, criterion: Criterion, rows: Mapping[str, Item]) -> dict[Item, tuple[float | None, ...]]:
    return {rows[row]: numbers for row, numbers in ratings.numbers[criterion.name].items() if row in rows}


def _by_person(given: Given, ratings: Ratings) -> list[tuple[float | None, ...]]:
    return list(zip(*given.values(), strict=True)) if given else [() for _ in ratings.annotators]


def _tell(
    before: Before,
    criterion: Criterion,
    corrected: tuple[Corrected, People],
    graded: tuple[Given, Given],
    ratings: Ratings,
    workspace: Workspace,
) -> None:
    """Say and log how wide the interval is, how wide it was expected, and what people's disagreement does to it."""
    (found, people), (given, again) = corrected, graded
    half = (found.both.high - found.both.low) / 2
    numbers = {"half_width": half, "pairs": float(found.pairs), "weight_of_judge": found.weight}
    said = f"the interval is ±{points(criterion, half)}"
    if (expected := _expected(before, criterion, workspace)) is not None:
        said += f"; ±{points(criterion, expected)} was expected when the sheet was written"
    lines = [said]
    judged = before.judged(criterion)
    agreed = agreement.compare(criterion, [judged[item] for item in given], _by_person(given, ratings))
    if agreed.kappa is not None:
        numbers["kappa"] = agreed.kappa
        who = "outcome" if criterion == RIGHT else "judge"
        lines.append(f"kappa of the {who} with people is {agreed.kappa:.2f}, over {agreed.n} answers")
    if agreed.human_kappa is not None:
        numbers["human_kappa"] = agreed.human_kappa
        lines.append(f"kappa of people among themselves is {agreed.human_kappa:.2f}")
    changes = _changes(before, criterion, given)
    if apart := disagreement(changes.values()):
        numbers["people_sd"] = apart.sd
        said = f"people differ by {apart.sd:.2f} points about a change (standard deviation, {apart.pairs} questions)"
        counts = {name: count for name, row in changes.items() if (count := sum(each is not None for each in row))}
        # Of labels that are in the store from before, these files do not say who differs.
        if counts.keys() == people.base.keys():
            without = half_width_without(
                half,
                apart.sd,
                [1 / people.probability.get(name, 1.0) for name in counts],
                list(counts.values()),
                share=found.asking / len(before.pairs[criterion.name].ids),
            )
            numbers["half_width_if_people_agreed"] = without
            said += f"; if they agreed, the interval would be ±{without:.2f}"
        lines.append(said)
    twice = [
        (one, other)
        for item, numbers_again in again.items()
        for one, other in zip(given.get(item, ()), numbers_again, strict=False)
        if one is not None and other is not None
    ]
    if own := own_noise(twice):
        numbers["own_sd"] = own.sd
        lines.append(
            f"{own.pairs} answers were graded twice by the same person: {own.sd:.2f} points apart from oneself"
        )
    for line in lines:
        workspace.say(f"    {line}")
    mlflow.log_metrics({f"labels_{criterion.name}/{name}": value for name, value in numbers.items()})


def _changes(before: Before, criterion: Criterion, given: Given) -> dict[str, tuple[float | None, ...]]:
    """Return question id -> by how much each person finds the version's answer better; None where one has no score."""
    sign = 1 if criterion.direction == "higher" else -1
    return {
        name: tuple(
            None if one is None or other is None else sign * (other - one)
            for one, other in zip(given[base], given[version], strict=True)
        )
        for name, (base, version) in before.items.items()
        if base != version and base in given and version in given
    }


def _expected(before: Before, criterion: Criterion, workspace: Workspace) -> float | None:
    """Return what the run that asked expected; None where several samples were drawn, or the run is not there."""
    samples = find_samples(workspace.store, [pair_key(*pair) for pair in before.items.values()])
    drawn = {sample for found in samples.values() for sample in found}
    if len(drawn) != 1:
        return None
    runs = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.`{SAMPLE}` = '{drawn.pop()}'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
        output_format="list",
    )
    return runs[0].data.metrics.get(f"expected_half_width_{criterion.name}") if runs else None
