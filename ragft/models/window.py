"""How many tokens a base takes, read from its files: no weights are loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

# Where neither the configuration nor the tokenizer says it.
UNKNOWN_WINDOW = 2048
UNLIMITED = 10**30


@dataclass(frozen=True)
class Reader:
    """A base's tokenizer and context window.

    Attributes:
        window: Maximum number of tokens in prompt and answer together.
    """

    tokenizer: PreTrainedTokenizerBase
    window: int


def read_window(folder: Path) -> Reader:
    """Return the tokenizer and the window of the base in a folder."""
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(folder, **given)
    window = context_window(AutoConfig.from_pretrained(folder, **given), tokenizer)
    # Texts are measured here, never fed to a model: the library's warning of too long ones would be wrong.
    tokenizer.model_max_length = UNLIMITED
    return Reader(tokenizer, window)


def context_window(config: Any, tokenizer: PreTrainedTokenizerBase) -> int:  # noqa: ANN401
    """Return the most tokens that prompt and answer may have together."""
    configured = getattr(config.get_text_config(), "max_position_embeddings", None)
    if isinstance(configured, int) and configured > 0:
        return configured
    return min(int(tokenizer.model_max_length), 1_000_000) if tokenizer.model_max_length < 1e9 else UNKNOWN_WINDOW
