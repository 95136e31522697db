"""From evaluations to the report, on a real MLflow store: no model, made-up scores."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
import pytest

from entrypoints.steps import compare as step
from entrypoints.steps.reporting import latest_report, planning, report
from entrypoints.steps.shared import integrity
from entrypoints.steps.shared.compared import Compared, ToCompare, decisive
from entrypoints.steps.shared.evaluation import Evaluation, Scored
from entrypoints.steps.shared.workspace import Workspace
from ragft import tracking
from ragft.analysis.knowledge.forgetting import Lost
from ragft.analysis.verdict.compare import Side, compare
from ragft.analysis.verdict.conditions import CONDITIONS
from ragft.analysis.verdict.design import Design
from ragft.errors import PrerequisiteError
from ragft.params.verdict import CompareParams
from ragft.prompts.criterion import load_criterion
from ragft.report.advice import LENGTH_CHECK
from ragft.report.page import render
from ragft.report.words import interval
from ragft.store.datasets import Preparation
from ragft.store.trials import Trial
from ragft.types import Question, Score
from registry.gate import decide
from registry.versions import Lineage, Version

CRITERIA = [load_criterion("accuracy"), load_criterion("completeness")]
QUESTIONS = [Question(f"q{i:02d}", f"What is {i}?", (f"It is {i}.",), (f"d{i // 2}",)) for i in range(40)]
NAME = "ragft-telecom-pocket"
LINEAGE = Lineage("base", "pocket", "f" * 64, "telecom", "a" * 64, 0)
ADAPTER = dataclasses.replace(
    LINEAGE, kind="adapter", adapter_sha256="b" * 64, method="lora", format="closed_book", samples=200
)
LOST = Lost("known_facts", "share of facts right", 50, 0.9, 0.5, -0.4, -0.5, -0.3)
PARAMS = CompareParams(dataset="telecom", base="pocket", top_k=3, estimator="expected")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """An MLflow store of its own."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("ragft", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("ragft")
    yield tmp_path
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def evaluation(shift: float, *, cut: int = 0, unscored: int = 0, dropped: int = 0) -> Evaluation:
    noise = np.random.default_rng(int(shift * 10) + 50)
    rows = [
        Scored(
            q.id,
            q.text,
            f"It is {i}.",
            q.references,
            (f"{i} is {i}.",),
            q.documents,
            "one_fact",
            {"answer_tokens": 5, "cut": i < cut, "answerable": True, "dropped_passages": dropped},
            {"hit_at_3": 1.0, "truth_right": float(i % 2), "truth_refusal": None},
        )
        for i, q in enumerate(QUESTIONS)
    ]
    scores = {c.name: [Score(c.name, float(np.clip(3 + shift + noise.normal(0, 0.3), 1, 5)), "why") for _ in rows]
              for c in CRITERIA}  # fmt: skip
    scores["accuracy"][:unscored] = [Score("accuracy", None, "", 1)] * unscored
    conditions = {name: f"the same {name}" for name in CONDITIONS}
    return Evaluation(f"run {shift}", {}, rows, scores, conditions, context="retrieved")


def compared(
    run_id: str, training: str = "gone", *, shift: float = -1, unscored: int = 0, dropped: int = 0
) -> Compared:
    sides = {
        f"models:/{NAME}/1": {"retrieved": evaluation(0, dropped=dropped)},
        f"models:/{NAME}/2": {"retrieved": evaluation(shift, unscored=unscored, dropped=dropped)},
    }
    one, other = (
        Side(
            uri,
            found["retrieved"].conditions,
            {
                "retrieved": {
                    name: {q.id: score.value for q, score in zip(QUESTIONS, scores, strict=True)}
                    for name, scores in found["retrieved"].scores.items()
                }
            },
        )
        for uri, found in sides.items()
    )
    comparison = compare(one, other, QUESTIONS, CRITERIA, design=Design(resamples=199))
    versions = Version(NAME, 1, "base run", (), LINEAGE), Version(NAME, 2, training, (), ADAPTER)
    return Compared(versions[1], versions[0], sides, comparison, decide(comparison), run_id)


def task_of(found: Compared) -> ToCompare:
    preparation = Preparation("telecom", "0" * 64, {}, {"test": tuple(QUESTIONS)}, {})
    return ToCompare(PARAMS, preparation, CompareParams(), found.version, found.against, CRITERIA, Design())


def trials(outcome: str = "reject") -> list[Trial]:
    return [Trial("b" * 64, f"models:/{NAME}/2", outcome, "sha", datetime(2026, 1, 1, tzinfo=UTC))]


