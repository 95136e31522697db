"""A list that a user writes is taken apart in one place, so that no step reads it in another way than the next."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Data of ours, and a list whose empty places count.
OTHERS = {"ragft/pocket/world_catalog.py": 1, "entrypoints/steps/matrix/cells.py": 1, "ragft/lists.py": 1}


def test_nothing_else_splits_at_commas() -> None:
    files = [path for part in ("ragft", "registry", "entrypoints") for path in (ROOT / part).rglob("*.py")]
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count('.split(",")') for path in files}
    assert {name: count for name, count in found.items() if count} == OTHERS
