"""What people said of the answers that are compared: looked up in the store, and said where it cannot count."""

from collections.abc import Mapping

from entrypoints.steps.shared.compared import Task
from entrypoints.steps.shared.evaluation import Evaluation
from entrypoints.steps.shared.scoring import item_of
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verdict.people import People
from ragft.judging.g_eval import Item
from ragft.judging.labels import PairLabels, bare_key, item_key, pair_key, pair_labels
from ragft.judging.outcomes import gradable
from ragft.lists import first_of
from ragft.prompts.criterion import Criterion
from ragft.store.connection import Store
from ragft.store.labels import find_labels, find_samples


def find_people(task: Task, deciding: Mapping[str, Evaluation], workspace: Workspace) -> dict[str, People]:
    """Return criterion -> what people said of both answers to some questions, of what decides and they can grade.

    ``deciding`` is the address of each side -> its evaluation in the context that decides. What cannot count is said.
    """
    pairs = pairs_of(deciding[task.against.uri], deciding[task.version.uri])
    found = {}
    for criterion, labels in _labels(pairs, gradable(task.criteria, task.design.primary), task, workspace.store):
        for line in _left_out(criterion, labels):
            workspace.say(f"note: {line}")
        if labels.base:
            found[criterion.name] = People(labels.base, labels.version, labels.same, labels.probability)
            workspace.say(f"people: {_said(criterion, labels)}")
    return found


def pairs_of(base: Evaluation, version: Evaluation) -> dict[str, tuple[Item, Item]]:
    """Return question id -> both answers, of the questions that both sides answered."""
    own = {row.id: row for row in version.rows if row.given}
    return {row.id: (item_of(row), item_of(own[row.id])) for row in base.rows if row.given and row.id in own}


def _labels(
    pairs: Mapping[str, tuple[Item, Item]], criteria: list[Criterion], task: Task, store: Store
) -> list[tuple[Criterion, PairLabels]]:
    """Return each criterion with what people said; nothing where nobody ever labelled one of these answers."""
    items = {item for pair in pairs.values() for item in pair}
    labels = find_labels(store, {key(item) for item in items for key in (item_key, bare_key)}) if criteria else []
    if not labels:
        return []
    samples = find_samples(store, {pair_key(*pair) for pair in pairs.values()})
    uniform = task.params.uniform_labels
    return [(each, pair_labels(pairs, each, labels, samples, uniform=uniform)) for each in criteria]


def _said(criterion: Criterion, labels: PairLabels) -> str:
    """Return how much people said, and what of that was asked for."""
    of = f" of {labels.asked:,} that were asked" if labels.asked else ""
    return f"{len(labels.base):,} pairs of answers{of} have labels under {criterion.name} by {first_of(labels.people)}"


def _left_out(criterion: Criterion, labels: PairLabels) -> list[str]:
    """Return which labels do not count, and what would make them."""
    lines = []
    if labels.other_scale:
        lines.append(
            f"{labels.other_scale:,} answers have labels under {criterion.name} on another scale than "
            f"{', '.join(criterion.scores)}, or from when it asked something else: they do not count"
        )
    if labels.one_sided:
        lines.append(
            f"{len(labels.one_sided):,} questions have people's labels under {criterion.name}, but of nobody for both "
            f"answers, and a change needs both by one person: {first_of(labels.one_sided)}"
        )
    if labels.returned[0]:
        back, drawn = labels.returned
        lines.append(
            f"{back:,} of the {drawn:,} pairs of answers that were drawn have labels under {criterion.name}: they "
            "count once half of them are back"
        )
    if labels.uncovered:
        lines.append(
            f"the questions with labels under {criterion.name} were drawn for other answers: {len(labels.uncovered):,} "
            f"questions whose answers differ here could not have been asked ({first_of(labels.uncovered)}), so none "
            "counts; give label the same parameters as this, and what was labelled is not asked again"
        )
    elif labels.unsampled and labels.probability:
        lines.append(
            f"{len(labels.unsampled):,} pairs of answers with people's labels under {criterion.name} are of no sample "
            f"and do not count beside those that are: {first_of(labels.unsampled)}"
        )
    elif labels.unsampled:
        lines.append(
            f"{len(labels.unsampled):,} pairs of answers have people's labels under {criterion.name}, but nothing is "
            "known of how their questions were drawn, so they do not count in the verdict; where each question was as "
            "likely to be asked as any other, add -P uniform_labels=True"
        )
    return lines
