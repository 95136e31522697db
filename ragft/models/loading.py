"""Loading base models and adapters: safetensors only, no foreign code, identity checked."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase

from ragft import shortage
from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.adapter_folder import LINEAGE, adapter_identity, check_adapter, foreign_files, read_lineage
from ragft.models.chat import stop_ids
from ragft.models.fingerprint import fingerprint_weights, write_manifest
from ragft.models.quantization import Quantization, loading_options, quantize_loaded
from ragft.models.resolve import check_base
from ragft.models.window import context_window
from ragft.types import digest

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
ACTIVE_DIFFERENCE = 1e-6
PROBES = ("What is asked here?", "Name one thing.", "1 2 3")


@dataclass(frozen=True, kw_only=True)
class DescribedModel:
    """A causal language model with everything that decides what it writes, wherever its weights are.

    Attributes:
        fingerprint: Identity of the base's weights, configuration and tokenizer.
        context_window: Maximum number of tokens in prompt and answer together.
        stop: Every token that ends a reply.
        adapter: Identity of the adapter (see `adapter_identity`); empty for a base.
    """

    tokenizer: PreTrainedTokenizerBase
    name: str
    revision: str
    quantization: Quantization
    dtype: str
    fingerprint: str
    context_window: int
    stop: tuple[int, ...]
    adapter: str = ""

    @property
    def identity(self) -> str:
        """The hash of everything that decides which text comes out, 64 hex digits; the device is left out."""
        return digest([self.fingerprint, self.adapter, self.quantization, self.dtype])


@dataclass(frozen=True, kw_only=True)
class LoadedModel(DescribedModel):
    """A model in memory.

    Attributes:
        model: The transformers model, or the PEFT model around it.
    """

    model: Any
    device: str


def load_base(
    name: str,
    *,
    revision: str = "",
    quantization: Quantization = "none",
    dtype: str = "auto",
    device: str = "auto",
    divisible: bool = False,
) -> LoadedModel:
    """Load a base model from a folder or from the hub's cache; nothing is downloaded.

    Args:
        name: Folder or hub name.
        revision: Of a hub model; empty for its main branch.
        quantization: nf4 by bitsandbytes, int8 and int4 by optimum's quanto.
        dtype: auto is bfloat16 on CUDA and float32 elsewhere.
        device: auto is CUDA where there is one, else the CPU.
        divisible: Whether processes will divide it (`ragft.training.sharding`); only how nf4 is stored differs.

    Raises:
        PrerequisiteError: If the base is not here, incomplete, lacks some of its weights, or does not fit into the GPU.
        ConfigError: If a parameter has no such value, or the model is not a causal one.
    """
    files = check_base(name, revision)
    place = _device(device)
    kind = _dtype(dtype, place)
    tokenizer = AutoTokenizer.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    with shortage.told(f"the base {name}"):
        options = loading_options(quantization, kind, divisible=divisible)
        model = _load_weights(files.folder, name, kind, place, options)
    quantize_loaded(model, quantization)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        name=name,
        revision=files.revision,
        quantization=quantization,
        dtype=str(kind).removeprefix("torch."),
        device=str(place),
        fingerprint=fingerprint_weights(files.folder),
        context_window=context_window(model.config, tokenizer),
        stop=stop_ids(model.generation_config.eos_token_id, tokenizer),
    )


def describe_base(name: str, *, revision: str = "", dtype: str) -> DescribedModel:
    """Return what a base is, from its files; its weights are hashed and not loaded.

    Args:
        name: Folder or hub name.
        revision: Of a hub model; empty for its main branch.
        dtype: The precision that another process computes in.

    Raises:
        PrerequisiteError: If the base is not here or incomplete.
    """
    files = check_base(name, revision)
    given: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(files.folder, **given)
    config = AutoConfig.from_pretrained(files.folder, **given)
    try:
        generation = GenerationConfig.from_pretrained(files.folder, local_files_only=True)
    except OSError:  # it has no such file
        generation = GenerationConfig.from_model_config(config)
    return DescribedModel(
        tokenizer=tokenizer,
        name=name,
        revision=files.revision,
        quantization="none",
        dtype=dtype,
        fingerprint=fingerprint_weights(files.folder),
        context_window=context_window(config, tokenizer),
        stop=stop_ids(generation.eos_token_id, tokenizer),
    )


def load_adapter(base: LoadedModel, folder: Path, identity: str, *, trainable: bool = False) -> LoadedModel:
    """Return the base with an adapter on top. It changes ``base.model``: use `without_adapter` to take it off.

    Args:
        base: Carries no adapter yet.
        folder: Of the adapter.
        identity: Which adapter it must be (see `adapter_identity`), as the registry says, not the folder.
        trainable: Whether its weights can be trained further; if not, nothing can.

    Raises:
        PrerequisiteError: If the folder holds anything but this adapter, or it belongs to another base.
    """
    if base.adapter:
        raise ConfigError(f"{base.name} already carries adapter {base.adapter[:12]}: load a fresh base for {folder}")
    check_adapter(folder, identity)
    lineage = read_lineage(folder)
    if lineage["base"]["fingerprint"] != base.fingerprint:
        raise PrerequisiteError(
            f"adapter {folder} was trained on base {lineage['base']['name']} with fingerprint "
            f"{lineage['base']['fingerprint']}, but the base here is {base.name} with {base.fingerprint}: "
            "load it on the base it belongs to"
        )
    with quiet_peft():
        model = PeftModel.from_pretrained(base.model, folder, is_trainable=trainable)
    model.eval()
    return replace(base, model=model, adapter=identity)


def without_adapter(loaded: LoadedModel) -> LoadedModel:
    """Return the base with its adapter removed; a base is returned as it is."""
    if not isinstance(loaded.model, PeftModel):
        return loaded
    virtual = any(config.is_prompt_learning for config in loaded.model.peft_config.values())
    base = loaded.model.get_base_model() if virtual else loaded.model.unload()
    return replace(loaded, model=base, adapter="")


@contextmanager
def adapter_off(loaded: LoadedModel) -> Iterator[LoadedModel]:
    """Yield the base with its adapter switched off for a while; a base is yielded as it is."""
    if not isinstance(loaded.model, PeftModel):
        yield loaded
        return
    virtual = any(config.is_prompt_learning for config in loaded.model.peft_config.values())
    with loaded.model.disable_adapter():
        yield replace(loaded, model=loaded.model.get_base_model() if virtual else loaded.model, adapter="")


def save_adapter(adapted: LoadedModel, folder: Path, training: dict[str, Any]) -> str:
    """Write adapter, tokenizer, lineage and manifest; return the adapter's identity, 64 hex digits.

    Args:
        adapted: A base whose ``model`` is a PEFT model.
        folder: Does not have to exist; files of the same names are replaced.
        training: What is kept about how it was made (JSON values), under ``training`` in the lineage.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for config in adapted.model.peft_config.values():
        config.base_model_name_or_path = Path(adapted.name).name if Path(adapted.name).exists() else adapted.name
    adapted.model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty card
    _sort_modules(folder / "adapter_config.json")
    adapted.tokenizer.save_pretrained(folder)
    for name in list(foreign_files(folder)):
        (folder / name).unlink()  # of a tokenizer of another kind; an adapter is read with its base's
    base = {"name": adapted.name, "revision": adapted.revision, "fingerprint": adapted.fingerprint}
    lineage = {"base": base | {"quantization": adapted.quantization, "dtype": adapted.dtype}, "training": training}
    (folder / LINEAGE).write_text(json.dumps(lineage, indent=2, sort_keys=True), encoding="utf-8")
    return adapter_identity(write_manifest(folder))


