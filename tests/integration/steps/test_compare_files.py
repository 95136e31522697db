"""A verdict on two files of answers: real files, a real MLflow store, no model and no registry."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from entrypoints.steps import compare_files
from entrypoints.steps.reporting import latest_report
from entrypoints.steps.reporting.file_report import ComparedFiles
from entrypoints.steps.shared.workspace import Workspace
from ragft.analysis.verdict.comparison import Comparison
from ragft.errors import ConfigError, DataError, RejectedError
from ragft.params.verdict import CompareParams
from ragft.store.connection import Store
from tests.integration.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
Row = dict[str, Any]
REFUSES = "The documents do not say."
SHORT_WORDS = 5
# Questions about fewer than sixty documents cannot rule out a rise or a loss beyond the usual margins.
WIDE = "false_answers=20,false_refusals=20,forgetting"


@pytest.fixture
def workspace(store: Store, tmp_path: Path) -> Iterator[Workspace]:
    """A home with a store and an MLflow store of its own."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("ragft", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("ragft")
    yield Workspace(home=tmp_path, store=store, say=lambda _: None)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def questions(*, sentences: bool = False) -> list[Row]:
    """The questions about PostgreSQL that have a short answer or none, as rows without an output."""
    lines = (ROOT / "tests/data/postgresql/questions.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for row in map(json.loads, lines):
        references = [row["answer"]] if isinstance(row["answer"], str) else row["answer"]
        if row.get("kind") == "yes_no" or any(len(each.split()) > SHORT_WORDS for each in references):
            continue
        if sentences and references[0]:
            references = [f"According to the manual of this release, the right answer would be {references[0]}"]
        found.append({"input": row["question"], "expected_output": references, "document": row["documents"][0]})
    assert len(found) > 150
    return found


def answered(rows: list[Row], rule: Callable[[int, Row], str | None]) -> list[Row]:
    return [{**row, "output": rule(rank, row)} for rank, row in enumerate(rows)]


def right(_: int, row: Row) -> str:
    return str(row["expected_output"][0]) or REFUSES


def mostly_right(rank: int, row: Row) -> str:
    return "It is 42 apples." if rank % 9 == 0 and row["expected_output"][0] else right(rank, row)


def often_wrong(rank: int, row: Row) -> str:
    return "It is 42 apples." if rank % 3 == 0 and row["expected_output"][0] else right(rank, row)


def inventing(rank: int, row: Row) -> str:
    return right(rank, row) if row["expected_output"][0] else "Yes, since release 9.2."


def compared(workspace: Workspace, tuned: list[Row], base: list[Row], **params: Any) -> ComparedFiles:  # noqa: ANN401
    paths = {}
    for name, rows in (("tuned", tuned), ("base", base)):
        paths[name] = workspace.home / f"{name}.jsonl"
        paths[name].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = CompareParams(answers=str(paths["tuned"]), against=str(paths["base"]), **{"judge": "none", **params})
    return compare_files.run(given, workspace)


def test_a_file_that_is_often_wrong_is_rejected_and_everything_is_kept(workspace: Workspace) -> None:
    rows = questions()
    found = compared(workspace, answered(rows, often_wrong), answered(rows, mostly_right))
    assert found.decision.outcome == "reject"
    assert found.decision.summary.title == "Do not ship tuned: fewer of its answers are right"
    assert found.comparison.design.primary == ("right",)
    assert {guard.name: guard.measured for guard in found.comparison.guards} == {
        "false_answers": True,
        "false_refusals": True,
        "forgetting": False,
    }
    assert "Forgetting was not measured: files of answers do not show" in " ".join(found.decision.reasons)
    client = mlflow.MlflowClient()
    run = client.get_run(found.run_id)
    assert run.data.tags["ragft.verdict"] == "reject"
    assert run.data.tags["mlflow.note.content"].startswith("**Do not ship tuned")
    assert {"change_right", "change_right_low", "guard_false_answers_rise"} <= run.data.metrics.keys()
    kept = mlflow.artifacts.load_dict(f"runs:/{found.run_id}/comparison.json")
    assert Comparison.from_dict(kept) == found.comparison
    html = latest_report.fetch_newest(workspace.home).read_text(encoding="utf-8")
    assert "Should the answers of tuned replace those of base?" in html
    assert "-P on_reject=fail --env-manager local" in html
    for foreign in ("finetune", "fine-tuned", "adapter", "split=confirm", "same passages and prompts"):
        assert foreign not in html, foreign
    (report,) = (workspace.home / "reports").iterdir()
    assert report.name.startswith("tuned-against-base-")


def test_the_same_answers_are_no_gain(workspace: Workspace) -> None:
    rows = questions()
    base = answered(rows, mostly_right)
    few = compared(workspace, base, base)
    assert few.decision.summary.title == "Keep base for now: these questions are too few to say"
    assert few.comparison.claims.unsafe == ("false_answers", "false_refusals")
    open_ones = [{"input": f"What else, {i}?", "output": "Nothing."} for i in range(3)]
    said: list[str] = []
    loud = dataclasses.replace(workspace, say=said.append)
    found = compared(loud, base + open_ones, base + open_ones, guards=WIDE, margin=0.1)
    assert found.decision.outcome == "hold"
    assert found.decision.summary.title == "Keep base: no gain shown"
    assert found.comparison.questions == len(rows)
    count = f"3 of {len(rows) + 3} questions have no reference in either file"
    assert f"note: references: {count}, so right does not ask them" in said
    assert any(line.startswith(f"note: different answers: none: all {len(rows) + 3} are") for line in said)


def test_a_file_that_invents_answers_is_rejected_for_that_whatever_it_gains(workspace: Workspace) -> None:
    rows = questions()
    with pytest.raises(RejectedError, match="Do not ship tuned: it invents answers"):
        compared(workspace, answered(rows, inventing), answered(rows, often_wrong), on_reject="fail")
    found = compared(workspace, answered(rows, inventing), answered(rows, often_wrong))
    assert found.comparison.claims.harmful == ("false_answers",)
    assert found.comparison.tried == 1
    again = compared(workspace, answered(rows, right), answered(rows, often_wrong), guards=WIDE)
    assert again.decision.summary.title == "Ship tuned: more of its answers are right, and no harm was found"
    assert again.comparison.tried == 2
    assert any("2 files were compared on these questions" in reason for reason in again.decision.reasons)


def test_where_references_are_sentences_shared_words_decide_among_the_answerable(workspace: Workspace) -> None:
    rows = questions(sentences=True)
    found = compared(workspace, answered(rows, mostly_right), answered(rows, often_wrong))
    assert found.comparison.design.primary == ("answer_f1",)
    assert found.comparison.questions == sum(bool(row["expected_output"][0]) for row in rows) < len(rows)
    assert found.comparison.claims.superior == ("answer_f1",)
    (false,) = [guard for guard in found.comparison.guards if guard.name == "false_answers"]
    assert false.effect and false.effect.n == len(rows) - found.comparison.questions


def test_what_the_files_do_not_tell_is_said_and_leaving_out_what_went_wrong_gains_nothing(workspace: Workspace) -> None:
    rows = [{key: value for key, value in row.items() if key != "document"} for row in questions()]
    base = [{**row, "context": ["One.", "Two."]} for row in answered(rows, mostly_right)]
    tuned = [{**row, "context": ["One.", "Two." if i else "3."]} for i, row in enumerate(answered(rows, mostly_right))]
    tuned[0]["output"] = None
    tuned = [row for row in tuned if row["output"] != "It is 42 apples."]
    total, both = len(rows), len(tuned)
    out = total - both
    assert out > 5
    said: list[str] = []
    found = compared(dataclasses.replace(workspace, say=said.append), tuned, base, guards=WIDE)
    assert found.decision.outcome == "inconclusive"
    missing, bounds = found.comparison.primaries[0].missing, found.comparison.primaries[0].bounds
    assert (missing.base, missing.version) == (0, out + 1)
    assert bounds.low < 0 < bounds.high
    checks = {each.name: each for each in found.comparison.checks}
    assert f"{both} in both files, joined by input; {out} only in base: '" in checks["same questions"].detail
    seen = f"their passages are equal in {both - 1} of {both} questions, and not known in {out} more, so the change"
    assert seen in checks["passages"].detail
    assert checks["answers"].detail.startswith(f"tuned has none for {out + 1} of {total}: ")
    assert {f"note: {name}: {checks[name].detail}" for name in ("same questions", "answers")} <= set(said)
    assert {name for name, each in checks.items() if each.unknown} == {"prompt and model", "independent groups"}
    assert found.comparison.clusters == found.comparison.questions
    bare = [{key: value for key, value in row.items() if key != "context"} for row in base]
    found = compared(workspace, base, bare)
    assert any(reason.startswith("Not known, passages: whether they saw the same") for reason in found.decision.reasons)


def test_files_that_cannot_be_compared_are_refused(workspace: Workspace) -> None:
    rows = questions()
    with pytest.raises(DataError, match="a verdict needs 90% of the larger file"):
        compared(workspace, answered(rows[:50], right), answered(rows, right))
    bare = [{"input": row["input"], "output": "Yes."} for row in rows]
    with pytest.raises(DataError, match=r"no row of .* has a reference, and judge is none"):
        compared(workspace, bare, bare)
    unanswerable = [row for row in answered(rows, right) if not row["expected_output"][0]]
    with pytest.raises(DataError, match=r"no row of .* has a reference by which answer_f1 can be told: give rows an"):
        compared(workspace, unanswerable, unanswerable, primary="answer_f1")
    with pytest.raises(ConfigError, match="and accuracy is not measured here"):
        compared(workspace, answered(rows, right), answered(rows, right), primary="accuracy")


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "RAGFT_"))}
    environment = {**kept, "RAGFT_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    called = [sys.executable, "-m", "entrypoints.compare", *words]
    return subprocess.run(called, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_command_ends_with_the_code_of_a_rejection(tmp_path: Path) -> None:
    files = [f"tests/data/answer_files/{name}.jsonl" for name in ("tuned", "base")]
    both = ["--answers", files[0], "--against", files[1], "--judge", "none"]
    done = command(tmp_path, *both, "--on_reject", "fail")
    assert done.returncode == RejectedError.exit_code, done.stderr
    assert "ragft compare: Do not ship tuned: it invents answers" in done.stderr
    assert "primaries: right; guards: false_answers (margin 5 points)" in done.stdout
    assert "report: file://" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--answers", "tuned.jsonl"],
            "answers is 'tuned.jsonl' and against is 'champion': name the file of the other",
        ),
        (["--against", "base.jsonl"], "against is the file 'base.jsonl', and answers is empty"),
        (["--answers", "none.jsonl", "--against", "{base}"], "answers is 'none.jsonl', which does not exist"),
        (["--answers", "{base}", "--against", "none.jsonl"], "against is 'none.jsonl', which does not exist"),
        (["--answers", "{base}", "--against", "{base}", "--split", "dev"], "split=dev was given with answers="),
    ],
)
def test_a_mistake_is_named_before_anything_is_opened(tmp_path: Path, words: list[str], said: str) -> None:
    done = command(tmp_path, *(word.format(base="tests/data/answer_files/base.jsonl") for word in words))
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "home").exists()
