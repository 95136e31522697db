"""The home folder: closed to everybody else whatever the umask, and a sentence where it cannot be one."""

import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from ragft.store.private import make_home
from tests.integration.conftest import ROOT

NOBODY = 65534


def setup(home: str, umask: int = 0o022, user: int | None = None) -> "subprocess.CompletedProcess[str]":
    """Do what ``make setup`` does, then prepare the papers: files of ours, MLflow's and Postgres'."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "RAGFT_"))}
    environment = {**kept, "RAGFT_HOME": home, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "entrypoints.prepare", "--dataset", "qasper"]
    return subprocess.run(
        [*command, "--path", str(ROOT / "tests/data/qasper")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        umask=umask,
        user=user,
        check=False,
    )


def open_to_others(home: Path) -> list[str]:
    """What anybody else may do anything with; in a home of root, Postgres' account may pass through it."""
    allowed = stat.S_IXGRP if os.geteuid() == 0 else 0
    found = [(home, home.lstat().st_mode & ~allowed)]
    found += [(path, path.lstat().st_mode) for path in home.rglob("*") if not path.is_symlink()]
    assert len(found) > 20
    return [f"{path} {mode:o}" for path, mode in found if not stat.S_ISSOCK(mode) and mode & 0o077]


def test_nothing_is_open_to_others_whatever_the_umask(tmp_path: Path) -> None:
    done = setup(str(tmp_path / "home"), umask=0)
    assert done.returncode == 0, done.stderr
    assert open_to_others(tmp_path / "home") == []


def test_a_home_that_was_open_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "artifacts" / "1").mkdir(parents=True)
    (home / "artifacts" / "1" / "rows.csv").write_text("private")
    for path in (home / "artifacts" / "1" / "rows.csv", home / "artifacts" / "1", home / "artifacts", home):
        path.chmod(0o777)
    outside = tmp_path / "outside"
    outside.write_text("somebody's")
    outside.chmod(0o644)
    (home / "link").symlink_to(outside)
    make_home(home)
    assert {stat.S_IMODE(path.lstat().st_mode) & 0o077 for path in (home, *(home / "artifacts").rglob("*"))} == {0}
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_a_folder_with_others_files_is_no_home(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "letters").write_text("somebody's")
    shared.chmod(0o755)
    refused = setup(str(shared))
    assert refused.returncode == 2
    assert f"RAGFT_HOME is '{shared}'" in refused.stderr
    assert "'letters'" in refused.stderr
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755


@pytest.mark.parametrize(
    ("home", "code", "said"),
    [
        ("FILE", 2, "where a file is in the way"),
        ("FILE/home", 2, "where a file is in the way"),
        ("/proc/home", 3, "cannot be made or used"),
        ("/tmp/" + "x" * 5000, 3, "(5005 characters), which cannot be made or used: File name too long"),
        ("/tmp/" + "x/" * 2500, 3, "which cannot be made or used: File name too long"),
        ("LOOP/home", 2, "which is no folder"),
    ],
)
def test_a_home_that_cannot_be_is_a_sentence(tmp_path: Path, home: str, code: int, said: str) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "loop").symlink_to("loop")
    named = home.replace("FILE", str(tmp_path / "file")).replace("LOOP", str(tmp_path / "loop"))
    refused = setup(named)
    assert (refused.returncode, "Traceback" in refused.stderr) == (code, False), refused.stderr
    assert said in refused.stderr
    assert len(refused.stderr) < 2000


@pytest.mark.parametrize("name", ["path", "documents", "answers", "prompt", "base", "judge"])
@pytest.mark.parametrize("value", ["/" + "x" * 5000, "y" * 300])
def test_a_name_that_no_file_can_have_is_a_sentence(tmp_path: Path, name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints.evaluate", f"--{name}", value],
        cwd=ROOT,
        env={**os.environ, "RAGFT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (2, 3), done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_of_data_that_no_file_can_have_is_a_sentence(tmp_path: Path) -> None:
    words = ["--dataset", "qasper", "--path", str(ROOT / "tests/data/qasper"), "--name", "n" * 236]
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints.prepare", *words],
        cwd=ROOT,
        env={**os.environ, "RAGFT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "the name of the data has 236 characters" in done.stderr
    assert "-P name=..." in done.stderr


def test_who_is_not_root_gets_a_home_of_0700(tmp_path: Path) -> None:
    place = Path("/tmp") / f"ragft-test-{os.getpid()}"
    place.mkdir()
    if os.geteuid() == 0:
        os.chown(place, NOBODY, NOBODY)
    try:
        # A fork, since root's interpreter may lie where nobody else may look.
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                if os.geteuid() == 0:
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                os.umask(0)
                make_home(place / "home")
            os._exit(0)
        os.waitpid(child, 0)
        assert stat.S_IMODE((place / "home").stat().st_mode) == 0o700
    finally:
        shutil.rmtree(place)
