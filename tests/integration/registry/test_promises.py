"""What is promised of a version's answers moves with the champion: each is served with the promise of its time."""

import dataclasses

import pytest
from mlflow import MlflowClient

from ragft.analysis.verification.promise import PROMISE, Promise
from ragft.errors import PrerequisiteError
from registry.history import kept_as, short
from registry.promotion import DecisionRecord, Promotion
from registry.store import Registry
from registry.terms import CHAMPIONS
from tests.integration.registry.test_promotion import (
    BACK,
    NAME,
    PROMOTED,
    aliases,
    described,
    leave_note,
    mended,
    promote,
    promotion,
    tags_of,
)
from tests.unit.test_verifying import TOLD

__all__ = ["promotion"]
FIRST, THEN, LATER = (dataclasses.replace(TOLD, limit=limit) for limit in (0.1, 0.2, 0.3))


def keep(registry: Registry, number: int, promise: Promise) -> None:
    registry.keep_promise(registry.get(f"models:/{NAME}/{number}"), promise)


def path() -> str:
    return str(MlflowClient().get_registered_model(NAME).tags[CHAMPIONS])


def test_a_rollback_brings_back_the_promise_of_the_time_and_keeps_a_later_one(
    promotion: Promotion, registry: Registry
) -> None:
    keep(registry, 2, FIRST)
    promote(promotion, 2)
    keep(registry, 2, THEN)  # applied to the champion at once
    promote(promotion, 3)
    assert path() == f"1 with none > 2 with {short(THEN.to_json())} > 3 with none"
    keep(registry, 2, LATER)
    keep(registry, 1, LATER)
    promotion.rollback(BACK)
    assert tags_of(2)[PROMISE] == THEN.to_json()
    assert tags_of(2)[kept_as(short(LATER.to_json()), PROMISE)] == LATER.to_json()
    assert described(2).count("**Checked before they leave**") == 1
    assert "at most 20% of the answers" in described(2)
    promotion.rollback(BACK)
    assert PROMISE not in tags_of(1)
    assert tags_of(1)[kept_as(short(LATER.to_json()), PROMISE)] == LATER.to_json()
    assert "Checked before they leave" not in described(1)


def test_an_alias_that_a_person_moves_back_brings_the_promise_of_the_time(
    promotion: Promotion, registry: Registry
) -> None:
    promote(promotion, 2)
    keep(registry, 2, FIRST)
    MlflowClient().set_registered_model_alias(NAME, "champion", "3")
    assert "by hand" in mended(promotion)
    keep(registry, 2, LATER)
    MlflowClient().set_registered_model_alias(NAME, "champion", "2")
    assert "by hand" in mended(promotion)
    assert tags_of(2)[PROMISE] == FIRST.to_json()


def test_an_earlier_time_of_which_no_promise_was_noted_leaves_the_present_one(
    promotion: Promotion, registry: Registry
) -> None:
    promote(promotion, 2)
    promote(promotion, 3)
    MlflowClient().set_registered_model_tag(NAME, CHAMPIONS, "1 > 2 > 3")  # as it was written before
    keep(registry, 2, FIRST)
    assert promotion.rollback(BACK).promise == FIRST.to_json()
    assert [term.promise for term in promotion.terms()] == [None, None]


def test_a_killed_promotion_is_not_completed_with_another_promise(promotion: Promotion, registry: Registry) -> None:
    keep(registry, 3, FIRST)
    promotion.record(registry.get(f"models:/{NAME}/3"), PROMOTED)
    leave_note(path=f"1 with none > 3 with {short(FIRST.to_json())}")
    keep(registry, 3, LATER)
    assert mended(promotion).endswith(
        f"stays version 1, since what is promised of the answers of models:/{NAME}/3 changed meanwhile: compare again"
    )
    assert (aliases()["champion"], tags_of(3)[PROMISE]) == (1, LATER.to_json())


def test_a_card_from_before_a_promise_does_not_erase_it(promotion: Promotion, registry: Registry) -> None:
    compared = registry.get(f"models:/{NAME}/2")
    keep(registry, 2, FIRST)
    promotion.record(compared, DecisionRecord("hold", ("too few",), "c", "run", card="# two\n\n**Verdict: hold**."))
    assert described(2).startswith("# two\n\n**Checked before they leave**: with 90% confidence at most 10%")
    assert described(2).endswith("**Verdict: hold**.")


@pytest.mark.parametrize("tag", ["ragft.served_as", PROMISE])
def test_a_version_that_did_not_keep_how_it_was_served_is_not_served_otherwise(
    promotion: Promotion, registry: Registry, tag: str
) -> None:
    keep(registry, 2, FIRST)
    promote(promotion, 2, served_as='{"way":"one"}')
    promote(promotion, 3)
    kept = kept_as(short(tags_of(2)[tag]), tag)
    for each in (tag, kept):
        MlflowClient().delete_model_version_tag(NAME, "2", each)
    with pytest.raises(
        PrerequisiteError, match=rf"version 2 .* cannot be champion again: the tag {kept} of .* is gone"
    ):
        promotion.rollback(BACK)
    assert (aliases()["champion"], promotion.mend()) == (3, None)
    assert promotion.rollback(BACK, to=1).number == 1
