"""Adapters that vLLM would refuse or serve in part are refused before a server is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from ragft.errors import PrerequisiteError
from ragft.models.vllm.limits import check_servable

PLAIN = {
    "peft_type": "LORA",
    "bias": "none",
    "use_dora": False,
    "modules_to_save": None,
    "init_lora_weights": True,
    "r": 8,
}


def check(folder: Path, **changes: Any) -> int:  # noqa: ANN401
    (folder / "adapter_config.json").write_text(json.dumps({**PLAIN, **changes}))
    return check_servable(folder, "models:/a/2")


def test_a_plain_lora_is_served(tmp_path: Path) -> None:
    assert check(tmp_path, init_lora_weights="gaussian", use_rslora=True) == 8


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"peft_type": "IA3"}, "an IA3 adapter|a IA3 adapter"),
        ({"peft_type": "PROMPT_TUNING"}, "PROMPT_TUNING"),
        ({"use_dora": True}, "DoRA"),
        ({"bias": "lora_only"}, r"biases \(lora_only\)"),
        ({"modules_to_save": ["lm_head"]}, "whole modules.*lm_head"),
        ({"init_lora_weights": "pissa_niter_16"}, "pissa_niter_16"),
        ({"layer_replication": [[0, 4]]}, "repeats layers"),
    ],
)
def test_what_it_cannot_serve_is_told_with_the_way_out(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PrerequisiteError, match=told) as caught:
        check(tmp_path, **changes)
    assert "models:/a/2 cannot be served by vLLM" in str(caught.value)
    assert "engine=local" in str(caught.value)


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"DoRA.*biases"):
        check(tmp_path, use_dora=True, bias="all")
