"""People correct a rule: it knows no other words for an answer, in which one of two files says what is right."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from entrypoints.steps import compare_files
from entrypoints.steps import label as label_step
from entrypoints.steps.shared import judges
from entrypoints.steps.shared.workspace import Workspace
from ragft.judging.backend import Ask, Reply
from ragft.params.verdict import CompareParams, LabelParams
from tests.integration.judging.scripted import ScriptedJudge

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own ways with data frames, with pandas 3
QUESTIONS, DOCUMENTS = 120, 60
SIDES = {"answers": "tuned", "against": "base"}


def given(workspace: Workspace, reference: str = "citizen {}") -> dict[str, Any]:
    """Write the two files: the base is right in every second answer; the version in all, in words of its own in 80."""
    for name in ("base", "tuned"):
        rows = [
            {"input": f"What is number {n}?", "output": answer(n, tuned=name == "tuned"),
             "expected_output": reference.format(n), "document": f"d{n % DOCUMENTS}"}
            for n in range(QUESTIONS)
        ]  # fmt: skip
        (workspace.home / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return {name: str(workspace.home / f"{file}.jsonl") for name, file in SIDES.items()} | {
        "judge": "none",
        "primary": "right",
    }


def answer(n: int, *, tuned: bool) -> str:
    if not tuned:
        return f"The one that you ask about is citizen {n}" if n % 2 else "As far as I can see it is a horse"
    return "one of the people" if n % 3 else f"citizen {n}"


def knows_one_word(ask: Ask, seed: int) -> Reply:
    answer = ask.message.split("Answer to grade ", 1)[1].split("\n", 1)[1].split("\nEnd ", 1)[0]
    return Reply(f"Reason: it says so.\nScore: {5 if 'citizen' in answer else 1}")


def shown() -> dict[str, str]:
    """Return the parameters of the command for a rule in docs/labels.md."""
    page = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    mlflow run \. -e label (.*) --env-manager local$", page, flags=re.MULTILINE)
    (line,) = (line for line in lines if "primary=right" in line)
    return dict(word.split("=", 1) for word in line.split() if word != "-P")


def graded(sheet: Path) -> Path:
    """Fill in a sheet: people are citizens."""
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    place = next(index for index, name in enumerate(head) if name.startswith("right (yes = "))
    for row in rows:
        row[place], row[head.index("annotator")] = "no" if row[head.index("answer")].endswith("horse") else "yes", "ann"
    path = sheet.with_name("ann.csv")
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def test_labels_of_what_is_right_correct_the_rule_and_turn_the_verdict(workspace: Workspace, said: list[str]) -> None:
    sides = given(workspace)
    alone = compare_files.run(CompareParams(**sides), workspace)
    (primary,) = alone.comparison.primaries
    assert primary.criterion == "right"
    assert primary.effect and primary.effect.gain == pytest.approx(-1 / 6)
    assert "better in right" not in alone.decision.headline
    warning, command = next(line for line in said if "a rule that compares words" in line).split(": mlflow run . ")
    assert "answers of tuned are 3.3 words long where those of base are 9.5" in warning
    assert command == "-e label {} --env-manager local".format(
        " ".join(f"-P {name}={sides[name]}" for name in ("judge", "against", "primary", "answers"))
    )
    assert "right by a rule" in [check.name for check in alone.comparison.checks]
    assert not alone.comparison.equal_length  # no judge likes long answers here
    said.clear()

    # The command of docs/labels.md.
    assert {**sides, "answers": "tuned.jsonl", "against": "base.jsonl", "budget": "60"}.items() <= shown().items()
    label_step.run(LabelParams(**sides, budget=60), workspace)
    assert "if people differ from the outcome in a third of these questions" in "\n".join(said)
    (sheet,) = (workspace.home / "sheets").glob("*.csv")
    label_step.run(LabelParams(**sides, budget=60, ratings=str(graded(sheet))), workspace)
    assert re.search(r"the interval is ±\d+ points of 100; ±\d+ points of 100 was expected", "\n".join(said))
    assert "kappa of the outcome with people is" in "\n".join(said)

    found = compare_files.run(CompareParams(**sides), workspace)
    (corrected,) = found.comparison.corrected
    assert corrected.decides
    assert [who for who, _ in corrected.rows] == ["the outcome alone", "people alone", "both together"]
    assert corrected.judge and corrected.judge.change == pytest.approx(-1 / 6)
    assert corrected.both.low < 0.5 < corrected.both.high
    assert corrected.both.low > 0
    assert "better in right" in found.decision.headline
    told = "\n".join(said)
    assert "a rule that compares words" not in told
    assert f"{'right':16}{'the outcome alone':20}" in told
    assert "for the outcome" in corrected.basis
    page = next((workspace.home / "reports").glob("*.html")).read_text(encoding="utf-8")
    assert "by the outcome and people" in page
    assert "judge" not in told[told.index("the outcome alone") :]


def test_labels_of_what_is_right_correct_a_judge_that_says_it(
    workspace: Workspace, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference in a sentence is for a judge to read, and this one knows no other words either."""
    monkeypatch.setattr(judges, "open_judge", lambda *_: ScriptedJudge(knows_one_word))
    sides = given(workspace, "The one with number {0} is, as everybody knows, the citizen {0} of this town") | {
        "judge": "words",
        "criteria": "accuracy",
        "repeats": 1,
    }
    alone = compare_files.run(CompareParams(**sides), workspace)
    (primary,) = alone.comparison.primaries
    assert primary.effect and primary.effect.gain == pytest.approx(-1 / 6)
    assert alone.comparison.advisory
    # No rule says what is right here, so none is warned of.
    assert "a rule that compares words" not in "\n".join(said)

    label_step.run(LabelParams(**sides, budget=60), workspace)
    (sheet,) = (workspace.home / "sheets").glob("*.csv")
    label_step.run(LabelParams(**sides, budget=60, ratings=str(graded(sheet))), workspace)
    found = compare_files.run(CompareParams(**sides), workspace)
    (corrected,) = found.comparison.corrected
    assert corrected.decides
    assert corrected.both.low > 0
    assert "better in right" in found.decision.headline
    assert not found.comparison.advisory
