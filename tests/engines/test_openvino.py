"""OpenVINO computes what this process does of the same weights, or says why not; skipped where it is not installed."""

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base, quiet_peft
from ragft.models.logprob_probes import Probes, take
from ragft.models.openvino import model as engine
from ragft.models.openvino import package
from ragft.models.openvino.model import OpenvinoModel
from ragft.prompts.answer import load_answer_prompt
from tests.tiny_model import make_tokenizer

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino_genai") is None, reason=f"openvino-genai is not installed: {package.INSTALL}"
)
torch.set_num_threads(1)
SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "vocab_size": 1024, "max_position_embeddings": 512, "eos_token_id": 1, "pad_token_id": 0,
    "initializer_range": 0.2,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}  # fmt: skip
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 128}
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(**SMALL, tie_word_embeddings=True),
    "llama with biases and one head each": lambda: LlamaConfig(
        **{**SMALL, "num_key_value_heads": 4}, attention_bias=True, mlp_bias=True
    ),
    "llama 3": lambda: LlamaConfig(**SMALL, rope_parameters=LLAMA3),
    "mistral with wide heads": lambda: MistralConfig(**SMALL, head_dim=32, sliding_window=None),
    "qwen2, yarn": lambda: Qwen2Config(**SMALL, rope_parameters=YARN),
    "qwen3": lambda: Qwen3Config(**SMALL, head_dim=32),
}
ASKED = [
    load_answer_prompt().render(f"Where is town {number}?", [f"Town {number} is in the north. " * (1 + number % 4)])
    for number in range(9)
]


def tiny(folder: Path, config: Any, dtype: str = "float32") -> LoadedModel:  # noqa: ANN401
    """Return a random model whose weights, biases and norms are all others than those it begins with."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    for name, weight in model.named_parameters():
        if name.endswith("bias") or "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return load_base(str(folder), device="cpu", dtype=dtype)


def adapted(base: LoadedModel, config: Any = None) -> LoadedModel:  # noqa: ANN401
    """Return a base with an adapter of random numbers."""
    lora = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM")
    with quiet_peft():
        model = get_peft_model(base.model, config or lora).eval()
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return dataclasses.replace(base, model=model, adapter="an adapter")


def rated(loaded: LoadedModel, folder: Path) -> tuple[Probes, OpenvinoModel, list[list[float]]]:
    """Return the process's probes, the model in OpenVINO, and what OpenVINO makes of the base alone."""
    alone = OpenvinoModel.load(dataclasses.replace(loaded, adapter=""), folder)
    probes = take(loaded)
    return probes, OpenvinoModel.load(loaded, folder), alone.rate(probes)


@pytest.mark.parametrize("name", CONFIGS)
def test_each_architecture_answers_token_by_token_as_the_process_does(name: str, tmp_path: Path) -> None:
    loaded = tiny(tmp_path / "base", CONFIGS[name]())
    model = OpenvinoModel.load(loaded, tmp_path / "openvino")
    assert model.generate(ASKED, 24) == Generator(loaded).generate(ASKED, 24)
    found = model.verify(probes := take(loaded), model.rate(probes))
    assert found.base < 1e-3


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_is_applied_and_its_base_is_without_it(dtype: str, tmp_path: Path) -> None:
    loaded = adapted(tiny(tmp_path / "base", CONFIGS["llama"](), dtype))
    probes, model, alone = rated(loaded, tmp_path / "openvino")
    found = model.verify(probes, alone)
    assert found.moved_here > 0.1
    assert found.share == pytest.approx(1, abs=0.001 if dtype == "float32" else 0.1)
    assert model.engine == f"openvino {package.load().version} {dtype}"
    assert (model.described.adapter, model.described.identity) == (loaded.adapter, loaded.identity)
    assert model.identity not in {loaded.identity, Generator(loaded).identity}
    if dtype == "float32":
        assert model.generate(ASKED, 24) == Generator(loaded).generate(ASKED, 24)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_that_do_not_lie_in_a_row_are_read_as_they_are(dtype: str, tmp_path: Path) -> None:
    loaded = tiny(tmp_path / "base", CONFIGS["llama"](), dtype)
    for name, weight in loaded.model.named_parameters():
        if "_proj" in name:
            weight.data = weight.data.t().contiguous().t()
            assert not weight.is_contiguous()
    model = OpenvinoModel.load(loaded, tmp_path / "openvino")
    probes = take(loaded)
    assert model.verify(probes, model.rate(probes)).base < (1e-3 if dtype == "float32" else 0.1)


