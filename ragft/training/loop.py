"""One training run of an adapted model, set up and taken down again."""

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl import SFTConfig

from ragft.models.loading import LoadedModel
from ragft.training.attention import SEGMENTED
from ragft.training.encoding import EncodedExample
from ragft.training.methods import TrainingSettings
from ragft.training.peers import FollowCallback, Peers
from ragft.training.sft import AnswerTrainer
from ragft.training.watch import Watch, WatchCallback, named

# How far logits of joined examples may lie from those alone, relative to the largest: rounding, not leakage.
PROBE_TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 5e-2}

SPECIAL_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


class Loop:
    """Training of one adapter; `run` leaves the base model as it found it."""

    def __init__(
        self,
        adapted: LoadedModel,
        examples: Sequence[EncodedExample],
        dev: Sequence[EncodedExample],
        settings: TrainingSettings,
        folder: Path,
        watch: Watch,
        peers: Peers | None = None,
    ) -> None:
        """Set up the trainer; the adapter's weights are float32, whatever the base's are.

        With ``peers`` other processes train the same adapter, and only the first of them writes. Where they divide the
        base, it stays divided.
        """
        self._adapted = adapted
        self._measure = watch.measure
        self._model = adapted.model
        self._base = adapted.model.get_base_model()
        self._attention = self._base.config._attn_implementation
        self._own_forward = vars(self._base).get("forward")
        self._own_generation = copy.deepcopy(self._base.generation_config)
        self._own_tokens = {name: getattr(self._base.config, name, None) for name in SPECIAL_TOKENS}
        self.padding_free = self._joins_exactly(examples)
        self._parameters = adapted.model.get_nb_trainable_parameters()
        arguments = _arguments(adapted, settings, folder, padding_free=self.padding_free)
        if peers is not None:
            peers.divide(adapted.model)
        self._callback = WatchCallback(
            watch, has_dev=bool(dev), measure=self._take_measure if self._measure is not None else None
        )
        self._trainer = AnswerTrainer(
            watch=watch,
            row_tokens=settings.row_tokens,
            peers=peers,
            model=adapted.model,
            args=arguments,
            train_dataset=_dataset(examples),
            eval_dataset=_dataset(dev) if dev else None,
            processing_class=copy.deepcopy(adapted.tokenizer),  # TRL sets a padding token on the one it is given
            callbacks=[self._callback, *([FollowCallback(peers)] if peers is not None and peers.rank else [])],
        )
        self._trainer.remove_callback(PrinterCallback)
        for parameter in adapted.model.parameters():
            if parameter.requires_grad:  # TRL makes them bfloat16 on a quantised base, where small updates vanish
                parameter.data = parameter.data.float()

    def run(self, checkpoint: Path | None) -> None:
        """Train to the end, from a checkpoint where one is given."""
        self._trainer.args.eval_on_start = checkpoint is None and self._trainer.eval_dataset is not None
        if self.padding_free:
            self._base.set_attn_implementation(SEGMENTED)
        try:
            self._trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            self._restore()

    def history(self) -> list[tuple[int, dict[str, float]]]:
        """Return (step, metrics) of the whole training, including the part before a resume."""
        return [(int(entry["step"]), metrics) for entry in self._trainer.state.log_history if (metrics := named(entry))]

    def measurements(self) -> dict[str, Any]:
        """Return what was measured, by the names of the result's fields."""
        history = self.history()
        losses = [metrics["train_loss"] for _, metrics in history if "train_loss" in metrics]
        trainable, everything = self._parameters
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

    def _take_measure(self) -> Mapping[str, float]:
        """Measure the model as it would be used, not as the trainer set it up."""
        if self._measure is None:
            return {}
        with self._untouched(), torch.no_grad():
            self._model.eval()
            found = self._measure(self._adapted)
        self._model.train()
        return found

    @contextmanager
    def _untouched(self) -> Iterator[None]:
        """Put the base back as it was before training, for a while."""
        forward = vars(self._base).get("forward")
        attention = self._base.config._attn_implementation
        generation = self._base.generation_config
        tokens = {name: getattr(self._base.config, name, None) for name in SPECIAL_TOKENS}
        self._base_as_it_was()
        try:
            yield
        finally:
            self._base.set_attn_implementation(attention)
            self._base.generation_config = generation
            for name, token in tokens.items():
                setattr(self._base.config, name, token)
            if forward is not None:
                self._base.forward = forward

    def _restore(self) -> None:
        """Undo what the trainer and this loop did to the base."""
        if self._trainer.args.activation_checkpointing:
            self._base.activation_checkpointing_disable()
        self._base_as_it_was()
        self._model.eval()

    def _base_as_it_was(self) -> None:
        """Restore attention, tokens and the forward method.

        The trainer sets the configuration's special tokens to the tokenizer's, so a model with several tokens
        that end a reply would know one afterwards; TRL replaces the forward method.
        """
        self._base.set_attn_implementation(self._attention)
        self._base.generation_config = self._own_generation
        for name, token in self._own_tokens.items():
            setattr(self._base.config, name, token)
        vars(self._base).pop("forward", None)
        if self._own_forward is not None:
            self._base.forward = self._own_forward

    def _joins_exactly(self, examples: Sequence[EncodedExample]) -> bool:
        """Return whether two examples in one row give the same logits as alone, by trying it on the model.

        Models whose layers mix tokens other than by attention, or that ignore the attention they are told
        to use, fail it and are trained on padded batches of similar length.
        """
        known = inspect.signature(type(self._base).forward).parameters
        takes_kwargs = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
        virtual = any(config.is_prompt_learning for config in self._model.peft_config.values())
        if virtual or self._attention != "sdpa" or not takes_kwargs or "logits_to_keep" not in known:
            return False
        probes = [list(examples[0].input_ids[:24]), list(examples[-1].input_ids[:17])]
        device = self._base.device
        with torch.no_grad():
            alone = torch.cat([self._base(torch.tensor([ids], device=device)).logits[0] for ids in probes]).float()
            self._base.set_attn_implementation(SEGMENTED)
            try:
                joined = self._base(**_one_row(probes, device), use_cache=False).logits[0].float()
            finally:
                self._base.set_attn_implementation(self._attention)
        tolerance = PROBE_TOLERANCE.get(self._base.dtype, PROBE_TOLERANCE[torch.bfloat16])
        return bool((joined - alone).abs().max() <= tolerance * alone.abs().max())


def _one_row(examples: Sequence[Sequence[int]], device: torch.device) -> dict[str, Any]:
    segments = [0]
    for ids in examples:
        segments.append(segments[-1] + len(ids))
    tokens = torch.tensor([[token for ids in examples for token in ids]], device=device)
    positions = torch.tensor([[position for ids in examples for position in range(len(ids))]], device=device)
    cu_seqlens = torch.tensor(segments, dtype=torch.int32, device=device)
    return {"input_ids": tokens, "position_ids": positions, "segments": segments, "cu_seqlens": cu_seqlens}


def _dataset(examples: Sequence[EncodedExample]) -> Dataset:
    tokens = [list(example.input_ids) for example in examples]
    return Dataset.from_dict({"input_ids": tokens, "labels": [list(example.labels) for example in examples]})


def _arguments(adapted: LoadedModel, settings: TrainingSettings, folder: Path, *, padding_free: bool) -> SFTConfig:
    on_cuda = adapted.device.startswith("cuda")
    arguments = SFTConfig(
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
        remove_unused_columns=False,
        report_to="none",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",  # the callback asks for checkpoints and dev losses
        eval_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=on_cuda,
    )
    if on_cuda:
        arguments._n_gpu = 1  # the model lies on one device, however many there are
    return arguments
