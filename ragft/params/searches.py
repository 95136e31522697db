"""The parameters of steps that run other steps: the demo, a study, a tune and a remedy."""

from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.params.base import Params, param
from ragft.params.checks import check_engine
from ragft.params.data import BaseParams, NameParams
from ragft.params.training import FinetuneParams
from ragft.params.values import (
    COLLECTIONS,
    DEV,
    DEV_LOSS,
    DTYPES,
    ENGINES,
    ESTIMATORS,
    EXECUTORS,
    FORMATS,
    GUARDS,
    LOCAL,
    METHODS,
    OBJECTIVES,
    PRESETS,
    SERIAL,
)
from ragft.types import CONTEXTS, INDEXES, RETRIEVERS


@dataclass(frozen=True, kw_only=True)
class DemoParams(BaseParams):
    """The lifecycle on the embedded default: base, one adapter trained closed-book, one with passages."""

    samples: int = param(200, "question-answer pairs of each adapter", minimum=1)
    epochs: int = param(3, "passes over the samples", minimum=1)
    learning_rate: float = param(1e-3, "peak learning rate", minimum=0.0, maximum=1.0)
    questions: int = param(300, "how many test questions; 0: all", minimum=0)
    context: str = param("retrieved,withheld", "as in evaluate; the verdict needs retrieved")
    withheld_share: float = param(0.25, "as in finetune; for the adapter that sees passages", minimum=0.0, maximum=1.0)
    judge: str = param("base", "as in evaluate")
    estimator: str = param("expected_no_rationale", "as in evaluate", choices=ESTIMATORS)


@dataclass(frozen=True, kw_only=True)
class StudyParams(Params):
    """A matrix of fine-tunings and evaluations, each compared with its base, in one run with one report.

    Lists are separated by commas; an empty list means the preset's.
    """

    preset: str = param("embedded", "the named matrix, which the lists below change", choices=PRESETS)
    dataset: str = param("", "data sets, as in prepare")
    path: str = param("", "their files or folders, in the same order, joined by commas")
    name: str = param("", "their names in runs and in the registry, in the same order; empty: as in prepare")
    documents: str = param("", "the files or folders of their documents, in the same order")
    retrieved: str = param("", "files of the passages that another search found, as in finetune, in the same order")
    base: str = param("", "base models, as in finetune")
    dtype: str = param("auto", "precision of their weights, as in finetune", choices=DTYPES)
    method: str = param("", f"how a base is adapted: some of {', '.join(METHODS)}")
    samples: str = param("", "sizes of the training sets; the base itself, 0, always belongs to the study")
    format: str = param("", f"training formats: some of {', '.join(FORMATS)}")
    epochs: str = param("", "passes over the samples")
    learning_rate: str = param("", "peak learning rates")
    unknown_share: str = param("", "shares of examples the base does not know, as in finetune; needs probe")
    unanswerable_share: str = param("", "shares of samples that are questions without an answer, as in finetune")
    withheld_share: str = param("", "shares of examples that teach to abstain, as in finetune; closed_book has none")
    seeds: str = param("", "seeds of subset, order and initial weights")
    context: str = param("", f"what the models see, all in every cell: some of {', '.join(CONTEXTS)}")
    split: str = param("", "which questions: some of test, test_seen, confirm")
    embedder: str = param("", "embedders, as in prepare")
    top_k: str = param("", "passages retrieved for a question, as in prepare")
    retriever: str = param("", f"what finds passages: some of {', '.join(RETRIEVERS)}")
    reranker: str = param("", "cross-encoders, as in prepare; none is one of them")
    language: str = param("english", "as in prepare")
    index: str = param("exact", "as in prepare", choices=INDEXES)
    min_recall: float = param(0.99, "as in prepare", minimum=0.0, maximum=1.0)
    chunk_chars: str = param("", "maximum characters of a passage, as in prepare")
    context_window: str = param("", "maximum tokens of prompt and answer together, as in evaluate")
    prompt: str = param("", "prompt templates: default, or files")
    engine: str = param("local", "what answers, as in evaluate", choices=ENGINES)
    engine_url: str = param("", "as in evaluate")
    engine_folder: str = param("", "as in evaluate")
    judge: str = param("", "judge models, as in evaluate")
    judge_url: str = param("", "server that holds the judges, as in evaluate")
    estimator: str = param("", f"estimators of a score: some of {', '.join(ESTIMATORS)}")
    questions: str = param("", "how many questions of a split; 0: all")
    agreement: str = param(
        "", "questions of one adapter and its base that the sampled estimator scores too, to compare; 0: none"
    )
    repeats: int = param(10, "judgements per answer and criterion, for the sampled estimator", minimum=1)
    criteria: str = param("accuracy,completeness", "as in evaluate")
    max_new_tokens: int = param(128, "maximum tokens of an answer", minimum=1)
    batch_size: int = param(8, "examples in one forward pass of training", minimum=1)
    processes: int = param(1, "processes that share out each batch of a training, as in finetune", minimum=1)
    dev_questions: int = param(0, "dev questions the loss is measured on, as in finetune; 0: all", minimum=0)
    margin: float = param(0.05, "non-inferiority margin, as a share of a criterion's range", minimum=0.001, maximum=0.5)
    data_seed: int = param(0, "as in prepare", minimum=0)
    collection: str = param("split", "as in prepare", choices=COLLECTIONS)
    allow_leaks: bool = param(False, "as in prepare")
    allow_low_hit_rate: bool = param(False, "as in finetune")
    price_input: float = param(0.0, "price of a million tokens read, for models behind a paid server", minimum=0.0)
    price_output: float = param(0.0, "price of a million tokens written", minimum=0.0)
    executor: str = param(
        "serial",
        "what runs the cells: serial, one after another in this process; ray, as tasks of a cluster",
        choices=EXECUTORS,
    )
    gpus_per_cell: float = param(0.0, "with executor=ray: GPUs that a cell is given", minimum=0.0)
    dry_run: bool = param(
        False, "print what would be computed, how long it takes and what it can show; compute nothing"
    )
    export: str = param("", "file to write the results to, as JSON from which docs can be made")

    def __post_init__(self) -> None:
        """Check the engine, and what trains, before the cells are made."""
        super().__post_init__()
        check_engine(self.engine, self.engine_url, self.engine_folder, self.dtype)
        if self.processes > 1 and self.executor != SERIAL:
            raise ConfigError(
                f"processes is {self.processes} and executor {self.executor}: a task of a cluster is one process; "
                "share out the cells with executor=ray, or each training with processes"
            )


