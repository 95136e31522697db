"""What OpenVINO would leave out or compute otherwise is refused before any weight is given to it."""

import importlib.util
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import Gemma2Config, LlamaConfig, MistralConfig, Qwen2Config

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.openvino import package
from ragft.models.openvino.graph import check_convertible
from ragft.params.scoring import EvaluateParams
from ragft.params.values import OPENVINO

ROOT = Path(__file__).resolve().parents[4]
LLAMA = LlamaConfig()
PLAIN = {"peft_type": "LORA", "bias": "none", "init_lora_weights": True}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}


def model(config: Any = LLAMA, adapter: dict[str, Any] | None = None, **changes: Any) -> Any:  # noqa: ANN401
    """Return what the check asks of a model."""
    peft = {} if adapter is None else {"default": SimpleNamespace(to_dict=lambda: {**PLAIN, **adapter})}
    values = {"quantization": "none", "dtype": "float32", "name": "a base", "adapter": "" if adapter is None else "a"}
    return SimpleNamespace(model=SimpleNamespace(config=config, peft_config=peft), **{**values, **changes})


@pytest.mark.parametrize(
    "taken",
    [
        model(),
        model(dtype="bfloat16", adapter={"use_rslora": True}),
        model(MistralConfig(sliding_window=None)),
        model(Qwen2Config()),
    ],
)
def test_what_the_graph_says_is_taken(taken: Any) -> None:  # noqa: ANN401
    check_convertible(taken)


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (model(Gemma2Config()), "its architecture is gemma2, expected one of llama, mistral, qwen2, qwen3"),
        (model(quantization="nf4"), "its weights are held in nf4"),
        (model(dtype="float16"), "it is computed in float16"),
        (model(LlamaConfig(hidden_act="gelu")), "its activation is gelu"),
        (model(LlamaConfig(rope_parameters=DYNAMIC)), "its positions are of the type dynamic"),
        (model(MistralConfig(sliding_window=64)), r"does not see the whole text in every layer \(64\)"),
        (
            model(Qwen2Config(use_sliding_window=True, sliding_window=64, max_window_layers=1)),
            r"does not see the whole text in every layer \(sliding_attention\)",
        ),
        (model(adapter={"use_dora": True}), "decomposed"),
        (model(adapter={"peft_type": "IA3"}), "it is a IA3 adapter and OpenVINO computes LoRA alone"),
        (model(adapter={"bias": "all"}, quantization="int8"), r"held in int8; it trains biases \(all\)"),
    ],
)
def test_what_it_cannot_say_is_named_with_the_way_out(refused: Any, told: str) -> None:  # noqa: ANN401
    with pytest.raises(PrerequisiteError, match=rf"a base cannot be computed by OpenVINO.*{told}.*engine=local"):
        check_convertible(refused)


def test_the_command_installs_the_version_that_the_optional_dependencies_pin() -> None:
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert [f"pip install {each}" for each in pinned["openvino"]] == [package.INSTALL]


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PrerequisiteError, match=r"openvino-genai is not installed: run `pip install openvino-genai=="):
        package.require()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "engine is openvino and dtype auto: say in which precision"),
        ({"dtype": "float32", "engine_url": "http://a:1/v1"}, "engine is openvino, but engine_url is 'http://a:1/v1'"),
        ({"dtype": "float32", "engine_folder": "/a"}, "engine_folder '/a': say engine=vllm"),
        ({"dtype": "float32", "quantization": "nf4"}, "with the weights as they are: leave quantization out"),
        (
            {"dtype": "float32", "model": "served", "model_url": "http://a:1/v1", "served_model": "m"},
            "model is served and engine openvino",
        ),
    ],
)
def test_parameters_that_do_not_go_with_it_are_told_before_any_work(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        EvaluateParams(engine=OPENVINO, **changes)
