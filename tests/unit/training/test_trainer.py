"""Training: the loss is the trainer's own, nothing wrong is saved, and the base stays as it was."""

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import DataCollatorForSeq2Seq

from ragft.errors import ConfigError
from ragft.models.adapter_folder import read_lineage
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, adapter_is_active, load_adapter, load_base, without_adapter
from ragft.training.encoding import IGNORED, EncodedExample, encode
from tests.unit.training.conftest import EXAMPLES, Job

pytestmark = pytest.mark.slow

PROBE = torch.tensor([[5, 6, 7]])


def padded_loss(model: Any, tokenizer: Any, examples: Sequence[EncodedExample]) -> float:  # noqa: ANN401
    """Return the loss per labelled token that transformers' model computes on a batch padded to the longest."""
    features = [{"input_ids": list(e.input_ids), "labels": list(e.labels)} for e in examples]
    batch = DataCollatorForSeq2Seq(tokenizer, padding="longest")(features)
    with torch.no_grad():
        return float(model(**batch).loss)


def test_an_adapter_is_trained_and_the_base_left_as_it_was(job: Job, base: LoadedModel, tmp_path: Path) -> None:
    model = job.base.model
    result = job.train(tmp_path)
    assert (result.steps, result.examples, result.padding_free, result.resumed_from) == (9, 14, True, 0)
    assert result.dev_losses[-1] < result.dev_losses[0] - 0.5
    assert [step for step, metrics in job.told if "train_loss" in metrics] == list(range(1, 10))
    assert [step for step, metrics in job.told if "dev_loss" in metrics] == [0, 3, 6, 9]
    assert result.train_loss == pytest.approx(sum(metrics.get("train_loss", 0) for _, metrics in job.told) / 9)
    assert result.trainable_parameters == 4 * 3 * (2 * 64 * 2 + (64 + 32) * 2 + (64 + 128) * 3)
    encoded = encode(EXAMPLES, base, job.prompt, 4096).examples
    assert result.tokens == 3 * sum(len(example.input_ids) for example in encoded)
    assert result.tokens_per_second > 0
    assert result.peak_memory_bytes > 1_000_000
    assert result.metrics()["dev_loss_after"] == result.dev_losses[-1]
    assert not result.metrics().keys() & {name for _, metrics in job.told for name in metrics}
    assert read_lineage(result.adapter)["training"]["samples"] == 14
    assert job.base.model is model
    assert "forward" not in vars(model)
    assert torch.equal(model(PROBE).logits, base.model(PROBE).logits)
    loaded = load_adapter(base, result.adapter, result.identity)
    assert adapter_is_active(loaded)
    assert loaded.adapter == result.identity
    counts = [sum(label != IGNORED for label in example.labels) for example in encoded[:3]]
    losses = [padded_loss(loaded.model, base.tokenizer, [example]) for example in encoded[:3]]
    weighted = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
    assert result.dev_losses[-1] == pytest.approx(weighted, abs=1e-4)


def test_the_loss_is_that_of_padded_batches(job: Job, tmp_path: Path) -> None:
    """One batch of everything: the first step's loss is the base's, so transformers itself can compute it."""
    encoded = encode(EXAMPLES, job.base, job.prompt, 4096).examples
    expected = padded_loss(job.base.model, job.base.tokenizer, encoded)
    job.train(tmp_path, dev=(), batch_size=14, epochs=1, lora_dropout=0.0)
    whole = job.told[0][1]
    assert whole["train_loss"] == pytest.approx(expected, abs=1e-4)
    job.train(tmp_path, dev=(), batch_size=3, gradient_accumulation_steps=5, epochs=1, lora_dropout=0.0)
    assert job.told[0][1] == pytest.approx(whole, abs=1e-4)  # loss and gradient norm: a token weighs the same


def test_the_tokens_that_end_a_reply_stay_those_of_the_base(base: LoadedModel, tmp_path: Path) -> None:
    base.model.generation_config.eos_token_id = [1, 77]
    base.model.config.eos_token_id = 77
    Job(base).train(tmp_path, epochs=1)
    assert base.model.generation_config.eos_token_id == [1, 77]
    assert base.model.config.eos_token_id == 77


def test_padded_and_joined_training_agree(job: Job, base: LoadedModel, tmp_path: Path) -> None:
    """A model that was told to use another attention is trained on padded batches, to the same losses."""
    base.model.set_attn_implementation("eager")
    joined = job.train(tmp_path / "joined", batch_size=14, lora_dropout=0.0)
    padded = Job(base).train(tmp_path / "padded", batch_size=14, lora_dropout=0.0)
    assert (joined.padding_free, padded.padding_free) == (True, False)
    assert padded.dev_losses == pytest.approx(joined.dev_losses, abs=1e-3)
    assert base.model.config._attn_implementation == "eager"


def test_whatever_decides_the_adapter_decides_its_key(job: Job, tmp_path: Path) -> None:
    keys = [
        job.train(tmp_path, epochs=1).key,
        job.train(tmp_path, epochs=1, examples=EXAMPLES[1:]).key,
        job.train(tmp_path, epochs=1, seed=1).key,
    ]
    assert len(set(keys)) == 3
    assert {path.name for path in tmp_path.iterdir()} == {key[:16] for key in keys}


def test_a_number_that_is_not_finite_stops_training(job: Job, base: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"became (nan|inf) at step \d+ with learning_rate 1e\+30"):
        job.train(tmp_path, learning_rate=1e30)
    assert not list(tmp_path.glob("*/adapter"))
    assert not list(tmp_path.glob("*/checkpoint-*"))
    assert torch.equal(job.base.model(PROBE).logits, base.model(PROBE).logits)


