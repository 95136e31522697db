from entrypoints.steps.reporting.tables import metric_table


def test_a_table_says_n_and_unscored_and_the_change_against_the_first_side() -> None:
    lines = metric_table(
        {
            "base": {"f1/mean": 0.5, "f1/n_scored": 300.0, "f1/n_unscored": 0.0},
            "adapter": {"f1/mean": 0.25, "f1/n_scored": 298.0, "f1/n_unscored": 2.0},
        }
    )
    assert lines[0].split() == ["metric", "n", "unscored", "base", "adapter"]
    assert lines[2].split() == ["f1", "298", "2", "0.500", "0.250", "(-0.250)"]


def test_a_metric_that_one_side_lacks_is_a_dash() -> None:
    lines = metric_table({"base": {"a/mean": 1.0, "a/n_scored": 3.0}, "adapter": {"b/mean": 2.0, "b/n_scored": 3.0}})
    assert lines[2].split() == ["a", "0", "0", "1.000", "-"]
    assert lines[3].split() == ["b", "0", "0", "-", "2.000"]
