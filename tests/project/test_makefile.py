"""make check leaves out what is slow, make test leaves out nothing of that."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def recipe(target: str) -> str:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, target
    return found[1]


def test_slow_tests_run_in_make_test_and_not_in_make_check() -> None:
    assert '-m "not slow"' in recipe("check")
    assert "-m" not in recipe("test").replace("-m pytest", "")
    assert "--durations=20" in recipe("test")
    marked = [path for path in (ROOT / "tests" / "unit").rglob("*.py") if "pytest.mark.slow" in path.read_text()]
    assert len(marked) >= 6
