"""TRL's SFT trainer, fed with examples laid end to end, with the loss computed where there are labels."""

import copy
import inspect
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from ragft.errors import ConfigError
from ragft.models.fingerprint import write_manifest
from ragft.models.loading import LoadedModel
from ragft.store.windows import window
from ragft.training.attention import SEGMENTED
from ragft.training.checkpoints import checkpoints_newest_first
from ragft.training.encoding import IGNORED, EncodedExample
from ragft.training.methods import TrainingSettings

CHECKPOINT_SECONDS = 120.0
KEPT_CHECKPOINTS = 2
PROBE_DIFFERENCE = 1e-3


@dataclass
class Watch:
    """Who is told what, and what stops training."""

    on_log: Callable[[int, Mapping[str, float]], None]
    on_progress: Callable[[int, int], None]
    learning_rate: float

    def require_finite(self, value: float, what: str, step: int) -> None:
        """Stop training when a number is infinite or not a number.

        Raises:
            ConfigError: Naming the number, the step and what to change.
        """
        if value != value or value in (float("inf"), float("-inf")):
            raise ConfigError(
                f"the {what} became {value} at step {step} with learning_rate {self.learning_rate}: training stopped and "
                "nothing was saved; use a smaller learning_rate, or dtype float32 where it was float16"
            )


class Loop:
    """One training run of an adapted model."""

    def __init__(
        self,
        adapted: LoadedModel,
        examples: Sequence[EncodedExample],
        dev: Sequence[EncodedExample],
        settings: TrainingSettings,
        folder: Path,
        watch: Watch,
    ) -> None:
        """Set up the trainer; the adapter's weights are float32 whatever the base's are."""
        self._model = adapted.model
        self._attention = adapted.model.config._attn_implementation
        self.padding_free = self._joins_exactly(examples)
        self._callback = _Callback(watch, has_dev=bool(dev))
        self._trainer = _Trainer(
            model=adapted.model,
            args=_arguments(adapted, settings, folder, padding_free=self.padding_free),
            train_dataset=_dataset(examples),
            eval_dataset=_dataset(dev) if dev else None,
            processing_class=copy.deepcopy(adapted.tokenizer),  # TRL sets a padding token on the one it is given
            callbacks=[self._callback],
        )
        self._trainer.remove_callback(PrinterCallback)
        self._trainer.watch = watch
        for parameter in adapted.model.parameters():
            if parameter.requires_grad:  # TRL makes them bfloat16 on a quantised base, where small updates vanish
                parameter.data = parameter.data.float()

    def run(self, checkpoint: Path | None) -> None:
        """Train to the end, from a checkpoint where one is given."""
        self._trainer.args.eval_on_start = checkpoint is None and self._trainer.eval_dataset is not None
        if self.padding_free:
            self._model.get_base_model().set_attn_implementation(SEGMENTED)
        try:
            self._trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            self._model.get_base_model().set_attn_implementation(self._attention)

    def history(self) -> list[tuple[int, dict[str, float]]]:
        """Return (step, metrics) of the whole training, the part before a resume included."""
        return [(int(entry["step"]), named) for entry in self._trainer.state.log_history if (named := _named(entry))]

    def measurements(self) -> dict[str, Any]:
        """Return what was measured, by the names of the result's fields."""
        history = self.history()
        losses = [metrics["train_loss"] for _, metrics in history if "train_loss" in metrics]
        trainable, everything = self._model.get_nb_trainable_parameters()
        return {
            "steps": self._trainer.state.global_step,
            "trainable_parameters": trainable,
            "all_parameters": everything,
            "train_loss": sum(losses) / max(1, len(losses)),
            "dev_losses": [metrics["dev_loss"] for _, metrics in history if "dev_loss" in metrics],
            "tokens_per_second": self._trainer.tokens_seen / max(1e-9, self._callback.step_seconds),
            "seconds": self._callback.step_seconds,
            "padding_free": self.padding_free,
        }

    def _joins_exactly(self, examples: Sequence[EncodedExample]) -> bool:
        """Return whether two examples in one row give the logits they give alone; asked of the model itself.

        Models whose layers mix tokens other than by attention, or that ignore the attention they are told
        to use, fail it and are trained on padded batches.
        """
        model = self._model.get_base_model()
        known = inspect.signature(type(model).forward).parameters
        takes_kwargs = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
        virtual = any(config.is_prompt_learning for config in self._model.peft_config.values())
        if virtual or self._attention != "sdpa" or not takes_kwargs or "logits_to_keep" not in known:
            return False
        first, second = list(examples[0].input_ids[:24]), list(examples[-1].input_ids[:17])
        with torch.no_grad():
            alone = [model(input_ids=torch.tensor([ids], device=model.device)).logits[0] for ids in (first, second)]
            model.set_attn_implementation(SEGMENTED)
            try:
                joined = model(**_one_row([first, second], model.device), use_cache=False).logits[0]
            finally:
                model.set_attn_implementation(self._attention)
        expected = torch.cat(alone).float()
        return bool(
            (joined.float() - expected).abs().max()
            <= PROBE_DIFFERENCE * expected.abs().max().clamp(min=1.0) * _slack(model)
        )


def _slack(model: Any) -> float:  # noqa: ANN401
    return 1.0 if model.dtype is torch.float32 else 50.0  # half precision rounds attention kernels differently


def _one_row(examples: Sequence[Sequence[int]], device: torch.device) -> dict[str, Any]:
    ends = [0]
    for ids in examples:
        ends.append(ends[-1] + len(ids))
    joined = torch.tensor([[token for ids in examples for token in ids]], device=device)
    positions = torch.tensor([[position for ids in examples for position in range(len(ids))]], device=device)
    return {"input_ids": joined, "position_ids": positions, "segments": ends}


