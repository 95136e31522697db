"""The numbers of the schema's steps: one each, none left out, so that there is one order in which to apply them."""

from ragft.store.schema import RENAMED, STEPS


def test_the_steps_are_numbered_through() -> None:
    assert len(STEPS) >= 5
    assert [int(step.stem.partition("_")[0]) for step in STEPS] == list(range(1, len(STEPS) + 1))


def test_a_renamed_step_is_there_under_its_new_name_alone() -> None:
    names = {step.stem for step in STEPS}
    assert RENAMED
    assert set(RENAMED.values()) <= names
    assert not set(RENAMED) & names
