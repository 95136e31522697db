"""The ledger counts every version that was compared on a test set, once, for good."""

from ragft.store.connection import Store
from ragft.store.trials import begin_trial, find_trials, settle_trial

TEST, CONFIRM = "abc seed 0 test", "abc seed 0 confirm"


def test_a_version_counts_once_a_test_set_however_often_it_is_compared(store: Store) -> None:
    begin_trial(store, TEST, "one", "models:/x/2")
    begin_trial(store, TEST, "two", "models:/x/3")
    begin_trial(store, CONFIRM, "two", "models:/x/3")
    found = begin_trial(store, TEST, "one", "models:/x/2")

    assert [trial.version for trial in found] == ["one", "two"]
    assert [trial.version for trial in find_trials(store, CONFIRM)] == ["two"]
    assert find_trials(store, "another") == []
    assert found[0].first < found[1].first


def test_the_same_adapter_under_another_name_is_the_same_version(store: Store) -> None:
    begin_trial(store, TEST, "one", "models:/x/2")
    (trial,) = begin_trial(store, TEST, "one", "models:/deleted and made again/2 \x00")
    assert trial.name == "models:/deleted and made again/2 \x00"


def test_an_unfinished_comparison_counts_and_a_finished_one_says_what_came_out(store: Store) -> None:
    begin_trial(store, TEST, "one", "models:/x/2")
    begin_trial(store, TEST, "two", "models:/x/3")
    settle_trial(store, TEST, "two", "reject", "sha")

    assert [(t.outcome, t.comparison) for t in find_trials(store, TEST)] == [("", ""), ("reject", "sha")]
    assert begin_trial(store, TEST, "two", "models:/x/3")[1].outcome == "reject"
