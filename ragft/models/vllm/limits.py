"""Which adapters vLLM serves as they were trained; the rest is refused before a server is asked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ragft.errors import PrerequisiteError

# These begin by changing the base's own weights, so the adapter alone is only a part of what was trained.
CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq")


def check_servable(folder: Path, title: str) -> int:
    """Check that vLLM applies everything that an adapter's configuration asks for, and return its rank.

    Args:
        folder: Of the adapter, checked already (`ragft.models.adapter_folder.check_adapter`).
        title: What errors call it.

    Raises:
        PrerequisiteError: Naming everything that vLLM would refuse or, worse, leave out without a word.
    """
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    if reasons := list(_reasons(config)):
        raise PrerequisiteError(
            f"{title} cannot be served by vLLM: {'; '.join(reasons)}. Use engine=local, or train a plain LoRA"
        )
    return int(config["r"])


def _reasons(config: Mapping[str, Any]) -> list[str]:
    """Return why vLLM cannot serve an adapter with this configuration of PEFT; none where it can."""
    kind = config.get("peft_type")
    if kind != "LORA":
        return [f"it is a {kind} adapter and vLLM serves LoRA alone"]
    start = config.get("init_lora_weights")
    told = {
        "its weights are decomposed (DoRA)": config.get("use_dora"),
        f"it trains biases ({config.get('bias')})": config.get("bias", "none") != "none",
        f"it replaces whole modules ({config.get('modules_to_save')})": config.get("modules_to_save"),
        "it adapts parameters beside modules": config.get("target_parameters"),
        "it repeats layers": config.get("layer_replication"),
        f"it begins by changing the base's weights ({start})": isinstance(start, str)
        and start.lower().startswith(CHANGES_THE_BASE),
    }
    return [reason for reason, holds in told.items() if holds]
