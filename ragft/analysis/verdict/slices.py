"""Parts of the questions: which there are usually, and how small one may be to be shown."""

from collections.abc import Collection, Mapping, Sequence

from ragft.types import Question

# A slice of fewer questions, or of one document, says nothing about a kind of question.
LEAST_OF_A_SLICE = 5


def slices_of(questions: Sequence[Question]) -> dict[str, set[str]]:
    """Return the usual slices, name -> question ids: by whether there is an answer and by kind, where these differ.

    Two names for the same questions become one slice, since each slice makes the correction of a veto stricter.
    """
    slices: dict[str, set[str]] = {}
    for question in questions:
        if question.kind:
            slices.setdefault(f"kind {question.kind}", set()).add(question.id)
        slices.setdefault("answerable" if question.answerable else "not answerable", set()).add(question.id)
    different: dict[str, set[str]] = {}
    for name, ids in sorted(slices.items(), key=lambda entry: (entry[0].startswith("kind "), entry[0])):
        if len(ids) < len(questions) and ids not in different.values():
            different[name] = ids
    return different


def masks_of(slices: Mapping[str, Collection[str]], ids: Sequence[str]) -> dict[str, list[bool]]:
    """Return name -> which questions belong to a slice; one without questions is left out."""
    masks = {name: [question in chosen for question in ids] for name, chosen in sorted(slices.items())}
    return {name: mask for name, mask in masks.items() if any(mask)}
