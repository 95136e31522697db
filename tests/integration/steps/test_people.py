"""A verdict that people correct: two files of answers, a judge that favours the longer ones, and people who do not."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pytest

from entrypoints.steps import compare_files, judge
from entrypoints.steps import label as label_step
from entrypoints.steps.reporting.file_report import ComparedFiles
from entrypoints.steps.shared import judges, scoring
from entrypoints.steps.shared.evaluation import Scored
from entrypoints.steps.shared.workspace import Workspace
from ragft.errors import ConfigError, DataError
from ragft.judging.g_eval import Item
from ragft.judging.labels import pair_key
from ragft.params.scoring import JudgeParams, ScoringParams
from ragft.params.verdict import CompareParams, LabelParams
from ragft.store.labels import Sampled, save_sample
from tests.integration.judging.scripted import ScriptedJudge, by_word_count

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
QUESTIONS, DOCUMENTS = 90, 45
# People find the longer answers worse by a point, and the judge better by one.
OLD, NEW = "three words {n}", "four words are {n}"


def opened(params: ScoringParams, *_: object) -> ScriptedJudge | None:
    return None if params.judge == "none" else ScriptedJudge(by_word_count)


@pytest.fixture(autouse=True)
def judge_that_counts_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "open_judge", opened)


def answer(n: int, *, tuned: bool) -> str:
    """Every third answer is the same on both sides."""
    return (NEW if tuned and n % 3 else OLD).format(n=n)


def item(n: int, *, tuned: bool) -> Item:
    return scoring.item_of(Scored(str(n), f"Question {n}?", answer(n, tuned=tuned), (f"Reference {n}",), ()))


def given(workspace: Workspace) -> dict[str, Any]:
    """Write the two files, and return the parameters that name them and their judge."""
    for name, tuned in (("base", False), ("tuned", True)):
        rows = [
            {"input": f"Question {n}?", "output": answer(n, tuned=tuned), "expected_output": f"Reference {n}",
             "document": f"d{n % DOCUMENTS}"}
            for n in range(QUESTIONS)
        ]  # fmt: skip
        (workspace.home / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return {
        "answers": str(workspace.home / "tuned.jsonl"),
        "against": str(workspace.home / "base.jsonl"),
        "judge": "counts",
        "criteria": "accuracy",
        "primary": "accuracy",
        "repeats": 1,
    }


def compared(workspace: Workspace, *, uniform_labels: bool = False) -> ComparedFiles:
    return compare_files.run(CompareParams(**given(workspace), uniform_labels=uniform_labels), workspace)


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
    assert "Without people, by people, and both together" in next(html).read_text(encoding="utf-8")
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


def graded(sheet: Path, person: str, *, wrong: int = 0) -> Path:
    """Fill in a sheet as people see it: the shorter answer is a point better; every ``wrong``-th grade is off."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    place = next(index for index, name in enumerate(head) if name.startswith("accuracy"))
    for number, row in enumerate(rows, 1):
        value = 4 if row[head.index("answer")].startswith("three") else 3
        row[place], row[head.index("annotator")] = str(value - (bool(wrong) and number % wrong == 0)), person
    path = sheet.with_name(f"{person}.csv")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def shown() -> dict[str, Any]:
    """Return the parameters of the command for files in docs/labels.md."""
    page = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    mlflow run \. -e label (.*) --env-manager local$", page, flags=re.MULTILINE)
    (line,) = (line for line in lines if "primary=accuracy" in line)
    found: dict[str, Any] = dict(word.split("=", 1) for word in line.split() if word != "-P")
    return {**found, "budget": int(found["budget"])}


