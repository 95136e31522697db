"""TRL's SFT trainer, fed with examples laid end to end, with the loss computed where there are labels."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from trl import SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from ragft.training.batches import RowCollator
from ragft.training.encoding import IGNORED
from ragft.training.peers import Peers, SharedOrder
from ragft.training.watch import Watch


class SegmentCollator(DataCollatorForLanguageModeling):  # type: ignore[misc] # TRL is untyped
    """TRL's rows without padding, plus the segments, as plain numbers too, so that no layer waits for the device."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return one row [1, tokens] with its segments (see `segmented_attention`), or a padded batch."""
        batch: dict[str, Any] = super().torch_call(examples)
        if not self.padding_free:
            return batch
        kept = {name: batch[name] for name in ("input_ids", "position_ids", "labels")}
        return kept | {"segments": batch["cu_seq_lens_q"].tolist(), "cu_seqlens": batch["cu_seq_lens_q"]}


class AnswerTrainer(SFTTrainer):  # type: ignore[misc] # TRL is untyped
    """TRL's trainer with a loss on labelled positions only, an exact dev loss, and no telemetry.

    A batch goes through the model in rows of at most ``row_tokens`` tokens (0: in one), whose gradients add up.

    With ``peers`` it is one of several trainers, each in its process: they divide every batch among them, add up
    losses and gradients, and take the same step.
    """

    loss_is_scaled_for_ga = True  # `compute_loss` divides by the labelled tokens of the whole optimiser step

    def __init__(self, *, watch: Watch, row_tokens: int = 0, peers: Peers | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        padding = self.processing_class.pad_token_id  # TRL takes no collator together with padding_free
        collator = SegmentCollator(pad_token_id=padding, padding_free=self.padding_free)
        self.data_collator: Any = RowCollator(collator, row_tokens, peers, joined=self.padding_free)
        self.model_accepts_loss_kwargs = True  # so that a padded row's loss is divided by those tokens too
        self.tokens_seen = 0
        self._watch = watch
        self._peers = peers

    def _send_telemetry(self) -> None:
        """Send nothing: training opens no connection."""

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return the order of the examples: drawn by the first process alone where it depends on earlier draws."""
        sampler = super()._get_train_sampler(*args, **kwargs)
        if self._peers is None or self.padding_free:  # then the order follows from the seed and the epoch
            return sampler
        return SharedOrder(sampler, self._peers)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Return the batches of an optimiser step and how many labelled tokens they hold, in all processes."""
        batches, _ = super().get_batch_samples(*args, **kwargs)
        labelled: float = sum(int(_labelled(row).sum()) for batch in batches for row in batch["rows"])
        if self._peers is not None:
            (labelled,) = self._peers.total(labelled)
        return batches, torch.tensor(labelled, device=self.args.device)

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return the summed loss of the batch's labelled tokens, over their number in the whole optimiser step.

        That number counts the tokens of all processes, whose losses and gradients are then added.
        """
        if "segments" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        return summed_loss(model, inputs) / num_items_in_batch

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:  # noqa: ANN401
        """Run a batch forward and backward, row by row, and stop when its loss is not finite in any process."""
        tokens = inputs["tokens"]
        # A batch of fewer examples than there are processes leaves some without any.
        loss: torch.Tensor = torch.zeros((), device=self.args.device)
        for row in inputs["rows"]:
            loss = loss + super().training_step(model, row, num_items_in_batch)
        for row in inputs["idle"]:  # a loss over so many tokens is 0, and so are its gradients
            super().training_step(model, row, math.inf)
        if self._peers is not None:
            summed, everywhere = self._peers.total(float(loss), tokens)
            loss, tokens = torch.tensor(summed, device=self.args.device), int(everywhere)
        self._watch.require_finite(float(loss), "loss", self.state.global_step + 1)
        self.tokens_seen += tokens
        if self._peers is not None and self.accelerator.sync_gradients:
            self._peers.add_gradients(model.parameters())
        return loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:  # noqa: ANN401
        """Return the dev loss per labelled token, over all of them (TRL's own averages over batches)."""
        model: Any = self.model
        model.eval()
        total, counted = 0.0, 0.0
        with torch.no_grad():
            for batch in self.get_eval_dataloader():
                for row in batch["rows"]:
                    inputs = self._prepare_inputs(row)
                    counted += int(_labelled(inputs).sum())
                    total += float(self.compute_loss(model, inputs, num_items_in_batch=1))
                for row in batch["idle"]:
                    self.compute_loss(model, self._prepare_inputs(row), num_items_in_batch=1)
        if self._peers is not None:
            total, counted = self._peers.total(total, counted)
        metrics = {"eval_loss": total / max(1, counted)}
        self.log(metrics)
        model.train()
        return metrics


def _labelled(inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return [examples, tokens - 1]: which tokens are to be predicted."""
    found: torch.Tensor = inputs["labels"][:, 1:] != IGNORED
    return found


def summed_loss(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:  # noqa: ANN401
    """Return the summed cross-entropy of a row's labelled tokens; the output layer runs only for these."""
    labels = inputs["labels"][0, 1:]
    labelled = (labels != IGNORED).nonzero().flatten()
    read = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**read, use_cache=False, logits_to_keep=labelled).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), labels[labelled], reduction="sum")