def adapter_is_active(adapted: LoadedModel) -> bool:
    """Return whether the adapter changes the logits of any probe prompt by more than 1e-6.

    False means that the adapter was not applied or never trained, so its scores would be the base's.
    """
    if not isinstance(adapted.model, PeftModel):
        return False
    for probe in PROBES:
        ids = torch.tensor([adapted.tokenizer.encode(probe)], device=adapted.model.device)
        with torch.no_grad():
            with_adapter = adapted.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -1].float()
            with adapted.model.disable_adapter():
                alone = adapted.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -1].float()
        if not bool((with_adapter - alone).abs().max() <= ACTIVE_DIFFERENCE):
            return True
    return False


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Silence one warning: PEFT 0.21 asks transformers 5 for a property under its old name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated", category=FutureWarning)
        yield


def _sort_modules(path: Path) -> None:
    """Write PEFT's configuration in a fixed order, since PEFT keeps module names in a set."""
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    ordered = {name: sorted(value) if name.endswith("_modules") and value else value for name, value in config.items()}
    path.write_text(json.dumps(ordered, indent=2, sort_keys=True), encoding="utf-8")


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device is {device!r}, expected auto, cpu, cuda or cuda:<number>") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise PrerequisiteError(f"device is {device}, but PyTorch sees no CUDA device: use cpu or auto")
    return place


def _dtype(dtype: str, place: torch.device) -> torch.dtype:
    if dtype == "auto":
        return torch.bfloat16 if place.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}, expected auto, {', '.join(DTYPES)}")
    return DTYPES[dtype]


def _load_weights(folder: Path, name: str, dtype: torch.dtype, place: torch.device, options: dict[str, Any]) -> Any:  # noqa: ANN401
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": place},
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    except ValueError as error:  # what transformers raises for an architecture without a causal head
        raise ConfigError(f"base {name} cannot be loaded as a causal language model: {error}") from error
    if absent := sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"]):
        raise PrerequisiteError(f"base {name}: {len(absent)} weights are missing or misshapen, such as {absent[0]}")
    model.eval()
    return model
