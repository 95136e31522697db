"""Which adapters an engine other than PEFT applies as a whole: plain LoRA, nothing beside it."""

from collections.abc import Iterator, Mapping
from typing import Any

# These begin by changing the base's own weights, so the adapter alone is only a part of what was trained.
CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq")


def reasons_against(config: Mapping[str, Any], engine: str) -> Iterator[str]:
    """Yield why an engine cannot apply an adapter with this configuration of PEFT; nothing where it can.

    Args:
        config: As PEFT writes it.
        engine: Name and what it does, such as "vLLM serves".
    """
    kind = config.get("peft_type")
    if kind != "LORA":
        yield f"it is a {getattr(kind, 'value', kind)} adapter and {engine} LoRA alone"
        return
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
    yield from (reason for reason, holds in told.items() if holds)
