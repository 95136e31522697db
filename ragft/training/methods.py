"""The PEFT methods with which an adapter can be made."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from peft import IA3Config, LoraConfig, PeftConfig, PeftModel, PromptTuningConfig, TaskType, get_peft_model
from transformers import set_seed

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.models.adapter_folder import identity_of
from ragft.models.loading import LoadedModel, load_adapter, quiet_peft, without_adapter
from ragft.params.training import FinetuneParams

VIRTUAL_TOKENS = 20
ALL_LINEAR = "all-linear"
EMPTY_ROW_DIRECTION = 1e-3
DROPPING = ("lora", "qlora", "dora")
FEED_FORWARD = ("down_proj", "fc2", "dense_4h_to_h", "wo", "w2", "c_proj")
# Names of the modules that are adapted; None for all linear ones.
Modules = list[str] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSettings:
    """The parameters of finetune that decide what comes out of training; `FinetuneParams` explains them.

    Attributes:
        activation_checkpointing: Compute activations twice instead of keeping them: less memory, slower.
        row_tokens: Most tokens that go through the model at once, of a batch of any size; 0 for the whole batch.
    """

    method: str
    epochs: int
    batch_size: int
    gradient_accumulation_steps: int
    learning_rate: float
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    target_modules: str
    max_length: int
    seed: int
    activation_checkpointing: bool = False
    row_tokens: int = 0

    def deciding(self) -> dict[str, Any]:
        """Return name -> value of those that decide the adapter: by rows it differs in rounding alone."""
        return {name: value for name, value in asdict(self).items() if name != "row_tokens"}

    @classmethod
    def from_params(cls, params: FinetuneParams, **changes: Any) -> Self:  # noqa: ANN401
        """Take the settings from the step's parameters."""
        given = params.as_dict()
        return cls(**{name: given[name] for name in cls.__dataclass_fields__ if name in given} | changes)


def virtual_tokens(settings: TrainingSettings) -> int:
    """Return how many tokens the adapter puts before every prompt; 0 for most methods."""
    return VIRTUAL_TOKENS if settings.method == "prompt_tuning" else 0


def draws_at_random(base: LoadedModel, settings: TrainingSettings) -> bool:
    """Return whether numbers are dropped out while training, of the adapter or of the base.

    Which ones depends on how the examples of a step are shared out among processes and passes, and so does the adapter
    then.
    """
    own = base.model.config.to_dict()
    of_base = any(value for name, value in own.items() if "drop" in name and isinstance(value, int | float))
    return of_base or (settings.lora_dropout > 0 and settings.method in DROPPING)


def attach(base: LoadedModel, settings: TrainingSettings, parent: Path | None = None) -> PeftModel:
    """Return the base with a trainable adapter in it: a fresh one, or ``parent`` to be trained further.

    The base model object is changed.

    Raises:
        ConfigError: If method, quantization and target modules do not fit each other, or the parent has another method.
        PrerequisiteError: If the parent belongs to another base or was changed.
    """
    if parent is not None:
        return _continue(base, settings, parent)
    if settings.method == "qlora" and base.quantization == "none":
        raise ConfigError("method qlora trains on quantised weights, but the base was loaded with quantization none")
    set_seed(settings.seed)  # the adapter's first weights are random
    try:
        with quiet_peft():
            adapted = get_peft_model(base.model, _config(settings))
    except ValueError as error:  # PEFT's answer to modules that it cannot find or adapt
        raise ConfigError(
            f"method {settings.method} with target_modules {settings.target_modules!r} does not fit {base.name}: "
            f"{error}"
        ) from error
    _give_empty_rows_a_direction(adapted)
    return adapted


def _give_empty_rows_a_direction(adapted: PeftModel) -> None:
    """Let DoRA begin where a row of the base's weights is all zeros, instead of dividing 0 by 0.

    DoRA divides by the length of each row of weight + B A, and B begins as zeros. Such a row's magnitude is 0, so what
    B holds for it changes nothing until the magnitude is trained.
    """
    for layer in adapted.modules():
        magnitudes = getattr(layer, "lora_magnitude_vector", None)
        if not magnitudes:
            continue
        for name, magnitude in magnitudes.items():
            empty = magnitude.weight.detach().flatten() == 0
            layer.lora_B[name].weight.data[empty] = EMPTY_ROW_DIRECTION


def _continue(base: LoadedModel, settings: TrainingSettings, parent: Path) -> PeftModel:
    set_seed(settings.seed)
    wanted = _config(settings)
    # PEFT does not load virtual tokens as trainable, but does not mind when they are made so.
    adapted = load_adapter(base, parent, identity_of(parent), trainable=not wanted.is_prompt_learning).model
    if adapted.peft_config["default"].is_prompt_learning:
        adapted.peft_config["default"].inference_mode = False
        for parameter in adapted.prompt_encoder.parameters():
            parameter.requires_grad = True
    for config in adapted.peft_config.values():  # else PEFT looks for the base's bare name on the hub when it saves
        config.base_model_name_or_path = base.model.name_or_path
    theirs = adapted.peft_config["default"]
    compared = {"method": "peft_type", "dora": "use_dora", "lora_rank": "r", "lora_alpha": "lora_alpha"}
    wrong = [
        f"{name} {getattr(wanted, field, None)} (the parent has {getattr(theirs, field, None)})"
        for name, field in compared.items()
        if getattr(wanted, field, None) != getattr(theirs, field, None)
    ]
    if wrong:
        without_adapter(replace(base, model=adapted))
        raise ConfigError(f"an adapter is continued as it is; asked was {', '.join(wrong)}: give the parent's")
    return adapted


def _config(settings: TrainingSettings) -> PeftConfig:
    modules = list(entries(settings.target_modules))
    if not modules:
        raise ConfigError(
            f"target_modules is {settings.target_modules!r}, expected {ALL_LINEAR} or names joined by commas"
        )
    if settings.method not in CONFIGS:
        raise ConfigError(f"method is {settings.method!r}, expected one of: {', '.join(CONFIGS)}")
    return CONFIGS[settings.method](settings, None if modules == [ALL_LINEAR] else modules)


def _lora(settings: TrainingSettings, modules: Modules) -> PeftConfig:
    return LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=modules or ALL_LINEAR,
        use_dora=settings.method == "dora",
    )


def _ia3(_: TrainingSettings, modules: Modules) -> PeftConfig:
    feed_forward = [name for name in modules or () if name in FEED_FORWARD]
    return IA3Config(
        task_type=TaskType.CAUSAL_LM,
        target_modules=modules,
        feedforward_modules=None if modules is None else feed_forward,
    )


def _prompt_tuning(_: TrainingSettings, __: Modules) -> PeftConfig:
    return PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=VIRTUAL_TOKENS)


# Method -> its PEFT configuration. The names are those of `ragft.params.values.METHODS`, which must not import PEFT.
CONFIGS: Mapping[str, Callable[[TrainingSettings, Modules], PeftConfig]] = {
    "lora": _lora,
    "qlora": _lora,
    "dora": _lora,
    "ia3": _ia3,
    "prompt_tuning": _prompt_tuning,
}
