"""A real model in this process as the judge: its estimators against each other and against sampling."""

import statistics
from pathlib import Path

import pytest
import torch

from ragft.judging.backend import Ask, LocalJudge, Reply, ScoringModel
from ragft.judging.g_eval import Item, judge
from ragft.models.generation import Generator
from ragft.models.loading import load_base
from ragft.prompts.criterion import Criterion, load_criterion
from ragft.prompts.judge import render_judge_message
from ragft.store.connection import Store
from tests.tiny_model import make_tiny_model

ACCURACY = load_criterion("accuracy")
LIKELIER = {"1": 6.0, "2": 5.0, "3": 3.0, "4": 4.0, "5": 5.5}


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A random model that nearly always writes one of the labels: it cannot judge, but it can be read."""
    torch.set_num_threads(1)
    loaded = load_base(str(make_tiny_model(tmp_path_factory.mktemp("judge") / "base")))
    old = loaded.model.lm_head
    head = torch.nn.Linear(old.in_features, old.out_features, bias=True)
    with torch.no_grad():
        head.weight.copy_(old.weight * 0.3)
        head.bias.zero_()
        for label, bonus in LIKELIER.items():
            head.bias[loaded.tokenizer.convert_tokens_to_ids(label)] = 4 + bonus
    loaded.model.lm_head = head
    return Generator(loaded)


def message(answer: str, criterion: Criterion = ACCURACY, *, reasoned: bool = False) -> str:
    return render_judge_message(
        criterion, question="What?", answer=answer, references=("A ring.",), secret=b"s" * 32, reasoned=reasoned
    )


def replies(model: ScoringModel, asks: list[Ask], estimator: str) -> list[Reply]:
    pieces = LocalJudge(model, max_new_tokens=12).replies(asks, estimator)  # type: ignore[arg-type]
    made = {ask: reply for piece in pieces for ask, _, reply in piece}
    return [made[index] for index in range(len(asks))]


def test_no_rationale_equals_the_mean_of_many_samples_at_temperature_1(generator: Generator) -> None:
    asked = message("A ring of gold.")
    [reply] = replies(generator, [Ask(asked, tuple(ACCURACY.scores), (0,))], "expected_no_rationale")
    assert reply.probabilities is not None and reply.mass is not None
    expected = sum(p * value for p, value in zip(reply.probabilities, ACCURACY.scores.values(), strict=True))
    drawn: list[str] = []
    for start in range(0, 4000, 500):
        seeds = [list(range(start, start + 500))]
        drawn += [reply.text for reply in generator.sample([asked], "Score: ", 500, 1, 1.0, seeds)[0]]
    legal = [ACCURACY.scores[text] for text in drawn if text in ACCURACY.scores]
    error = statistics.stdev(legal) / len(legal) ** 0.5
    assert len(legal) > 2000
    assert statistics.fmean(legal) == pytest.approx(expected, abs=4 * error)
    assert error < 0.03
    share = (reply.mass * (1 - reply.mass) / len(drawn)) ** 0.5
    assert len(legal) / len(drawn) == pytest.approx(reply.mass, abs=4 * share + 1e-9)


def test_every_estimator_runs_and_several_criteria_are_kept_apart(generator: Generator) -> None:
    other = load_criterion("hallucination")
    asks = [
        Ask(message(answer, criterion, reasoned=True), tuple(criterion.scores), (1,))
        for answer in ("A ring.", "A much longer answer about rings and things.")
        for criterion in (ACCURACY, other)
    ]
    for reply in replies(generator, asks, "expected"):
        assert reply.probabilities is not None and reply.mass is not None
        assert sum(reply.probabilities) == pytest.approx(1.0)
        assert 0.0 <= reply.mass <= 1.0
    assert all(isinstance(reply.text, str) for reply in replies(generator, asks, "sampled"))


def test_the_same_seed_gives_the_same_reply_in_any_company(generator: Generator) -> None:
    asks = [Ask(message(f"Answer {n} " * (n + 1), reasoned=True), tuple(ACCURACY.scores), (n,)) for n in range(4)]
    together = replies(generator, asks, "sampled")
    alone = [replies(generator, [ask], "sampled")[0] for ask in asks]
    assert together == alone


def test_a_whole_judgement_over_the_store(generator: Generator, store: Store, tmp_path: Path) -> None:
    items = [Item("What?", f"Answer {n}.", ("A ring.",)) for n in range(6)]
    backend = LocalJudge(generator, max_new_tokens=8)
    scored = judge(store, backend, [ACCURACY], items, estimator="expected_no_rationale")
    summary = scored.summary("accuracy")
    assert (summary.n_scored, summary.n_unscored) == (6, 0)
    assert summary.mean_mass is not None and summary.mean_mass > 0.9
    unreadable = judge(store, backend, [ACCURACY], items, estimator="sampled", repeats=2, reasks=1)
    assert unreadable.summary("accuracy").n_unscored == 6
    assert unreadable.calls == 6 * 2 * 2
    assert unreadable.summary("accuracy").mean is None
