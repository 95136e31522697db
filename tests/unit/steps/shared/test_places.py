"""What steps take from the package lies where they look for it."""

from entrypoints.steps.shared.bases import base_path, require_base
from entrypoints.steps.shared.weights import SERVING_CODE
from ragft.params.values import POCKET


def test_the_pocket_model_is_found_under_its_short_name() -> None:
    assert require_base(POCKET).folder.samefile(base_path(POCKET))
    assert base_path("a-team/its-model") == "a-team/its-model"


def test_the_code_that_serves_a_version_is_there() -> None:
    assert "def " in SERVING_CODE.read_text(encoding="utf-8")
