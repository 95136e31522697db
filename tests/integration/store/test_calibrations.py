"""What is known of judges: by judge, criterion, estimator and data, the newest of each."""

from ragft.store.calibrations import find_calibrations, save_calibration
from ragft.store.connection import Store


def test_the_newest_of_each_is_kept(store: Store) -> None:
    for spearman in (0.2, 0.8):
        save_calibration(store, {"spearman": spearman}, judge="j", criterion="c", estimator="e", data="d")
    save_calibration(store, {"spearman": None, "source": "Zoë"}, judge="j", criterion="c2", estimator="e", data="d")
    assert find_calibrations(store, judge="j", estimator="e", data="d") == {
        "c": {"spearman": 0.8},
        "c2": {"spearman": None, "source": "Zoë"},
    }


def test_nothing_is_known_of_another_judge_estimator_or_data(store: Store) -> None:
    save_calibration(store, {"spearman": 1.0}, judge="j", criterion="c", estimator="e", data="d")
    for other in ({"judge": "x"}, {"estimator": "x"}, {"data": "x"}):
        assert find_calibrations(store, **{"judge": "j", "estimator": "e", "data": "d", **other}) == {}