@pytest.mark.parametrize("quantization", ["nf4", "int8", "int4"])
def test_adapters_are_trained_on_quantised_weights(tiny_base: Path, tmp_path: Path, quantization: str) -> None:
    quantised = load_base(str(tiny_base), quantization=quantization)  # type: ignore[arg-type]
    result = Job(quantised).train(tmp_path, method="qlora", dev=EXAMPLES)
    assert result.dev_losses[-1] < result.dev_losses[0] - 0.5
    assert adapter_is_active(load_adapter(quantised, result.adapter, result.identity))


def test_a_quantised_base_that_has_generated_is_trained_just_as_well(tiny_base: Path, tmp_path: Path) -> None:
    """Generating packs 4-bit weights on a CPU; training on packed ones loses gradients without an error."""
    fresh, used = (load_base(str(tiny_base), quantization="nf4") for _ in range(2))
    before = Generator(used).generate(["Why?"], 4)
    results = [Job(b).train(tmp_path / name, method="qlora") for name, b in (("fresh", fresh), ("used", used))]
    assert results[0].dev_losses == results[1].dev_losses
    assert Generator(used).generate(["Why?"], 4) == before


def test_adapters_of_a_half_precision_base_are_float32(tiny_base: Path, tmp_path: Path) -> None:
    half = load_base(str(tiny_base), dtype="bfloat16")
    result = Job(half).train(tmp_path)
    assert result.padding_free
    assert result.dev_losses[-1] < result.dev_losses[0] - 0.5
    weights = load_file(result.adapter / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert half.model.dtype is torch.bfloat16


def test_too_little_memory_says_what_to_change(job: Job, tmp_path: Path) -> None:
    def refuse(*args: object) -> None:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(ConfigError, match="too little memory to train one example of max_length 1536 at a time"):
        job.train(tmp_path, on_progress=refuse)


@pytest.mark.parametrize("method", ["lora", "prompt_tuning"])
def test_where_memory_is_short_smaller_batches_make_the_same_steps(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """A device that takes few tokens at a time, from the third step on; lora in one row, prompt tuning padded."""
    settings: dict[str, Any] = {"method": method, "batch_size": 4, "lora_dropout": 0.0}
    whole = job.train(tmp_path / "whole", **settings)
    losses = [metrics["train_loss"] for _, metrics in job.told if "train_loss" in metrics]
    steps = 0

    def count(done: int, of: int) -> None:
        nonlocal steps
        steps = done

    def refuse(module: object, inputs: object, keywords: dict[str, Any]) -> None:
        shown = next((keywords[name] for name in ("input_ids", "inputs_embeds") if name in keywords), ())
        rows = len(keywords["segments"]) - 1 if "segments" in keywords else len(shown)
        if steps >= 2 and rows > 2:
            raise torch.OutOfMemoryError("no room")

    hook = job.base.model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        small = job.train(tmp_path / "small", on_progress=count, **settings)
    finally:
        hook.remove()
    told = {step: metrics["train_loss"] for step, metrics in job.told if "train_loss" in metrics}
    assert (whole.batch, small.batch, small.key) == (4, 2, whole.key)
    assert small.steps == whole.steps == len(losses)
    assert list(told.values()) == pytest.approx(losses, abs=1e-5)
    assert small.dev_losses == pytest.approx(whole.dev_losses, abs=1e-5)
    said = "cpu has too little memory to train 4 examples at once: going on with 2, and more of them in a step"
    assert [record.getMessage() for record in caplog.records if record.name.startswith("ragft")] == [said]


@pytest.mark.parametrize("method", ["dora", "ia3", "prompt_tuning"])
def test_other_methods_learn_too(job: Job, base: LoadedModel, tmp_path: Path, method: str) -> None:
    result = job.train(tmp_path, method=method, learning_rate=2e-2)
    assert result.dev_losses[-1] < result.dev_losses[0] - 0.02
    assert result.padding_free == (method != "prompt_tuning")
    loaded = load_adapter(base, result.adapter, result.identity)
    assert adapter_is_active(loaded)
    assert without_adapter(loaded).model is base.model


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "qlora"}, "was loaded with quantization none"),
        ({"method": "sorcery"}, "method is 'sorcery'"),
        ({"target_modules": "q_prok"}, "q_prok"),
        ({"target_modules": " , "}, "expected all-linear or names"),
    ],
)
def test_settings_that_do_not_fit_are_refused(job: Job, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        job.train(tmp_path, **changes)


def test_no_examples_and_an_adapted_base_are_refused(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no training examples"):
        job.train(tmp_path, examples=())
    with pytest.raises(ConfigError, match="trained on a bare base"):
        Job(replace(job.base, adapter="a" * 64)).train(tmp_path)


def test_training_opens_no_connection(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def refuse(*args: object, **kwargs: object) -> None:
        opened.append(args)  # a library may swallow the error
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert Job(replace(job.base, name="someone/model")).train(tmp_path, examples=EXAMPLES[:6], epochs=2).steps > 0
    assert opened == []


def test_activation_checkpointing_changes_memory_only(job: Job, tmp_path: Path) -> None:
    plain = job.train(tmp_path, epochs=1)
    saving = job.train(tmp_path, epochs=1, activation_checkpointing=True)
    assert saving.dev_losses == pytest.approx(plain.dev_losses, abs=1e-4)
    assert not job.base.model.is_activation_checkpointing
