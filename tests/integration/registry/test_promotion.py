"""Moves of the champion against a real MLflow store, whole and cut short."""

import dataclasses
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient

from ragft.errors import ConfigError, DataError, PrerequisiteError
from ragft.models.fingerprint import write_manifest
from registry.promotion import PENDING, DecisionRecord, Promotion
from registry.store import Registry
from tests.integration.registry.conftest import ADAPTER, BASE

NAME = "ragft-telecom-pocket"
BACK = DecisionRecord("rolled_back", ("it was *slow*",), comparison="rollback", run_id="back")
PROMOTED = DecisionRecord("promote", ("it is better",), comparison="c" * 64, run_id="run")


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
    promotion.record(registry.get(f"models:/{NAME}/2"), DecisionRecord("reject", ("it is worse",), "c", "run"))
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
    promotion.rollback(BACK)
    promotion.promote(registry.get(f"models:/{NAME}/3"), against=promotion.champion(), record=PROMOTED)
    assert MlflowClient().get_model_version(NAME, "3").tags["ragft.forced"] == "we read every answer"


def tags_of(number: int) -> dict[str, str]:
    return dict(MlflowClient().get_model_version(NAME, str(number)).tags)


def described(number: int) -> str:
    return MlflowClient().get_model_version(NAME, str(number)).description or ""


def promote(promotion: Promotion, number: int, **changes: str) -> None:
    record = dataclasses.replace(PROMOTED, run_id=f"run of {number}", **changes)  # type: ignore[arg-type]
    version = Registry(model_code=Path(), requirements=[]).get(f"models:/{NAME}/{number}")
    promotion.promote(version, against=promotion.champion(), record=record)


def test_before_anything_was_promoted_there_is_nothing_to_go_back_to(promotion: Promotion, registry: Registry) -> None:
    with pytest.raises(PrerequisiteError, match="nothing was promoted yet: version 1 is champion of ragft-telecom"):
        promotion.rollback(BACK)
    with pytest.raises(PrerequisiteError, match="there is no model ragft-nothing in the registry"):
        Promotion(registry, "ragft-nothing").rollback(BACK)


def test_rollback_walks_back_and_never_forth(promotion: Promotion) -> None:
    promote(promotion, 2)
    promote(promotion, 3)
    assert (promotion.history(), aliases()) == ((1, 2, 3), {"champion": 3, "previous": 2})
    assert promotion.rollback(BACK).number == 2
    assert (promotion.history(), aliases()) == ((1, 2), {"champion": 2, "previous": 1})
    assert promotion.rollback(BACK).number == 1
    for _ in range(2):
        assert promotion.rollback(BACK).number == 1
        assert promotion.mend() is None
        assert (promotion.history(), aliases()) == ((1,), {"champion": 1})


def test_a_rollback_is_written_on_both_versions_and_on_their_cards(promotion: Promotion) -> None:
    promote(promotion, 2)
    promote(promotion, 3, card="# three\n\n**Verdict: promote**.")
    assert tags_of(2)["ragft.standing"] == "no longer champion: version 3 was promoted (run run of 3)"
    promotion.rollback(BACK)
    assert (tags_of(3)["ragft.decision"], tags_of(3)["ragft.decision_reasons"]) == ("rolled_back", "it was *slow*")
    assert described(3) == (
        "# three\n\n**Now**: rolled back, version 2 is champion again: it was \\*slow\\* (run back)\n\n"
        "**Verdict: promote**."
    )
    assert tags_of(2)["ragft.decision"] == "promote"
    assert described(2).startswith("**Now**: champion again since version 3 was rolled back: it was \\*slow\\*")
    assert described(2).count("**Now**") == 1


def test_a_rollback_to_a_number_is_done_once(promotion: Promotion) -> None:
    promote(promotion, 2)
    promote(promotion, 3)
    for _ in range(2):
        assert promotion.rollback(BACK, to=1).number == 1
        assert (promotion.history(), aliases()) == ((1,), {"champion": 1})
    with pytest.raises(PrerequisiteError, match=r"version 3 .* was not champion before version 1 \(before it: none\)"):
        promotion.rollback(BACK, to=3)


def test_who_was_rolled_back_and_is_promoted_again_can_be_rolled_back_again(promotion: Promotion) -> None:
    promote(promotion, 2)
    promotion.rollback(BACK)
    promote(promotion, 2)
    assert tags_of(2)["ragft.decision"] == "promote"
    promote(promotion, 3)
    promote(promotion, 2)
    assert promotion.history() == (1, 2, 3, 2)
    assert [promotion.rollback(BACK).number for _ in range(2)] == [3, 2]
    assert tags_of(2)["ragft.decision"] == "promote"
    assert "champion again" in tags_of(2)["ragft.decision_reasons"]


