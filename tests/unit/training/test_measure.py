"""What is measured epoch by epoch, and adapters that go on from others."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from ragft.errors import ConfigError
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_adapter, without_adapter
from ragft.training.result import HISTORY, Measure
from tests.unit.training.conftest import EXAMPLES, Job

pytestmark = pytest.mark.slow

QUESTIONS = [example.question for example in EXAMPLES[:4]]


class Probe:
    """Counts its calls and asks the model, as a user would."""

    def __init__(self) -> None:
        self.answers: list[list[str]] = []
        self.attention: set[str] = set()

    def __call__(self, model: LoadedModel) -> Mapping[str, float]:
        self.attention.add(model.model.get_base_model().config._attn_implementation)
        self.answers.append([reply.text for reply in Generator(model).generate(QUESTIONS, 6)])
        return {"told": float(len(self.answers))}


def test_it_is_measured_before_training_and_after_each_epoch(job: Job, tmp_path: Path) -> None:
    probe = Probe()
    own = Generator(job.base).generate(QUESTIONS, 6)
    result = job.train(tmp_path, measure=Measure("probe", probe))
    told = [(step, metrics["told"]) for step, metrics in job.told if "told" in metrics]
    assert told == [(0, 1.0), (3, 2.0), (6, 3.0), (9, 4.0)]
    assert probe.attention == {"sdpa"}
    assert probe.answers[0] == [reply.text for reply in own]
    adapted = load_adapter(job.base, result.adapter, result.identity)
    assert probe.answers[-1] == [reply.text for reply in Generator(adapted).generate(QUESTIONS, 6)]
    without_adapter(adapted)


def test_measuring_changes_nothing_and_has_a_key_of_its_own(job: Job, tmp_path: Path) -> None:
    plain = job.train(tmp_path / "plain")
    measured = job.train(tmp_path / "measured", measure=Measure("probe", Probe()))
    assert measured.identity == plain.identity
    assert measured.train_loss == plain.train_loss
    assert measured.key != plain.key


def test_a_finished_training_tells_its_measures_again(job: Job, tmp_path: Path) -> None:
    probe = Probe()
    first = job.train(tmp_path, measure=Measure("probe", probe))
    told = [entry for entry in job.told if "told" in entry[1]]
    second = job.train(tmp_path, measure=Measure("probe", probe))
    assert second.reused
    assert [entry for entry in job.told if "told" in entry[1]] == told
    assert len(probe.answers) == len(told) == 4
    history = json.loads((tmp_path / first.key[:16] / HISTORY).read_text())
    assert sum("told" in metrics for _, metrics in history) == 4


@pytest.mark.parametrize("method", ["lora", "dora", "ia3", "prompt_tuning"])
def test_an_adapter_goes_on_from_another(method: str, job: Job, tmp_path: Path) -> None:
    parent = job.train(tmp_path, method=method, learning_rate=5e-3)
    child = job.train(tmp_path, EXAMPLES[:6], method=method, learning_rate=5e-3, parent=parent.adapter)
    fresh = job.train(tmp_path, EXAMPLES[:6], method=method, learning_rate=5e-3)
    assert len({parent.identity, child.identity, fresh.identity}) == 3
    assert child.trainable_parameters == fresh.trainable_parameters > 0
    assert child.dev_losses[0] == pytest.approx(parent.dev_losses[-1], rel=1e-4)
    again = job.train(tmp_path, EXAMPLES[:6], method=method, learning_rate=5e-3, parent=parent.adapter)
    assert again.reused
    assert again.identity == child.identity


def test_an_adapter_of_another_shape_is_not_continued(job: Job, tmp_path: Path) -> None:
    parent = job.train(tmp_path)
    before = {name: value.clone() for name, value in job.base.model.state_dict().items()}
    with pytest.raises(ConfigError, match=r"asked was lora_rank 8 \(the parent has 4\): give the parent's"):
        job.train(tmp_path, parent=parent.adapter, lora_rank=8)
    with pytest.raises(ConfigError, match="method"):
        job.train(tmp_path, parent=parent.adapter, method="ia3")
    after = job.base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
