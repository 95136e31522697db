"""What a vLLM server cannot make of an adapter, found before a server is asked."""

import json
from pathlib import Path
from typing import Any

from ragft.errors import PrerequisiteError
from ragft.models.plain_lora import reasons_against


def check_servable(folder: Path, title: str) -> int:
    """Check that vLLM applies everything that an adapter's configuration asks for, and return its rank.

    Args:
        folder: Of the adapter, checked already (`ragft.models.adapter_folder.check_adapter`).
        title: What errors call it.

    Raises:
        PrerequisiteError: Naming everything that vLLM would refuse or, worse, leave out without a word.
    """
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    if reasons := list(reasons_against(config, "vLLM serves")):
        raise PrerequisiteError(
            f"{title} cannot be served by vLLM: {'; '.join(reasons)}. Use engine=local, or train a plain LoRA"
        )
    return int(config["r"])