def test_each_champion_is_served_as_it_was_promoted_and_again_so_after_a_rollback(promotion: Promotion) -> None:
    promote(promotion, 2, served_as='{"way":"one"}')
    promote(promotion, 3)
    assert "ragft.served_as" not in tags_of(3)
    promote(promotion, 2, served_as='{"way":"two"}')
    assert tags_of(2)["ragft.served_as"] == '{"way":"two"}'
    assert [promotion.rollback(BACK).number for _ in range(2)] == [3, 2]
    assert tags_of(2)["ragft.served_as"] == '{"way":"one"}'


def test_a_person_who_goes_back_by_hand_goes_back_in_the_history(promotion: Promotion) -> None:
    promote(promotion, 2)
    promote(promotion, 3)
    MlflowClient().set_registered_model_alias(NAME, "champion", "2")
    assert "by hand" in mended(promotion)
    assert (promotion.history(), aliases()) == ((1, 2), {"champion": 2, "previous": 1})
    MlflowClient().set_registered_model_alias(NAME, "champion", "3")
    assert "by hand" in mended(promotion)
    assert promotion.history() == (1, 2, 3)
    assert promotion.rollback(BACK).number == 2


def test_a_history_that_ragft_did_not_write_is_left_to_a_person(promotion: Promotion) -> None:
    promote(promotion, 2)
    MlflowClient().set_registered_model_tag(NAME, "ragft.champions", "1, 2")
    with pytest.raises(DataError, match="delete the tag, and the history begins anew"):
        promotion.rollback(BACK)


def stored(number: int, name: str) -> Path:
    """Where a file of a version lies in the artifact store."""
    model = MlflowClient().get_model_version(NAME, str(number)).source or ""
    place = MlflowClient().get_logged_model(model.rpartition("/")[2]).artifact_location
    return Path(urlsplit(str(place)).path) / name


@pytest.mark.parametrize("name", ["artifacts/adapter/adapter_model.safetensors", "artifacts/serving.json", "model.py"])
@pytest.mark.parametrize("change", ["gone", "changed"])
def test_no_version_is_crowned_without_its_files(promotion: Promotion, name: str, change: str) -> None:
    promote(promotion, 2)
    promote(promotion, 3)
    before = aliases()
    path = stored(2, name)
    path.unlink() if change == "gone" else path.write_bytes(b"other")
    with pytest.raises(PrerequisiteError, match=r"version 2 .* cannot be champion again: .*-P to=, to one of 1"):
        promotion.rollback(BACK)
    assert (aliases(), promotion.mend()) == (before, None)
    assert promotion.rollback(BACK, to=1).number == 1
    with pytest.raises(PrerequisiteError):
        promote(promotion, 2)
    assert aliases() == {"champion": 1}


def test_a_swapped_adapter_with_a_fitting_manifest_is_not_crowned(promotion: Promotion) -> None:
    stored(2, "artifacts/adapter/adapter_model.safetensors").write_bytes(b"other")
    write_manifest(stored(2, "artifacts/adapter"))
    with pytest.raises(PrerequisiteError, match="its files and their manifest were replaced"):
        promote(promotion, 2)
    assert aliases()["champion"] == 1


def test_a_half_done_move_to_a_version_whose_files_are_gone_is_taken_back(promotion: Promotion) -> None:
    promotion.record(Registry(model_code=Path(), requirements=[]).get(f"models:/{NAME}/3"), PROMOTED)
    leave_note()
    stored(3, "artifacts/serving.json").unlink()
    assert "is taken back: champion of ragft-telecom-pocket stays version 1, since the files of" in mended(promotion)
    assert aliases()["champion"] == 1


def test_a_person_who_moves_the_alias_is_right(promotion: Promotion, registry: Registry) -> None:
    client = MlflowClient()
    client.set_registered_model_alias(NAME, "champion", "2")
    assert "version 2 of ragft-telecom-pocket was made champion by hand" in mended(promotion)
    assert client.get_model_version(NAME, "2").tags["ragft.champion_by_hand"] == "true"
    assert promotion.mend() is None
    assert promotion.champion().number == 2


def leave_note(**changes: object) -> None:
    note = {"old": 1, "new": 3, "move": "promotion", "on": 3, "run_id": "run", "path": "1 > 3"} | changes
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
    assert described(3) == "# card\n\n**Now**: champion, promoted over version 1 (run run)"