def test_another_model_than_the_probes_is_never_asked(tmp_path: Path) -> None:
    loaded = adapted(tiny(tmp_path / "base", CONFIGS["llama"]()))
    probes, model, alone = rated(loaded, tmp_path / "openvino")
    without = OpenvinoModel.load(dataclasses.replace(loaded, adapter=""), tmp_path / "openvino")
    with pytest.raises(PrerequisiteError, match=r"^openvino .* does not apply the adapter.*use engine=local"):
        without.verify(probes, alone)
    for module in loaded.model.modules():
        if hasattr(module, "lora_A"):
            module.scaling["default"] /= 2
    half = OpenvinoModel.load(loaded, tmp_path / "openvino")
    with pytest.raises(PrerequisiteError, match="applies another adapter, or a part of it"):
        half.verify(probes, alone)
    with pytest.raises(PrerequisiteError, match="gives other probabilities than the base itself"):
        model.verify(probes, model.rate(probes))


def test_answers_are_the_same_however_many_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = OpenvinoModel.load(tiny(tmp_path / "base", CONFIGS["llama"]()), tmp_path / "openvino")
    together = model.generate(ASKED, 12)
    monkeypatch.setattr(engine, "CPU_BATCH_ROWS", 2)
    assert model.generate(ASKED, 12) == together
    monkeypatch.setattr(engine, "CPU_BATCH_TOKENS", 1)  # one that is alone is always begun
    told: list[int] = []
    assert model.generate(ASKED, 12, lambda made: told.extend(index for index, _ in made)) == together
    assert sorted(told) == list(range(len(ASKED)))
    assert model.generate([], 12) == []


def test_what_was_answered_before_a_stop_was_told_and_nothing_is_left_running(tmp_path: Path) -> None:
    model = OpenvinoModel.load(tiny(tmp_path / "base", CONFIGS["llama"]()), tmp_path / "openvino")
    together = model.generate(ASKED, 12)
    told: dict[int, Any] = {}

    def stop(made: list[tuple[int, Any]]) -> None:
        told.update(made)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.generate(ASKED, 12, stop)
    ((index, answer),) = told.items()
    assert answer == together[index]
    assert not model._pipeline.has_non_finished_requests()
    assert model.generate(ASKED, 12) == together


def test_a_smaller_window_holds(tmp_path: Path) -> None:
    model = OpenvinoModel.load(tiny(tmp_path / "base", CONFIGS["llama"]()), tmp_path / "openvino")
    assert model.window == 512
    narrow = model.narrowed(24)
    assert (narrow.window, narrow.identity) == (24, model.identity)
    with pytest.raises(ConfigError, match="do not fit the context window of"):
        narrow.generate(ASKED[:1], 12)


def test_no_weights_stay_on_the_disk_not_even_those_of_a_killed_process(tmp_path: Path) -> None:
    left = tmp_path / "openvino" / ".part-killed"
    left.mkdir(parents=True)
    (left / "openvino_model.bin").write_bytes(b"half")
    model = OpenvinoModel.load(tiny(tmp_path / "base", CONFIGS["llama"]()), tmp_path / "openvino")
    assert [path.name for path in (tmp_path / "openvino").iterdir()] == [".lock"]
    assert len(model.generate(ASKED[:1], 4)) == 1


def test_a_precision_that_the_cpu_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    core = SimpleNamespace(get_property=lambda *_: ["FP32", "INT8"])
    there = dataclasses.replace(package.load(), openvino=SimpleNamespace(Core=lambda: core))
    monkeypatch.setattr(package, "load", lambda: there)
    assert engine.engine_name("float32").endswith(" float32")
    with pytest.raises(PrerequisiteError, match=r"does not compute in on this CPU \(FP32, INT8\).*dtype=float32"):
        engine.engine_name("bfloat16")


def test_its_makers_are_told_nothing() -> None:
    package.load()
    assert "openvino" in sys.modules
    assert package.TELEMETRY not in sys.modules
