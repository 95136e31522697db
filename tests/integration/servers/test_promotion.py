"""Moves of the champion through a real MLflow server on a real Postgres: a person, a hand in the UI, many processes."""

import dataclasses
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from ragft.analysis.verification.promise import PROMISE
from ragft.models.adapter_folder import identity_of
from ragft.served_as import SERVED_AS
from registry import terms
from registry.card import MOST_OF_A_DESCRIPTION
from registry.history import kept_as, short
from registry.promotion import Promotion
from registry.store import Registry
from registry.terms import CHAMPIONS, MOST_TERMS, ChampionTerm
from tests.integration.conftest import StartScript
from tests.integration.registry.conftest import ADAPTER, BASE, IDENTITY
from tests.integration.registry.test_promotion import (
    BACK,
    NAME,
    PROMOTED,
    promotion,
    test_a_forced_promotion_is_marked_for_ever,
    test_a_half_done_move_gives_way_to_a_person,
    test_a_move_to_a_version_that_was_deleted_meanwhile_is_taken_back,
    test_a_person_who_moves_the_alias_is_right,
    test_a_rejected_version_is_marked_and_nothing_moves,
    test_a_stale_comparison_is_refused,
    test_promotion_moves_the_champion_and_keeps_the_previous_one,
    test_rollback_walks_back_and_never_forth,
)
from tests.promoting import promote_at_once, what_is_wrong

# The same tests as on sqlite, on the server.
__all__ = [
    "promotion",
    "test_a_forced_promotion_is_marked_for_ever",
    "test_a_half_done_move_gives_way_to_a_person",
    "test_a_move_to_a_version_that_was_deleted_meanwhile_is_taken_back",
    "test_a_person_who_moves_the_alias_is_right",
    "test_a_rejected_version_is_marked_and_nothing_moves",
    "test_a_stale_comparison_is_refused",
    "test_promotion_moves_the_champion_and_keeps_the_previous_one",
    "test_rollback_walks_back_and_never_forth",
]


def test_the_longest_card_fits_the_database(promotion: Promotion, registry: Registry) -> None:
    version = registry.get(f"models:/{NAME}/2")
    text = "é" * MOST_OF_A_DESCRIPTION
    promotion.record(version, dataclasses.replace(PROMOTED, outcome="hold", card=text))
    assert MlflowClient().get_model_version(NAME, "2").description == text


def test_the_longest_history_and_reason_fit_the_database(promotion: Promotion) -> None:
    name = short("{}")
    path = terms.write([*[ChampionTerm(2, name, name)] * MOST_TERMS, ChampionTerm(1)])
    for tag in (SERVED_AS, PROMISE):
        MlflowClient().set_model_version_tag(NAME, "2", kept_as(name, tag), "{}")
    MlflowClient().set_registered_model_tag(NAME, CHAMPIONS, path)
    reason = "\U0001f600" * 5000
    assert promotion.rollback(dataclasses.replace(BACK, reasons=(reason,))).number == 2
    assert len(promotion.history()) == MOST_TERMS - 1


def test_a_version_of_the_server_loads_with_its_artifacts(registry: Registry, adapter: Path, tmp_path: Path) -> None:
    registry.register_base(BASE, {"base": "pocket"})
    version = registry.register_adapter(ADAPTER, {"base": "pocket"}, adapter)
    folder = registry.download_adapter(version, tmp_path)
    assert identity_of(folder) == IDENTITY
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@challenger")
    assert loaded.predict([{"question": "why?"}]) == [{"answer": "pocket: why?", "sources": []}]


@pytest.mark.parametrize(("processes", "each"), [(4, 5)])
def test_many_processes_promote_and_no_update_is_lost(
    promotion: Promotion, start_script: StartScript, dsn: str, processes: int, each: int
) -> None:
    moves = promote_at_once(start_script, dsn, NAME, processes, each)
    assert what_is_wrong(moves, NAME, processes * each) == []
