"""Checks of values that several steps take."""

import math
from collections.abc import Sequence

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.params.values import GUARD_MARGIN, OPENVINO, VLLM


def check_address(name: str, url: str) -> None:
    """Refuse a secret in an address before anything is logged; the message does not repeat it."""
    if "@" in url or "?" in url:
        raise ConfigError(
            f"{name} holds a password or a query, expected http(s)://host/v1: give the key as RAGFT_API_KEY"
        )


def check_engine(engine: str, url: str, folder: str, dtype: str) -> None:
    """Refuse an engine without its address or precision, and these without an engine."""
    check_address("engine_url", url)
    if engine != VLLM and (url or folder):
        raise ConfigError(
            f"engine is {engine}, but engine_url is {url!r} and engine_folder {folder!r}: say engine=vllm"
        )
    if engine == VLLM and not url:
        raise ConfigError("engine is vllm without engine_url: give its address, -P engine_url=http://host:8000/v1")
    if engine == VLLM and dtype == "auto":
        raise ConfigError(
            "engine is vllm and dtype auto: say in which precision the server computes, -P dtype=bfloat16 (what "
            "`vllm serve --dtype` was given)"
        )
    if engine == OPENVINO and dtype == "auto":
        raise ConfigError("engine is openvino and dtype auto: say in which precision it computes, -P dtype=float32")


def points(guard: str, text: str) -> float:
    """Return a guard's margin."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 100:
        raise ConfigError(
            f"guards gives {guard} the margin {text.strip()!r}, expected percentage points above 0 and below 100, such "
            f"as {guard}={GUARD_MARGIN:g}"
        )
    return value


def listed(name: str, value: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of a list that is written as one text, each of ``allowed`` and once."""
    items = entries(value)
    if not items or len(set(items)) < len(items) or not set(items) <= set(allowed):
        raise ConfigError(f"{name} is {value!r}, expected some of {', '.join(allowed)}, joined by commas, each once")
    return items