@dataclass(frozen=True, kw_only=True)
class TuneParams(FinetuneParams):
    """Choose the hyperparameters of finetune by the dev questions, then compare the best adapter once on test."""

    trials: int = param(20, "how many adapters are tried; more than last time goes on with the same tune", minimum=1)
    space: str = param(
        "learning_rate=1e-5..1e-3;lora_rank=8,16,32;epochs=1..5",
        "what is tried: parameters of finetune, each as a range a..b or a list a,b,c, joined by semicolons",
    )
    objective: str = param(
        "",
        f"what is chosen by, on dev: {', '.join(OBJECTIVES)}; empty: right where the data have short answers, else "
        f"{DEV_LOSS}",
    )
    sampler_seed: int = param(0, "seed of what is tried; one process tries the same again", minimum=0)
    split: str = param(DEV, "which questions choose: dev alone")
    dev_questions: int = param(
        0, "how many dev questions the loss and the objective are measured on; 0: all", minimum=0
    )
    questions: int = param(0, "how many test questions the best is compared on; 0: all", minimum=0)
    against: str = param("champion", "what the best should replace, as in compare")
    context: str = param("", "what the models see in the comparison, as in compare")
    prompt: str = param("default", "as in evaluate")
    max_new_tokens: int = param(128, "maximum tokens of an answer", minimum=1)
    context_window: int = param(0, "as in evaluate", minimum=0)
    engine: str = param(LOCAL, "what answers, as in evaluate", choices=ENGINES)
    engine_url: str = param("", "as in evaluate")
    engine_folder: str = param("", "as in evaluate")
    judge: str = param("base", "judge of the comparison, as in evaluate; nothing is judged on dev")
    judge_url: str = param("", "as in evaluate")
    criteria: str = param("accuracy,completeness", "as in evaluate")
    estimator: str = param("sampled", "as in evaluate", choices=ESTIMATORS)
    repeats: int = param(10, "as in evaluate", minimum=1)
    margin: float = param(0.05, "as in compare", minimum=0.001, maximum=0.5)
    primary: str = param("", "as in compare")
    guards: str = param(",".join(GUARDS), "as in compare")
    advisory: bool = param(False, "as in compare")

    def __post_init__(self) -> None:
        """Check what chooses: nothing that is kept for the comparison."""
        super().__post_init__()
        if self.split != DEV:
            raise ConfigError(
                f"split is {self.split!r}, expected {DEV}: what chooses hyperparameters cannot say afterwards how good "
                "they are; the best is compared once on test, and -P split=confirm of compare asks after that"
            )
        if self.objective and self.objective not in OBJECTIVES:
            raise ConfigError(f"objective is {self.objective!r}, expected one of: {', '.join(OBJECTIVES)}")


@dataclass(frozen=True, kw_only=True)
class RemedyParams(NameParams):
    """After a rejection: train what its causes call for, choose on dev, and compare the best once on test.

    How is trained and compared is what the rejected version and its comparison say.
    """

    dataset: str = param("", "with model=challenger: as in compare")
    base: str = param("", "with model=challenger: as in compare")
    model: str = param("challenger", "the rejected version: challenger, models:/<name>@<alias>, models:/<name>/3")
    against: str = param("champion", "what it was rejected against, and the best is compared with")
    budget: int = param(3, "how many adapters are tried; more than last time goes on with the same search", minimum=1)
    dev_questions: int = param(
        0, "how many dev questions choose, and the loss is measured on; 0: all", minimum=0, group="remedy"
    )
