"""Checks that take a second, before torch is imported and before a socket is opened."""

from collections.abc import Mapping
from pathlib import Path

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.params import Params
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criteria
from ragft.store.private import shown

FILES = ("path", "documents", "answers", "ratings")
SEVERAL = ("ratings",)


def check(params: Params) -> None:
    """Check what the parameters name: files, prompt, criteria, and the base model.

    Raises:
        ConfigError: If a file is not there or cannot be used.
        PrerequisiteError: If the base model is not on this machine.
    """
    try:
        _check(params)
    except OSError as error:
        # A path that no file system can hold, of thousands of characters say, is not a file here.
        raise ConfigError(f"{shown(error.filename or '')} cannot be looked up: {error.strerror}") from error


def _check(params: Params) -> None:
    values = params.as_dict()
    for name in FILES:
        for value in _paths(name, values):
            if not Path(value).exists():
                raise ConfigError(f"{name} is {value!r}, which does not exist (looked in {Path.cwd()})")
    if "prompt" in values:
        load_answer_prompt(values["prompt"])
    if "criteria" in values:
        load_criteria(values["criteria"])
    if base := values.get("base"):
        from entrypoints.steps.shared.bases import require_base

        require_base(base, values.get("revision", ""))
    if (judge := values.get("judge", "base")) not in ("base", "none") and not values.get("judge_url"):
        from entrypoints.steps.shared.bases import require_base

        require_base(judge)


def _paths(name: str, values: Mapping[str, str]) -> list[str]:
    value = values.get(name, "")
    return list(entries(value)) if name in SEVERAL else [value.strip()] if value.strip() else []