def test_a_sheet_that_was_drawn_comes_back_and_decides(workspace: Workspace, said: list[str]) -> None:
    here = {
        name: value for name, value in given(workspace).items() if name in ("answers", "against", "judge", "repeats")
    }
    assert [Path(here[name]).name for name in ("answers", "against")] == [
        shown()[name] for name in ("answers", "against")
    ]
    params = LabelParams(**{**shown(), **here}, asked_twice=4)
    label_step.run(params, workspace)
    (sheet,) = (workspace.home / "sheets").glob("*.csv")
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # Both answers of a question follow each other, and the first four questions come once more at the end.
    assert len(rows) == 2 * (36 + 4)
    assert [one["question"] for one in rows[::2]] == [other["question"] for other in rows[1::2]]
    assert [row["answer"] for row in rows[-8:]] == [row["answer"] for row in rows[:8]]
    assert len({row["row"] for row in rows}) == len(rows)
    orders = {one["answer"].startswith("three") for one in rows[::2]}
    assert orders == {True, False}, "the order of the two says nothing"
    page = sheet.with_suffix(".html").read_text(encoding="utf-8")
    assert all(row["row"] in page for row in rows)
    assert "36 of the 60 questions whose answers differ" in " ".join(said)
    content = sheet.read_bytes()
    label_step.run(params, workspace)
    assert sheet.read_bytes() == content, "the same command draws the same questions"

    people = ",".join(str(graded(sheet, *person)) for person in (("ann",), ("bo",)))
    label_step.run(LabelParams(**given(workspace), budget=36, ratings=people), workspace)
    told = "\n".join(said)
    assert "kept 144 labels of 72 answers under accuracy" in told
    # Nobody disagrees; what is left is that documents differ in how many of their questions needed asking.
    assert re.search(r"the interval is ±0\.\d\d points; ±0\.\d\d points was expected when the sheet was written", told)
    assert "kappa of people among themselves is 1.00" in told
    assert "16 answers were graded twice by the same person: 0.00 points apart from oneself" in told

    label_step.run(params, workspace)
    assert said[-1].startswith("all 36 questions that were drawn are labelled")
    assert sheet.read_bytes() == content

    found = compared(workspace)
    (corrected,) = found.comparison.corrected
    assert (corrected.pairs, corrected.asking, corrected.decides) == (36, 60, True)
    assert corrected.both.change == pytest.approx(-2 / 3)
    assert found.decision.outcome == "reject"


def test_people_who_differ_widen_the_interval_and_are_told_by_how_much(workspace: Workspace, said: list[str]) -> None:
    label_step.run(LabelParams(**given(workspace), budget=40), workspace)
    (sheet,) = (workspace.home / "sheets").glob("*.csv")
    people = ",".join(str(each) for each in (graded(sheet, "ann", wrong=3), graded(sheet, "bo", wrong=5)))
    label_step.run(LabelParams(**given(workspace), budget=40, ratings=people), workspace)
    told = "\n".join(said)
    assert re.search(r"people differ by 0\.\d\d points about a change \(standard deviation, 40 questions\)", told)
    half, without = (float(found) for found in re.findall(r"the interval (?:is|would be) ±(\d\.\d\d)", told))
    assert 0 < without < half
    assert re.search(r"20 answers were graded twice by the same person: 0\.\d\d points", told)


def test_what_cannot_be_labelled_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    sides = given(workspace)
    with pytest.raises(ConfigError, match="primary is answer_f1, which people cannot grade"):
        label_step.run(LabelParams(**{**sides, "primary": "answer_f1"}), workspace)
    with pytest.raises(ConfigError, match="gave the same answer to all 90 questions"):
        copy = tmp_path / "copy.jsonl"
        copy.write_bytes((tmp_path / "base.jsonl").read_bytes() + b"\n")
        label_step.run(LabelParams(**{**sides, "answers": str(copy)}), workspace)
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.csv"):
        LabelParams(**sides, sheet="labels.html")
    label_step.run(LabelParams(**sides, budget=30, sheet=str(tmp_path / "s.csv")), workspace)
    foreign = tmp_path / "foreign.csv"
    text = (tmp_path / "s.csv").read_text(encoding="utf-8-sig")
    foreign.write_text(re.sub(r"^r([0-9a-f]{12})", lambda row: f"r{row[1][::-1]}", text, flags=re.MULTILINE))
    with pytest.raises(DataError, match="none of the 70 labelled rows is an answer of these two sides"):
        label_step.run(LabelParams(**sides, ratings=str(graded(foreign, "cy"))), workspace)
    with pytest.raises(DataError, match="holds no label"):
        label_step.run(LabelParams(**sides, ratings=str(tmp_path / "s.csv")), workspace)
    with graded(tmp_path / "s.csv", "cy").open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    with (tmp_path / "again.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([head, *rows[-10:]])
    with pytest.raises(DataError, match="the 10 labelled rows are all shown for the second time"):
        label_step.run(LabelParams(**sides, ratings=str(tmp_path / "again.csv")), workspace)
    with pytest.raises(ConfigError, match="where another file is that people may have written in"):
        label_step.run(LabelParams(**sides, budget=31, sheet=str(graded(tmp_path / "s.csv", "cy"))), workspace)
