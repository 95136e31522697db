"""What a base was found to know is kept, added to and found again."""

from ragft.store.connection import Store
from ragft.store.probes import ProbeRecord, find_probe, save_probe

COUNTS = {"greedy_right": 1, "greedy_asked": 4, "sampled_right": 0, "sampled_asked": 16}


def test_nothing_is_found_before_anything_was_probed(store: Store) -> None:
    assert find_probe(store, "base", "data") is None


def test_what_is_found_later_is_added(store: Store) -> None:
    settings = {"sets": 4, "temperature": 0.5}
    save_probe(store, ProbeRecord("base", "data", settings, {"q1 \x00": COUNTS}))
    saved = save_probe(store, ProbeRecord("base", "data", settings, {"q2": {**COUNTS, "greedy_right": 4}}))
    assert saved.record == {"q1 \x00": COUNTS, "q2": {**COUNTS, "greedy_right": 4}}
    assert find_probe(store, "base", "data") == saved
    assert find_probe(store, "base", "other data") is None
    assert find_probe(store, "other base", "data") is None


def test_the_latest_way_of_asking_counts(store: Store) -> None:
    first = save_probe(store, ProbeRecord("base", "data", {"sets": 4}, {"q1": COUNTS}))
    second = save_probe(store, ProbeRecord("base", "data", {"sets": 10}, {"q1": COUNTS}))
    assert find_probe(store, "base", "data") == second
    save_probe(store, first)
    assert find_probe(store, "base", "data") == first
