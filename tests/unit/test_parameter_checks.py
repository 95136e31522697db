"""What parameters name is looked up before anything starts."""

from pathlib import Path

import pytest

from entrypoints.parameter_checks import check
from ragft.errors import ConfigError
from ragft.params.data import PrepareParams


def test_the_folder_is_named_only_where_a_path_is_relative_to_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"path is 'none\.csv', which does not exist \(looked in /"):
        check(PrepareParams(dataset="rows", path="none.csv"))
    with pytest.raises(ConfigError, match=r"none\.csv', which does not exist$"):
        check(PrepareParams(dataset="rows", path=str(tmp_path / "none.csv")))
