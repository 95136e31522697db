"""Checks that take a second, before torch is imported and before a socket is opened."""

from collections.abc import Mapping
from pathlib import Path

from ragft.data.files import ROW_SUFFIXES
from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.models.openvino import package
from ragft.params.base import Params
from ragft.params.scoring import VerifyParams
from ragft.params.values import OPENVINO, OVERLAP, SEARCHING, VLLM
from ragft.params.verdict import CompareParams, SidesParams
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criteria
from ragft.store.private import shown

FILES = ("path", "documents", "answers", "ratings", "retrieved")
SEVERAL = ("ratings",)
# What has no meaning where two files of answers are compared.
SETTLED = (
    "model", "dataset", "path", "documents", "data_seed", "split", "questions", "chunk_chars", "embedder", "top_k",
    *SEARCHING, "collection", "retrieved", "context", "prompt", "quantization", "dtype", "max_new_tokens",
    "context_window",
)  # fmt: skip


def check(params: Params) -> None:
    """Check what the parameters name: files, prompt, criteria, and the base model.

    Raises:
        ConfigError: If a file is not there or cannot be used.
        PrerequisiteError: If the base model is not on this machine, or the engine is not installed.
    """
    if params.as_dict().get("engine") == OPENVINO:
        package.require()
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
                raise ConfigError(f"{name} is {value!r}, which does not exist{_looked_in(value)}")
    if isinstance(params, SidesParams):
        _check_two_files(params)
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
    # A comparison names no verifier: it takes that of the version's promise.
    if (
        isinstance(params, VerifyParams)
        and params.verify
        and params.verifier not in (OVERLAP, "base")
        and not params.verifier_url
    ):
        from entrypoints.steps.shared.bases import require_base

        require_base(params.verifier)


def _check_two_files(params: SidesParams) -> None:
    """Refuse a file against a version, before the registry is asked for one, and what files settle themselves."""
    against = params.against
    usual = CompareParams().as_dict()
    # The precision is the server's, where one judges.
    names = [name for name in SETTLED if name != "dtype" or params.engine != VLLM]
    settled = {name: value for name, value in params.as_dict().items() if name in names and value != usual[name]}
    if params.answers.strip() and settled:
        given = ", ".join(f"{name}={value}" for name, value in settled.items())
        raise ConfigError(
            f"{given} was given with answers={params.answers}, but files of answers settle what was asked and how: "
            f"leave {', '.join(settled)} out"
        )
    if params.answers.strip() and not Path(against).exists():
        raise ConfigError(f"against is {against!r}, which does not exist{_looked_in(against)}")
    is_version = against == CompareParams().against or against.startswith("models:/")
    if not (params.answers.strip() or is_version) and (Path(against).exists() or against.endswith(ROW_SUFFIXES)):
        raise ConfigError(
            f"against is the file {against!r}, and answers is empty: name the file of the answers that should replace "
            "these, -P answers=tuned.jsonl"
        )


def _looked_in(path: str) -> str:
    """Return, in brackets, the folder that a path is relative to; "" where it is absolute."""
    return "" if Path(path).is_absolute() else f" (looked in {Path.cwd()})"


def _paths(name: str, values: Mapping[str, str]) -> list[str]:
    value = values.get(name, "")
    return list(entries(value)) if name in SEVERAL else [value.strip()] if value.strip() else []
