"""`mlflow run` with a Git address, as a stranger types it: the code is fetched, what it makes stays where they are."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.end_to_end.conftest import ROOT, Checkout

PAGE = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
PARTS = ("ragft/", "registry/", "entrypoints/", "tests/data/answer_files/", "MLproject", "conda.yaml")


def git(folder: Path, *words: str) -> str:
    author = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *author, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


def bare_repository(folder: Path) -> Path:
    """Commit what a command needs of this tree, as it is now, and return a bare repository with it."""
    work, bare = folder / "work", folder / "ragft.git"
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PARTS).split("\0"):
        if name and (ROOT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, work / name)
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "all")
    git(folder, "clone", "--quiet", "--bare", str(work), str(bare))
    return bare


def test_what_a_git_address_makes_stays_where_it_was_typed(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "home", tmp_path)
    checkout.step("setup")
    (line,) = re.findall(r"^mlflow run file:///srv/git/ragft .*$", PAGE, flags=re.MULTILINE)
    bare, here, temporary = bare_repository(tmp_path), tmp_path / "here", tmp_path / "tmp"
    here.mkdir()
    temporary.mkdir()
    environment = {key: value for key, value in checkout.environment.items() if key != "RAGFT_HOME"}
    environment["TMPDIR"] = str(temporary)
    words = shlex.split(line.replace("/srv/git/ragft", str(bare.with_suffix(""))))
    done = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, timeout=600, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert f"everything is kept in {here / '.ragft'}: this code was fetched for one command" in said
    assert "Do not ship tuned" in said
    assert {path.name for path in here.iterdir()} == {".ragft"}
    (clone,) = [folder for folder in temporary.iterdir() if (folder / "MLproject").exists()]
    assert not (clone / ".ragft").exists()
    (report,) = (here / ".ragft" / "reports").glob("*.html")
    assert f"report: {report.as_uri()}" in said