def test_the_report_is_logged_with_its_figures_and_found_again(store: Path) -> None:
    with mlflow.start_run(tags={"ragft.step": "finetune"}) as training:
        tracking.log_curve("train_loss", [(0, 2.0), (1, 1.0), (2, 0.5)])
        mlflow.log_metrics(LOST.metrics)
    with mlflow.start_run(tags={"ragft.step": "compare"}) as run:
        found = compared(run.info.run_id, training.info.run_id)
        path = report.log(task_of(found), found, QUESTIONS, trials(), store)
    html = path.read_text(encoding="utf-8")
    assert found.decision.outcome == "reject"
    assert "<strong>Do not ship v2: its answers are worse in accuracy and completeness.</strong>" in html
    assert "<p>It is worse in accuracy and completeness.</p>" in html
    assert "training loss from 2.00 to 0.50" in html
    assert "Facts of pocket&#39;s own made-up world, not trained on: 0.900 -&gt; 0.500" in html
    assert "fine-tuned on 200 question-answer pairs without passages" in html
    listed = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id, "figures")}
    assert listed == {"figures/change.png", "figures/base_and_fine_tuned_retrieved.png"}
    copy = latest_report.fetch_newest(store)
    assert copy == store / "report.html"
    assert copy.read_text(encoding="utf-8") == html


def test_what_may_mend_a_rejection_is_named_as_in_the_report_and_not_for_a_base(store: Path) -> None:
    found = compared("run")
    task = dataclasses.replace(task_of(found), given=CompareParams(against=found.against.uri))

    def told(task: ToCompare, found: Compared) -> list[str]:
        said: list[str] = []
        step.tell(task, found, {}, Workspace(store, None, said.append))  # type: ignore[arg-type]  # nothing is stored
        return [line for line in said if "-e remedy" in line]

    advised = report.assemble(task, found, QUESTIONS, trials()).advice.command
    assert told(task, found) == [f"  - what may mend it: {advised}"]
    assert f"-P against={found.against.uri} " in advised
    base = dataclasses.replace(found.version, lineage=LINEAGE)
    assert told(dataclasses.replace(task, version=base), dataclasses.replace(found, version=base)) == []
    assert report.situation_of(dataclasses.replace(task, version=base)).finetune == {}


def test_a_store_without_a_report_says_so(store: Path) -> None:
    with pytest.raises(PrerequisiteError, match="no comparison with a report"):
        latest_report.fetch_newest(store)


def test_a_training_run_that_is_gone_leaves_the_curves_out(store: Path) -> None:
    gone = compared("run")
    found = report.assemble(task_of(gone), gone, QUESTIONS, trials())
    assert found.curves == ()
    assert [each.this for each in found.tried] == [True]
    (asked, *_) = found.questions
    assert asked.gain is not None and asked.gain < 0
    metrics = {each.name: each for each in found.metrics}
    assert metrics["truth_right"].change.value == 0
    assert metrics["truth_refusal"].base.value is None
    assert metrics["exact_match"].base.value == 1.0
    assert (metrics["accuracy"].unscored, metrics["truth_refusal"].unscored) == (0, None)


@pytest.mark.parametrize("unscored", [0, 4])
def test_a_metric_has_one_interval_in_the_whole_report(store: Path, unscored: int) -> None:
    found = compared("run", shift=0.1, unscored=unscored)
    html = render(report.assemble(task_of(found), found, QUESTIONS, trials("hold")))
    for result in found.comparison.primaries:
        name = result.criterion.capitalize()
        places = {
            "first screen": rf"<h2>{name}: [^<]*</h2>.*?interval ([^<]+)</b>",
            "forest": rf"{result.criterion} <small>.*?<b>[^<]*</b> <small>([^<]+)</small>",
            "table": rf'<th scope="row">{result.criterion}<small>.*?<b>[^<]*</b></td><td>([^<]+)</td>',
            "reasons": rf">{name} in the context retrieved: [^(]*\(95 % interval ([^;]+);",
        }
        shown = {place: re.search(pattern, html, re.DOTALL) for place, pattern in places.items()}
        assert {place: match and match[1] for place, match in shown.items()} == dict.fromkeys(
            places, interval(result.bounds.low, result.bounds.high)
        )


def test_passages_that_were_not_seen_are_not_claimed(store: Path) -> None:
    """Three passages were retrieved, one was seen: the report says so, and nowhere that three were."""
    lost, whole = (
        render(report.assemble(task_of(found), found, QUESTIONS, trials()))
        for found in (compared("run", dropped=2), compared("run"))
    )
    said = "1.0 of 3.0 passages a question were seen; the rest did not fit the context window, in 40 of 40 questions"
    assert f"<b>Only {said}.</b>" in lost[: lost.index("</header>")]
    assert f"<dd>3 passages retrieved for a question, of which {said}" in lost
    assert "3 passages a question" not in lost
    assert "did not fit" not in whole
    assert "<dd>3 passages retrieved for a question, the same retrieval" in whole


