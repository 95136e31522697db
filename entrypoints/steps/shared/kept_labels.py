"""People's labels are kept where `compare` looks for them."""

from collections.abc import Sequence
from pathlib import Path

from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import MOST_PROBLEMS_SHOWN
from ragft.judging.labels import bare_key, labels_of, without_disagreements
from ragft.judging.ratings import RatedTable
from ragft.lists import first_of
from ragft.prompts.criterion import Criterion
from ragft.store.labels import Label, save_labels


def keep_labels(labels: Sequence[Label], workspace: Workspace) -> None:
    """Keep the labels of one criterion, and say how many."""
    changed = save_labels(workspace.store, labels)
    if labels:
        answers = len({label.item for label in labels})
        replaced = f"; {changed} replace what the same people said before" if changed else ""
        workspace.say(f"kept {len(labels)} labels of {answers} answers under {labels[0].criterion}{replaced}")


def keep_table(path: Path, criterion: Criterion, table: RatedTable, workspace: Workspace) -> bool:
    """Keep the labels of a table with questions and answers, and return whether there are any.

    A table with a number that is no label of the criterion is on another scale (1 of 0 to 1 is not 1 of 1 to 5), and
    nothing of it is kept. Neither is what one person says twice and differently of one answer. Both are said.
    """
    if table.items is None:
        return False
    keys = [bare_key(item) for item in table.items]
    labels = labels_of(criterion, keys, table.people, table.annotators, path.name)
    agreed, differing = without_disagreements(labels)
    given = [number for numbers in table.people for number in numbers if number is not None]
    if len(labels) < len(given):
        off = sorted(set(given) - set(criterion.scores.values()))
        workspace.say(
            f"note: {len(given) - len(labels)} of {len(given)} numbers are no labels of {criterion.name} "
            f"({', '.join(criterion.scores)}): {first_of([f'{number:g}' for number in off])}. So compare does not use "
            "this table"
        )
        return False
    for problem in differing[:MOST_PROBLEMS_SHOWN]:
        workspace.say(f"note: compare does not use what disagrees with itself: {problem}")
    if len(differing) > MOST_PROBLEMS_SHOWN:
        workspace.say(f"note: and so for {len(differing) - MOST_PROBLEMS_SHOWN} more answers")
    keep_labels(agreed, workspace)
    return bool(agreed)
