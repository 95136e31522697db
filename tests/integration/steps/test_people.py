"""A verdict that people correct: two files of answers, a judge that favours the longer ones, and people who do not."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from entrypoints.steps import compare_files, judge
from entrypoints.steps.reporting.file_report import ComparedFiles
from entrypoints.steps.shared import judges, scoring
from entrypoints.steps.shared.evaluation import Scored
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError
from ragft.judging.g_eval import Item
from ragft.judging.labels import pair_key
from ragft.params import CompareParams, JudgeParams, ScoringParams
from ragft.store.connection import Store
from ragft.store.labels import Sampled, save_sample
from tests.integration.judging.scripted import ScriptedJudge, by_word_count

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
QUESTIONS, DOCUMENTS = 90, 45
# People find the longer answers worse by a point, and the judge better by one.
OLD, NEW = "three words {n}", "four words are {n}"


def opened(params: ScoringParams, *_: object) -> ScriptedJudge | None:
    return None if params.judge == "none" else ScriptedJudge(by_word_count)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def workspace(store: Store, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A home with a store and an MLflow store of its own, where the judge counts words."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("ragft", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("ragft")
    monkeypatch.setattr(judges, "open_judge", opened)
    yield Workspace(home=tmp_path, store=store, say=said.append)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def answer(n: int, *, tuned: bool) -> str:
    """Every third answer is the same on both sides."""
    return (NEW if tuned and n % 3 else OLD).format(n=n)


def item(n: int, *, tuned: bool) -> Item:
    return scoring.item_of(Scored(str(n), f"Question {n}?", answer(n, tuned=tuned), (f"Reference {n}",), ()))


def compared(workspace: Workspace, *, uniform_labels: bool = False) -> ComparedFiles:
    for name, tuned in (("base", False), ("tuned", True)):
        rows = [
            {"input": f"Question {n}?", "output": answer(n, tuned=tuned), "expected_output": f"Reference {n}",
             "document": f"d{n % DOCUMENTS}"}
            for n in range(QUESTIONS)
        ]  # fmt: skip
        (workspace.home / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    given = CompareParams(
        answers=str(workspace.home / "tuned.jsonl"),
        against=str(workspace.home / "base.jsonl"),
        judge="counts",
        criteria="accuracy",
        primary="accuracy",
        repeats=1,
        uniform_labels=uniform_labels,
    )
    return compare_files.run(given, workspace)


def label(workspace: Workspace, numbers: range, *, extra: tuple[tuple[str, ...], ...] = ()) -> None:
    """Let people say of the answers to some questions that the shorter ones are a point better."""
    path = workspace.home / "people.csv"
    with path.open("w", encoding="utf-16", newline="") as file:  # as a spreadsheet program saves "Unicode text"
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["question", "answer", "annotator", "accuracy"])
        for n in numbers:
            for tuned in (False, True):
                shown = answer(n, tuned=tuned)
                writer.writerow([f"Question {n}?", shown, "ann", "4,0" if shown.startswith("three") else "3"])
        writer.writerows(extra)
    judge.run(JudgeParams(ratings=str(path), criteria="accuracy", judge="none"), workspace)


def test_people_correct_a_judge_that_is_biased_and_what_they_say_decides(workspace: Workspace, said: list[str]) -> None:
    alone = compared(workspace)
    assert alone.comparison.primaries[0].effect and alone.comparison.primaries[0].effect.gain > 0.5
    assert alone.comparison.advisory and "corrected" not in alone.comparison.to_dict()

    with pytest.raises(ConfigError, match="is to be judged, which needs a judge"):
        label(workspace, range(1, QUESTIONS), extra=(("Question 1?", "other words", "ann", "2,5"),))
    assert "1 of 150 numbers are no labels of accuracy (1, 2, 3, 4, 5): 2.5. So compare does not use" in " ".join(said)
    label(workspace, range(1, QUESTIONS))
    assert "kept 149 labels of 149 answers under accuracy" in " ".join(said)
    before = compared(workspace)
    assert before.comparison.sha256 == alone.comparison.sha256
    assert "nothing is known of how their questions were drawn" in " ".join(said)

    found = compared(workspace, uniform_labels=True)
    (corrected,) = found.comparison.corrected
    assert (corrected.pairs, corrected.asking, corrected.decides) == (60, 60, True)
    # The longer answer to every question that needed asking is a point worse, and a third needed none.
    assert corrected.both.change == pytest.approx(-2 / 3)
    assert corrected.people.change == pytest.approx(-2 / 3)
    assert corrected.both.high < 0 and found.comparison.claims.worse == ("accuracy",)
    assert found.decision.outcome == "reject" and not found.comparison.advisory
    assert "a uniform sample, as uniform_labels says" in corrected.basis
    told = "\n".join(said)
    for who in ("the judge alone", "people alone", "both together"):
        assert f"{'accuracy':16}{who:20}" in told
    html = (workspace.home / "reports").glob("*.html")
    assert "The judge, people, and both together" in next(html).read_text(encoding="utf-8")
    metrics = mlflow.MlflowClient().get_run(found.run_id).data.metrics
    assert metrics["change_accuracy"] == metrics["change_accuracy_together"] == pytest.approx(-2 / 3)
    assert metrics["change_accuracy_judge_alone"] > 0.5


def test_with_a_known_sample_labels_count_by_themselves_and_few_of_them_decide_nothing(
    workspace: Workspace, said: list[str]
) -> None:
    drawn = [n for n in range(QUESTIONS) if n % 3 == 1 and n < 60]
    pairs = {
        pair_key(item(n, tuned=False), item(n, tuned=True)): Sampled(1 / 3, n in drawn)
        for n in range(QUESTIONS)
        if n % 3
    }
    save_sample(workspace.store, "one", pairs)
    label(workspace, range(1, 60, 3))
    found = compared(workspace)
    (corrected,) = found.comparison.corrected

    assert (corrected.pairs, corrected.documents, corrected.decides) == (20, 15, False)
    assert corrected.people.change == pytest.approx(-2 / 3)
    assert found.comparison.advisory
    assert found.comparison.primaries[0].effect and found.comparison.primaries[0].effect.gain > 0.5
    told = " ".join(said)
    assert "20 pairs of answers of 20 that were asked have labels under accuracy by ann" in told
    assert "from 30 in 10 groups on, both together would decide" in told