class _Collator(DataCollatorForLanguageModeling):  # type: ignore[misc] # TRL is untyped
    """TRL's rows without padding, plus the segments as plain numbers: no layer waits for the device to read them."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        if not self.padding_free:
            return batch
        kept = {name: batch[name] for name in ("input_ids", "position_ids", "labels")}
        return kept | {"segments": batch["cu_seq_lens_q"].tolist()}


class _Trainer(SFTTrainer):  # type: ignore[misc] # TRL is untyped
    """TRL's trainer with a loss on labelled positions only, an exact dev loss, and no telemetry."""

    loss_is_scaled_for_ga = True
    watch: Watch

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        given = self.data_collator
        self.data_collator = _Collator(pad_token_id=given.pad_token_id, padding_free=given.padding_free)
        self.tokens_seen = 0
        self.model_accepts_loss_kwargs = True  # so that the labelled tokens of the whole step are counted

    def _send_telemetry(self) -> None:
        """Send nothing: training opens no connection."""

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["input_ids", "labels"]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return the summed loss of the batch's labelled tokens over those of the whole optimiser step."""
        if "segments" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = _summed_loss(model, inputs)
        return loss / num_items_in_batch

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:  # noqa: ANN401
        """Run one batch forward and backward, and stop when its loss is not finite."""
        mask = inputs.get("attention_mask")
        tokens = inputs["input_ids"].numel() if mask is None else int(mask.sum())
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        self.watch.require_finite(float(loss), "loss", self.state.global_step + 1)
        self.tokens_seen += tokens
        return loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:  # noqa: ANN401, ARG002 - the trainer's signature
        """Return the dev loss per labelled token, over all of them (the stock one averages over batches)."""
        model = self.model
        model.eval()
        total, counted = 0.0, 0
        with torch.no_grad():
            for batch in self.get_eval_dataloader():
                inputs = self._prepare_inputs(batch)
                labelled = int((inputs["labels"][:, 1:] != IGNORED).sum())
                if "segments" in inputs:
                    total += float(_summed_loss(model, inputs))
                else:
                    total += float(super().compute_loss(model, inputs, num_items_in_batch=1))
                counted += labelled
        metrics = {"eval_loss": total / max(1, counted)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        model.train()
        return metrics


def _summed_loss(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:  # noqa: ANN401
    """Return the summed cross-entropy of a row's labelled tokens; the output layer runs for these only."""
    labels = inputs["labels"][0, 1:]
    labelled = (labels != IGNORED).nonzero().flatten()
    read = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**read, use_cache=False, logits_to_keep=labelled).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), labels[labelled], reduction="sum")


class _Callback(TrainerCallback):  # type: ignore[misc] # transformers is untyped here
    """Tells the caller, decides when to evaluate and save, and marks checkpoints as whole."""

    def __init__(self, watch: Watch, *, has_dev: bool) -> None:
        self._watch = watch
        self._has_dev = has_dev
        self._saved = self._began = time.monotonic()
        self.step_seconds = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:  # noqa: ANN401
        for entry in state.log_history:
            self.on_log(args, state, control, logs=entry, step=int(entry["step"]))
        self._watch.on_progress(state.global_step, state.max_steps)

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, ARG002
        self._began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:  # noqa: ANN401
        self.step_seconds += time.monotonic() - self._began
        self._watch.on_progress(state.global_step, state.max_steps)
        control.should_save = time.monotonic() - self._saved > CHECKPOINT_SECONDS

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:  # noqa: ANN401
        control.should_evaluate = self._has_dev
        control.should_save = state.global_step < state.max_steps

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float],
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        step = kwargs.get("step", state.global_step)
        named = _named(logs)
        for what, value in named.items():
            self._watch.require_finite(value, what.replace("_", " "), step)
        if named:
            self._watch.on_log(step, named)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:  # noqa: ANN401
        with window("finetune.checkpoint"):  # the files are there, the checkpoint does not count yet
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_manifest(folder)
        for old in checkpoints_newest_first(folder.parent)[KEPT_CHECKPOINTS:]:
            shutil.rmtree(old)
        self._saved = time.monotonic()


def _named(logs: Mapping[str, float]) -> dict[str, float]:
    """Return what a log entry says, by our names; the trainer's summary at the end says nothing of use."""
    if "eval_loss" in logs:
        return {"dev_loss": float(logs["eval_loss"])}
    if "loss" not in logs:
        return {}
    names = {"loss": "train_loss", "learning_rate": "learning_rate", "grad_norm": "grad_norm"}
    return {ours: float(logs[theirs]) for theirs, ours in names.items() if theirs in logs}


def _dataset(examples: Sequence[EncodedExample]) -> Dataset:
    return Dataset.from_dict(
        {
            "input_ids": [list(example.input_ids) for example in examples],
            "labels": [list(example.labels) for example in examples],
        }
    )


def _arguments(adapted: LoadedModel, settings: TrainingSettings, folder: Path, *, padding_free: bool) -> SFTConfig:
    on_cuda = adapted.device.startswith("cuda")
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        weight_decay=0.0,
        seed=settings.seed,
        bf16=on_cuda and adapted.dtype == "bfloat16",
        fp16=False,
        use_cpu=not on_cuda,
        activation_checkpointing=settings.activation_checkpointing,
        padding_free=padding_free,
        train_sampling_strategy="random" if padding_free else "group_by_length",
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to="none",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=on_cuda,
        remove_unused_columns=False,
    )
