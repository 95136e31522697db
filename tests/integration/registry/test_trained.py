"""An adapter is found by the hash of what it was trained from, and remembers from how many it was chosen."""

from pathlib import Path

from registry.store import Registry
from tests.integration.registry.conftest import ADAPTER, BASE


def test_an_adapter_is_found_by_what_it_was_trained_from(registry: Registry, adapter: Path) -> None:
    base = registry.register_base(BASE, {})
    version = registry.register_adapter(ADAPTER, {}, adapter)
    assert registry.find_trained(base.name, "a" * 64) is None
    registry.mark_trained(version, "a" * 64)
    found = registry.find_trained(base.name, "a" * 64)
    assert found is not None
    assert found.uri == version.uri
    assert registry.find_trained(base.name, "b" * 64) is None
    assert registry.find_trained("ragft-nobody", "a" * 64) is None


def test_a_version_remembers_from_how_many_it_was_chosen(registry: Registry, adapter: Path) -> None:
    registry.register_base(BASE, {})
    version = registry.register_adapter(ADAPTER, {}, adapter)
    assert version.chosen_from == ""
    noted = registry.note_choice(version, "20 trials by right on dev")
    assert noted.chosen_from == registry.get(version.uri).chosen_from == "20 trials by right on dev"
