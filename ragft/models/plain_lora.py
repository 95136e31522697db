"""Which adapters an engine other than PEFT applies as a whole: plain LoRA, nothing beside it."""

from collections.abc import Iterator, Mapping
from typing import Any

# These begin by changing the base's own weights, so the adapter alone is only a part of what was trained.
CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


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
        "it adds biases to its products (lora_bias)": config.get("lora_bias"),
        "it trains tokens of their own (trainable_token_indices)": config.get("trainable_token_indices"),
        "it adapts the table of tokens (embed_tokens)": "embed_tokens" in str(config.get("target_modules")),
        "it adapts parameters beside modules": config.get("target_parameters"),
        "it repeats layers": config.get("layer_replication"),
        f"it begins by changing the base's weights ({start})": isinstance(start, str)
        and start.lower().startswith(CHANGES_THE_BASE),
    }
    yield from (reason for reason, holds in told.items() if holds)
