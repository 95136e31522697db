"""The code below each kind of result, and what it was when its version was last looked at.

``python -m tests.project.result_code`` writes the present state into ``result_code.json``. Run it after raising a
version in ``ragft/result_versions.py``, and after a change of which you know that it changes no result.
"""

import ast
import hashlib
import json
import sys
from pathlib import Path
from typing import TypedDict

from ragft.result_versions import VERSIONS

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("result_code.json")
COMMAND = "python -m tests.project.result_code"

# Packages, files, or patterns of them. A file may lie below several kinds; what a kind is made from counts with it
# only where the key of that kind does not name it (a judge's message is in the key of its judgement, texts and all).
_WRITING = ("ragft/models", "ragft/prompts/answer*", "ragft/retrieval/contexts.py", "ragft/retrieval/withheld.py")
KINDS: dict[str, tuple[str, ...]] = {
    "preparation": (
        "ragft/data/splits.py", "ragft/data/division.py", "ragft/data/leakage.py", "ragft/data/similarity.py",
        "ragft/retrieval/chunking.py", "entrypoints/steps/**/preparation.py",
    ),
    "embedding": ("ragft/retrieval/embedding.py", "ragft/retrieval/embedders.py"),
    "retrieval": (
        "ragft/retrieval/retriever.py", "ragft/retrieval/given.py", "ragft/retrieval/reranking.py",
        "ragft/retrieval/opening.py", "ragft/store/passages.py", "ragft/store/indexes.py", "ragft/store/searching.py",
        "ragft/store/retrievals.py",
    ),
    "training": (
        *_WRITING, "ragft/training", "ragft/retrieval/metrics.py", "ragft/data/splits.py",
        "ragft/analysis/knowledge/categories.py", "ragft/analysis/knowledge/forgetting.py", "ragft/pocket/general.py",
        "ragft/judging/closed_book.py", "ragft/judging/short_answers.py", "ragft/judging/abstention.py",
        "entrypoints/steps/**/finetune.py",
        "entrypoints/steps/**/lesson.py", "entrypoints/steps/**/own_words.py", "entrypoints/steps/**/unknown_share.py",
        "entrypoints/steps/**/forgetting.py",
    ),
    "answering": (*_WRITING, "ragft/prompts/probe.py"),
    "judging": (
        "ragft/models", "ragft/judging", "ragft/prompts/judge*", "ragft/prompts/reply.py", "ragft/prompts/form_*",
        "ragft/prompts/steps.txt", "ragft/prompts/criterion.py", "ragft/prompts/criteria",
    ),
    "verdict": (
        "ragft/analysis", "ragft/judging", "ragft/data/splits.py", "ragft/retrieval/metrics.py",
        "ragft/pocket/truth.py", "ragft/pocket/grading.py", "registry/gate.py", "registry/reasons.py",
        "entrypoints/steps",
    ),
}  # fmt: skip
# What decides no kept result: how data get in (the data's own sha256 is in every key), what is shown, how it is kept.
NEUTRAL = (
    "ragft/*.py", "ragft/chat", "ragft/data", "ragft/params", "ragft/pocket", "ragft/store", "ragft/report",
    "ragft/prompts/__init__.py", "ragft/retrieval/__init__.py", "ragft/retrieval/sizes.py", "registry",
    "entrypoints/*.py",
)  # fmt: skip


class Record(TypedDict):
    """Kind -> version, and path -> digest."""

    versions: dict[str, int]
    code: dict[str, str]


def files_of(kind: str) -> list[Path]:
    """Return the files below a kind."""
    return matched(KINDS[kind])


def matched(patterns: tuple[str, ...]) -> list[Path]:
    """Return the files of code and texts that patterns name, each of which must name some."""
    found: set[Path] = set()
    for pattern in patterns:
        paths = list(ROOT.glob(pattern))
        paths += [path for folder in paths if folder.is_dir() for path in folder.rglob("*")]
        own = {path for path in paths if path.suffix in (".py", ".txt", ".md") and path.is_file()}
        assert own, f"{pattern} names no file: was it moved? Its new place belongs into {Path(__file__).name}"
        found |= own
    return sorted(found)


def digest_of(path: Path) -> str:
    """Return what a file does, as a short hash: comments, docstrings and layout of Python do not count."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = _without_docstring(node.body)
        text = ast.dump(tree)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def present() -> Record:
    """Return what the code is now."""
    paths = sorted({path for kind in KINDS for path in files_of(kind)})
    code = {path.relative_to(ROOT).as_posix(): digest_of(path) for path in paths}
    return {"versions": dict(VERSIONS), "code": code}


def recorded() -> Record:
    """Return what the code was when it was last recorded."""
    found: Record = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def changed(kind: str, before: Record, now: Record) -> list[str]:
    """Return the paths below a kind whose code is new, gone or different."""
    below = {path.relative_to(ROOT).as_posix() for path in files_of(kind)}
    gone = before["code"].keys() - now["code"].keys()
    different = {path for path in below if before["code"].get(path) != now["code"][path]}
    return sorted(different | {path for path in gone if _belonged(path, kind)})


def _belonged(path: str, kind: str) -> bool:
    return any(Path(path).match(pattern) or path.startswith(f"{pattern}/") for pattern in KINDS[kind])


def complaint(kind: str, before: Record, now: Record) -> str:
    """Return what is wrong with a kind and what to do; empty when nothing is."""
    old, new = before["versions"].get(kind, 0), now["versions"][kind]
    paths = changed(kind, before, now)
    if new < old:
        return f"{kind} went back from version {old} to {new}: results kept under {new} long ago would be taken again"
    if new > old:
        return f"{kind} has version {new}, recorded is {old}: run {COMMAND}"
    if paths:
        return (
            f"code below {kind} changed ({', '.join(paths)}). If the same key can now give another result, raise "
            f"{kind!r} in ragft/result_versions.py; then, or if results stay the same, run {COMMAND}"
        )
    return ""


def main() -> None:
    """Record the present code and versions, and say what changed."""
    now = present()
    before = recorded() if RECORD.exists() else Record(versions={}, code={})
    for kind in KINDS:
        if now["versions"][kind] < before["versions"].get(kind, 0):
            sys.exit(complaint(kind, before, now))
    RECORD.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for kind in KINDS:
        count = len(changed(kind, before, now))
        print(f"{kind} version {now['versions'][kind]}: {count} files changed since the last record")  # noqa: T201


if __name__ == "__main__":
    main()
