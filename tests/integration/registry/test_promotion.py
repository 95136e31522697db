"""Moves of the champion against a real MLflow store, whole and cut short."""

import dataclasses
import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ragft.errors import ConfigError, DataError, PrerequisiteError
from registry.promotion import PENDING, Promotion, Record
from registry.store import Registry
from tests.integration.registry.conftest import ADAPTER, BASE

NAME = "ragft-telecom-pocket"
PROMOTED = Record("promote", ("it is better",), comparison="c" * 64, run_id="run")


@pytest.fixture
def promotion(registry: Registry, adapter: Path) -> Promotion:
    registry.register_base(BASE, {})
    registry.register_adapter(ADAPTER, {}, adapter)
    registry.register_adapter(dataclasses.replace(ADAPTER, seed=1), {}, adapter)
    return Promotion(registry, NAME)


def mended(promotion: Promotion) -> str:
    found = promotion.mend()
    assert found is not None
    return found.said


def aliases() -> dict[str, int]:
    return {name: int(number) for name, number in MlflowClient().get_registered_model(NAME).aliases.items()}


def test_promotion_moves_the_champion_and_keeps_the_previous_one(promotion: Promotion, registry: Registry) -> None:
    third = registry.get(f"models:/{NAME}/3")
    champion = promotion.promote(third, against=promotion.champion(), record=PROMOTED)
    assert champion.number == 3
    assert aliases() == {"champion": 3, "previous": 1}
    tags = MlflowClient().get_model_version(NAME, "3").tags
    assert tags["ragft.decision"] == "promote"
    assert tags["ragft.decision_comparison"] == "c" * 64
    assert promotion.mend() is None


def test_a_rejected_version_is_marked_and_nothing_moves(promotion: Promotion, registry: Registry) -> None:
    before = aliases()
    promotion.record(registry.get(f"models:/{NAME}/2"), Record("reject", ("it is worse",), "c", "run"))
    assert aliases() == before
    assert MlflowClient().get_model_version(NAME, "2").tags["ragft.decision_reasons"] == "it is worse"


def test_a_stale_comparison_is_refused(promotion: Promotion, registry: Registry) -> None:
    base = promotion.champion()
    promotion.promote(registry.get(f"models:/{NAME}/3"), against=base, record=PROMOTED)
    with pytest.raises(PrerequisiteError, match=r"version 3 is champion now: compare again"):
        promotion.promote(registry.get(f"models:/{NAME}/2"), against=base, record=PROMOTED)
    with pytest.raises(ConfigError, match="is champion already"):
        promotion.promote(promotion.champion(), against=promotion.champion(), record=PROMOTED)


def test_a_forced_promotion_is_marked_for_ever(promotion: Promotion, registry: Registry) -> None:
    forced = dataclasses.replace(PROMOTED, forced="we read every answer")
    promotion.promote(registry.get(f"models:/{NAME}/3"), against=promotion.champion(), record=forced)
    promotion.rollback(Record("reject", ("too early",), "rollback", "another run"))
    promotion.promote(registry.get(f"models:/{NAME}/3"), against=promotion.champion(), record=PROMOTED)
    assert MlflowClient().get_model_version(NAME, "3").tags["ragft.forced"] == "we read every answer"


def test_rollback_goes_back_and_forth(promotion: Promotion, registry: Registry) -> None:
    with pytest.raises(PrerequisiteError):
        promotion.rollback(PROMOTED)
    promotion.promote(registry.get(f"models:/{NAME}/3"), against=promotion.champion(), record=PROMOTED)
    assert promotion.rollback(Record("reject", ("it was slow",), "rollback", "run")).number == 1
    assert aliases() == {"champion": 1, "previous": 3}
    assert MlflowClient().get_model_version(NAME, "3").tags["ragft.decision_reasons"] == "it was slow"


def test_a_person_who_moves_the_alias_is_right(promotion: Promotion, registry: Registry) -> None:
    client = MlflowClient()
    client.set_registered_model_alias(NAME, "champion", "2")
    assert "version 2 of ragft-telecom-pocket was made champion by hand" in mended(promotion)
    assert client.get_model_version(NAME, "2").tags["ragft.champion_by_hand"] == "true"
    assert promotion.mend() is None
    assert promotion.champion().number == 2


def leave_note(**changes: object) -> None:
    note = {"old": 1, "new": 3, "move": "promotion", "on": 3, "run_id": "run"} | changes
    MlflowClient().set_registered_model_tag(NAME, PENDING, json.dumps(note))


def test_a_half_done_move_gives_way_to_a_person(promotion: Promotion) -> None:
    client = MlflowClient()
    leave_note()
    client.set_registered_model_alias(NAME, "champion", "2")
    assert "a person made version 2 champion" in mended(promotion)
    assert promotion.champion().number == 2
    assert PENDING not in client.get_registered_model(NAME).tags


def test_a_move_to_a_version_that_was_deleted_meanwhile_is_taken_back(promotion: Promotion, registry: Registry) -> None:
    promotion.record(registry.get(f"models:/{NAME}/3"), PROMOTED)
    leave_note()
    MlflowClient().delete_model_version(NAME, "3")
    assert "is taken back: champion of ragft-telecom-pocket stays version 1" in mended(promotion)
    assert aliases() == {"champion": 1}


@pytest.mark.parametrize("note", ["{}", "[]", "no json", '{"old": 1}'])
def test_a_note_that_ragft_did_not_write_is_left_to_a_person(promotion: Promotion, note: str) -> None:
    MlflowClient().set_registered_model_tag(NAME, PENDING, note)
    with pytest.raises(DataError, match="delete the tag"):
        promotion.mend()
    assert promotion.champion().number == 1


def test_without_a_champion_a_person_is_asked_to_choose_one(promotion: Promotion) -> None:
    MlflowClient().delete_registered_model_alias(NAME, "champion")
    with pytest.raises(PrerequisiteError, match="no version of ragft-telecom-pocket is champion: give"):
        promotion.mend()


def test_a_name_that_nobody_registered_has_nothing_to_mend(registry: Registry) -> None:
    assert Promotion(registry, "ragft-nothing-here").mend() is None


def test_a_decision_completes_the_card(promotion: Promotion, registry: Registry) -> None:
    third = registry.get(f"models:/{NAME}/3")
    promotion.promote(third, against=promotion.champion(), record=dataclasses.replace(PROMOTED, card="# card"))
    assert MlflowClient().get_model_version(NAME, "3").description == "# card"
