"""A version of a kind of result is raised when the code below it changes results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ragft.result_versions import VERSIONS
from tests.project import result_code
from tests.project.result_code import KINDS, NEUTRAL, ROOT, complaint, digest_of, files_of, matched, present, recorded


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_was_raised_or_the_change_was_looked_at(kind: str) -> None:
    assert files_of(kind)
    assert complaint(kind, recorded(), present()) == ""


def test_every_kind_has_code_and_every_file_a_place() -> None:
    assert KINDS.keys() == VERSIONS.keys()
    named = {path for kind in KINDS for path in files_of(kind)} | set(matched(NEUTRAL))
    everything = set(matched(("ragft", "registry", "entrypoints")))
    assert len(everything) > 150
    assert everything - named == set()


BEFORE = '''
"""What it is."""

def double(x: int) -> int:
    """Return twice x."""
    return 2 * x  # not x + x
'''
SAME = """
def double(x: int) -> int:
    return (2
            * x)
"""


def test_only_what_code_does_counts(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    digests = []
    for text in (BEFORE, SAME, BEFORE.replace("2 * x", "3 * x")):
        path.write_text(text)
        digests.append(digest_of(path))
    assert digests[0] == digests[1] != digests[2]


def test_a_change_without_a_word_is_named_with_the_way_out() -> None:
    now = present()
    path = "ragft/training/loop.py"
    before = {**now, "code": {**now["code"], path: "other", "ragft/training/gone.py": "old"}}
    said = complaint("training", before, now)  # type: ignore[arg-type]
    assert f"(ragft/training/gone.py, {path})" in said
    assert "raise 'training' in ragft/result_versions.py" in said
    assert "python -m tests.project.result_code" in said
    assert complaint("judging", before, now) == ""  # type: ignore[arg-type]
    raised = {**now, "versions": {**now["versions"], "training": now["versions"]["training"] + 1}}
    assert "recorded is" in complaint("training", now, raised)  # type: ignore[arg-type]
    assert "went back" in complaint("training", raised, now)  # type: ignore[arg-type]


def test_the_command_records_and_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "result_code.json"
    monkeypatch.setattr(result_code, "RECORD", record)
    result_code.main()
    assert recorded() == present() == json.loads(record.read_text())
    monkeypatch.setitem(VERSIONS, "verdict", VERSIONS["verdict"] + 1)
    assert complaint("verdict", recorded(), present())
    result_code.main()
    assert not complaint("verdict", recorded(), present())
    monkeypatch.setitem(VERSIONS, "verdict", VERSIONS["verdict"] - 1)
    with pytest.raises(SystemExit, match="verdict went back"):
        result_code.main()


def test_the_command_is_the_one_the_message_names() -> None:
    words = result_code.COMMAND.split()
    assert words[:2] == ["python", "-m"]
    done = subprocess.run([sys.executable, "-c", f"import {words[2]}"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
