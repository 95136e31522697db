"""An adapter is found by the hash of what it was trained from, and remembers from how many it was chosen."""

from pathlib import Path

from entrypoints.steps.matrix.cells import Identities
from entrypoints.steps.search.tune import tune_of
from entrypoints.steps.search.tune_runner import TuneRunner
from entrypoints.steps.shared.workspace import Workspace
from ragft.params.searches import TuneParams
from ragft.store.connection import Store
from ragft.store.tune_trials import TuneTrial
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


def test_the_best_of_a_tune_is_not_compared_with_itself(
    registry: Registry, adapter: Path, store: Store, tmp_path: Path
) -> None:
    registry.register_base(BASE, {})
    version = registry.register_adapter(ADAPTER, {}, adapter)
    workspace = Workspace(home=tmp_path, store=store, say=print)
    tune = tune_of(TuneParams(space="epochs=1..3", against=version.uri), Identities(workspace))
    found = TuneRunner(tune, workspace).compare(TuneTrial(0, "task", {"epochs": 1}, {"version": version.uri}), 3)
    assert (found["verdict"], found["version"], found["against"]) == ("not compared", version.uri, version.uri)
    assert registry.get(version.uri).chosen_from == "3 trials by dev_loss on dev"
