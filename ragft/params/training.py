"""The parameters of training an adapter, and of probing what the base knows before."""

from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.params.base import param
from ragft.params.checks import listed
from ragft.params.data import BaseParams, PreparationParams
from ragft.params.values import FORMATS, METHODS, USUAL_SHOTS
from ragft.types import SPLITS, Split


@dataclass(frozen=True, kw_only=True)
class FinetuneParams(BaseParams):
    """Train an adapter and register it as a version beside its base."""

    samples: int = param(200, "question-answer pairs from the train split; larger sets contain smaller ones", minimum=1)
    method: str = param("lora", "how the base is adapted", choices=METHODS)
    format: str = param(
        "closed_book", "what the model sees beside the question; closed_book is the published way", choices=FORMATS
    )
    epochs: int = param(3, "passes over the samples", minimum=1)
    batch_size: int = param(8, "examples in one forward pass, of all processes together", minimum=1)
    gradient_accumulation_steps: int = param(1, "batches in one optimiser step", minimum=1)
    batch_tokens: int = param(
        0,
        "most tokens of one forward pass of a process, for uneven lengths; steps hold as many examples as without; "
        "0: batch_size examples",
        minimum=0,
    )
    processes: int = param(
        1, "processes of this machine that share out each batch; dropout apart, the adapter is that of one", minimum=1
    )
    shard: bool = param(
        False,
        "divide the base among the processes (FSDP2), for one that does not fit into each GPU; the adapter is whole",
    )
    learning_rate: float = param(2e-4, "peak learning rate", minimum=0.0, maximum=1.0)
    lora_rank: int = param(16, "rank of the LoRA matrices", minimum=1)
    lora_alpha: int = param(32, "scale of the LoRA update, over the rank", minimum=1)
    lora_dropout: float = param(0.05, "dropout on the LoRA input", minimum=0.0, maximum=0.99)
    target_modules: str = param("all-linear", "modules that are adapted: all-linear, or names joined by commas")
    max_length: int = param(1536, "maximum tokens of one example; longer ones lose whole passages", minimum=16)
    raft_without_golden: float = param(
        0.2, "raft: share of examples without the golden passage", minimum=0.0, maximum=1.0
    )
    withheld_share: float = param(
        0.0,
        "share of the examples that show passages which cannot answer and learn to say so; not for closed_book",
        minimum=0.0,
        maximum=1.0,
    )
    dev_questions: int = param(
        0, "how many dev questions the loss is measured on, before training and after each epoch; 0: all", minimum=0
    )
    seed: int = param(0, "seed of the subset, the order and the adapter's initial weights", minimum=0)
    allow_low_hit_rate: bool = param(
        False, "train even if retrieval is much worse on train than on the evaluation (recorded)"
    )
    unknown_share: float = param(
        -1.0,
        "share of samples that the base did not know, by its probe, 0 to 1; -1: as they come",
        minimum=-1,
        maximum=1,
    )
    unanswerable_share: float = param(
        -1.0,
        "share of the samples that are questions without an answer, 0 to 1; -1: as they come",
        minimum=-1,
        maximum=1,
    )
    continue_from: str = param("", "version whose adapter is trained on, models:/<name>@<alias>; empty: a fresh one")
    general: str = param("", "name of other prepared data on which to measure forgetting too")

    def __post_init__(self) -> None:
        """Check that a share is one."""
        super().__post_init__()
        if -1 < self.unknown_share < 0:
            raise ConfigError(f"unknown_share is {self.unknown_share}, expected 0 to 1, or -1 for samples as they come")
        if -1 < self.unanswerable_share < 0:
            raise ConfigError(
                f"unanswerable_share is {self.unanswerable_share}, expected 0 to 1, or -1 for samples as they come"
            )
        if self.unknown_share >= 0 and self.unanswerable_share >= 0:
            raise ConfigError(
                f"unknown_share is {self.unknown_share:g} and unanswerable_share {self.unanswerable_share:g}: a "
                "question without an answer is neither known nor unknown, so choose by one of them"
            )
        if self.processes > self.batch_size:
            raise ConfigError(
                f"processes is {self.processes} and batch_size {self.batch_size}: the examples of a batch are shared "
                f"out, so use 1 to {self.batch_size} processes, or a larger batch_size"
            )
        if self.shard and self.processes == 1:
            raise ConfigError(
                "shard is True, but processes is 1: give how many divide the base, 2 or more, under torchrun too"
            )
        if self.shard and self.unknown_share >= 0:
            raise ConfigError(
                f"shard is True and unknown_share {self.unknown_share:g}, which asks the base while it is trained; no "
                "process can with a part of it: leave one of them out"
            )
        if self.withheld_share and self.format == "closed_book":
            raise ConfigError(
                f"withheld_share is {self.withheld_share:g}, but format closed_book shows no passages: name another one"
            )


@dataclass(frozen=True, kw_only=True)
class ProbeParams(PreparationParams):
    """Find out what the base knows before any training: SliCK categories of short closed-book questions."""

    base: str = param("pocket", "as in finetune")
    revision: str = param("", "as in finetune")
    split: str = param("train,dev,test", "which questions, splits joined by commas")
    questions: int = param(200, "maximum questions of each split; 0: all that have a short answer", minimum=0)
    sets: int = param(4, "sets of solved examples, each a message of its own (the study: 10)", minimum=1, group="probe")
    shots: int = param(
        -1,
        f"solved examples in a set; 0: none, other wordings instead; -1: {USUAL_SHOTS}",
        minimum=-1,
        maximum=32,
        group="probe",
    )
    samples: int = param(
        4, "sampled answers to each message, beside the greedy one (the study: 16)", minimum=0, group="probe"
    )
    temperature: float = param(0.5, "temperature of the sampled answers", minimum=0.01, maximum=10.0, group="probe")
    max_new_tokens: int = param(32, "maximum tokens of an answer", minimum=1, group="probe")
    seed: int = param(0, "seed of the sets and the samples", minimum=0, group="probe")

    def splits(self) -> tuple[Split, ...]:
        """Return the splits asked for, in that order.

        Raises:
            ConfigError: If one does not exist or is named twice.
        """
        return listed("split", self.split, SPLITS)  # type: ignore[return-value]  # each is one of SPLITS

    def __post_init__(self) -> None:
        """Check the list too, so that a typing error is found before any work."""
        super().__post_init__()
        self.splits()