def test_commands_repeat_what_was_asked_and_nothing_that_is_usual(store: Path) -> None:
    given = CompareParams(
        model=f"models:/{NAME}/2", dataset="telecom", base="pocket", estimator="expected", questions=40
    )
    versions = compared("run")
    task = dataclasses.replace(task_of(versions), given=given)
    found = report.situation_of(task)
    assert found.compare == {"estimator": "expected", "questions": "40"}
    assert found.finetune == {"samples": "200"}
    qasper = dataclasses.replace(PARAMS, dataset="qasper", base="org/model")
    assert report.situation_of(dataclasses.replace(task, params=qasper)).finetune == {
        "dataset": "qasper",
        "base": "org/model",
        "samples": "200",
    }
    one = dataclasses.replace(PARAMS, context="retrieved")
    # A file of passages may know the evidence that these questions do not name.
    assert report.all_contexts(dataclasses.replace(task, params=one), versions.version) == ""
    given_passages = dataclasses.replace(one, retrieved="retrieved.jsonl")
    assert "-P context=none,retrieved,withheld,oracle,oracle_distractors" in report.all_contexts(
        dataclasses.replace(task, params=given_passages), versions.version
    )


@pytest.mark.parametrize(("cut", "passed"), [(0, True), (8, True), (9, False)])
def test_a_length_limit_that_cuts_the_champion_decides_instead_of_the_models(cut: int, passed: bool) -> None:
    found = compared("run")
    sides = {found.against.uri: evaluation(0, cut=cut), found.version.uri: evaluation(-1, cut=40)}
    checks = {each.name: each for each in integrity.checks(PARAMS, found.version, found.against, sides, ())}
    assert checks[LENGTH_CHECK].passed is passed
    assert f"{cut} of 40 answers of models:/{NAME}/1 and 40 of 40" in checks[LENGTH_CHECK].detail
    assert all(each.passed for name, each in checks.items() if name != LENGTH_CHECK)


def test_another_base_or_tokenizer_fails_and_another_quantisation_is_said() -> None:
    found = compared("run")
    other = dataclasses.replace(
        found.version, lineage=dataclasses.replace(ADAPTER, base_fingerprint="e" * 64, quantization="nf4")
    )
    checks = integrity.checks(PARAMS, other, found.against, decisive(found.sides), ())
    assert [each.name for each in checks if not each.passed] == ["same base, tokenizer and chat template"]
    assert any("the change includes that of the quantisation" in each.detail for each in checks)


def test_how_scores_vary_is_known_before_where_both_sides_were_evaluated_on_dev(store: Path) -> None:
    found = compared("run")
    task = task_of(found)
    log_dev(found.against, "base", 0)
    assert planning.dev_spreads(task, QUESTIONS) == {}
    log_dev(found.version, found.version.uri, -1)
    spreads = planning.dev_spreads(task, QUESTIONS)
    assert set(spreads) == {"accuracy", "completeness"}
    assert spreads["accuracy"].source == "40 questions of the dev split"
    assert spreads["accuracy"].sd == pytest.approx(0.42, abs=0.12)
    said: list[str] = []
    planning.tell(spreads, QUESTIONS, {"accuracy": 4.0, "completeness": 4.0}, Design(), said.append)
    assert said[0].startswith("before: accuracy: 40 questions in 20 independent groups of documents show ")
    assert "measured on 40 questions of the dev split" in said[0]
    sampled = dataclasses.replace(task, params=dataclasses.replace(PARAMS, estimator="sampled"))
    assert planning.dev_spreads(sampled, QUESTIONS) == {}


def log_dev(version: Version, model: str, shift: float) -> None:
    tags = {
        **version.lineage.tags(),
        "ragft.step": "evaluate",
        "ragft.split": "dev",
        "ragft.context": "retrieved",
        "ragft.estimator": "expected",
        "ragft.top_k": "3",
        "ragft.model": model,
        "ragft.judge_identity": "judge",
        "ragft.prompt_sha256": "prompt",
    }
    found = evaluation(shift)
    with mlflow.start_run(tags=tags):
        names = list(found.scores)
        rows = [[q.id, *(found.scores[name][i].value for name in names)] for i, q in enumerate(QUESTIONS)]
        mlflow.log_dict({"columns": ["id", *(f"geval_{name}" for name in names)], "data": rows}, "rows.json")
