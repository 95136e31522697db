"""The parameters of every step: one frozen dataclass each, the only place of names, types, defaults and help.

The click options and MLproject (`make mlproject`) are made from these fields. A field's type is str, int,
float or bool; `choices` and bounds stand in its metadata and are checked on construction.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.types import CONTEXTS, DECIDING, INDEXES, RETRIEVERS, SPLITS, WITHHELD, Split

METHODS = ("lora", "qlora", "dora", "ia3", "prompt_tuning")
FORMATS = ("closed_book", "retrieved", "oracle", "raft")
QUANTIZATIONS = ("none", "nf4", "int8", "int4")
ESTIMATORS = ("sampled", "expected", "expected_no_rationale")
ALL = "all"
COLLECTIONS = ("split", ALL)
ON_REJECT = ("record", "fail")
POCKET = "pocket"
SMOLLM2 = "smollm2"
DTYPES = ("auto", "float32", "bfloat16")
TELECOM = DEFAULT_DATASET = "telecom"
# The layout of one's own data: it says how files are read, not which data they are.
ROWS = "rows"
SERVED = "served"
DEV = "dev"
# What is measured of every answer, beside the criteria that are judged.
MEASURES = ("right", "answer_f1", "exact_match", "truth_right", "truth_facts", "squad_exact", "squad_f1")
DEV_LOSS = "dev_loss"
# What a tune may choose by: smaller is better for the loss, larger for the others.
OBJECTIVES = (DEV_LOSS, *MEASURES)
GUARDS = ("false_answers", "false_refusals", "forgetting")
GUARD_MARGIN = 5.0
NO_JUDGE = "none"
NO_RERANKER = "none"
# How passages are found, beside how many.
SEARCHING = ("retriever", "reranker", "language", "index", "min_recall")
OVERLAP = "overlap"
AUTO, YES, NO = TRACES = ("auto", "True", "False")
SERIAL = "serial"
EXECUTORS = (SERIAL, "ray")
LOCAL, VLLM = ENGINES = ("local", "vllm")
PRESETS = ("embedded", "paper", "tiny", "context", "causes", "real")

P = TypeVar("P", bound="Params")


@dataclass(frozen=True)
class Usual:
    """The value that is taken where none is given.

    Attributes:
        special: Name of a data set or base -> the value that suits it.
        rest: The value for every other.
    """

    special: Mapping[str, int]
    rest: int

    def of(self, name: str) -> int:
        """Return the value for a data set or base."""
        return self.special.get(name, self.rest)

    def __str__(self) -> str:
        """The values as the help shows them."""
        return f"{', '.join(f'{value} for {name}' for name, value in self.special.items())}, else {self.rest}"


USUAL_CHUNK_CHARS = Usual({TELECOM: 400}, 1500)
# The pocket model reads three short passages better than five, and its data set is made for it.
USUAL_TOP_K = Usual({TELECOM: 3}, 5)
# The pocket model was not made to read solved examples.
USUAL_SHOTS = Usual({POCKET: 0}, 4)


def param(
    default: Any,  # noqa: ANN401 - str, int, float or bool
    help: str,  # noqa: A002 - click's word
    *,
    choices: Sequence[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    group: str = "",
) -> Any:  # noqa: ANN401 - what dataclasses.field returns
    """Return a dataclass field with its help text and what values it takes.

    ``group`` is the heading in the help of a field that does not stand under its name's usual one.
    """
    metadata = {"help": help, "choices": tuple(choices), "minimum": minimum, "maximum": maximum, "group": group}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Params:
    """The base of every step's parameters; checks each value against its field's metadata."""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: Naming the parameter, its value and what is accepted.
        """
        for spec in dataclasses.fields(self):
            check_value(spec.name, getattr(self, spec.name), spec.metadata)

    def as_dict(self) -> dict[str, Any]:
        """Return name -> value, in the order of the fields."""
        return dataclasses.asdict(self)

    def pick(self, other: type[P], **changes: Any) -> P:  # noqa: ANN401
        """Return the parameters of another step, taking from here every one they share."""
        names = {spec.name for spec in dataclasses.fields(other)}
        shared = {name: value for name, value in self.as_dict().items() if name in names}
        return other(**{**shared, **changes})


def check_value(name: str, value: Any, metadata: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Check a value against the metadata of its field.

    Raises:
        ConfigError: Naming the parameter, its value and what is accepted.
    """
    choices, low, high = metadata["choices"], metadata["minimum"], metadata["maximum"]
    if choices and value not in choices:
        raise ConfigError(f"{name} is {value!r}, expected one of: {', '.join(choices)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} is {value}, expected a finite number")
    if low is not None and value < low:
        raise ConfigError(f"{name} is {value}, expected at least {low}")
    if high is not None and value > high:
        raise ConfigError(f"{name} is {value}, expected at most {high}")


@dataclass(frozen=True, kw_only=True)
class NameParams(Params):
    """What the data are called."""

    dataset: str = param(DEFAULT_DATASET, "telecom, squad, qasper, rows, or a hub name such as allenai/qasper")
    path: str = param("", "file or folder of the data set; empty: the latest prepared data of that name")
    name: str = param("", "name of the data in runs and in the registry; empty: the data set's own, or its file's")

    @property
    def data_name(self) -> str:
        """What the data are called: their name, else that of their file, else the last part of the hub's."""
        if self.dataset == ROWS and self.path and not self.name:
            return PurePath(self.path).stem
        return self.name or self.dataset.rpartition("/")[2]

    @property
    def is_unnamed(self) -> bool:
        """Whether only the layout of the data is given, not which they are."""
        return self.dataset == ROWS and not self.path and not self.name


@dataclass(frozen=True, kw_only=True)
class PreparationParams(NameParams):
    """Which data, cut and embedded how: shared by every step that prepares what is missing."""

    documents: str = param("", "file or folder of the documents, for data sets that do not carry their own")
    data_seed: int = param(0, "seed of the split into train, dev, test and confirm, and of generated data", minimum=0)
    chunk_chars: int = param(0, f"most characters of a passage; 0: {USUAL_CHUNK_CHARS}", minimum=0)
    embedder: str = param(
        "default", "sentence-transformers name or path; default: the all-MiniLM-L6-v2 that is installed"
    )
    collection: str = param(
        "split",
        "where passages come from: the documents of a split's own questions, or all documents",
        choices=COLLECTIONS,
    )
    allow_leaks: bool = param(False, "go on even if held-out questions leak from train or dev (recorded)")


@dataclass(frozen=True, kw_only=True)
class DataParams(PreparationParams):
    """Which data, and what is retrieved of them for a question, and how."""

    top_k: int = param(0, f"passages retrieved for a question; 0: {USUAL_TOP_K}", minimum=0)
    retriever: str = param(
        "dense", "what finds passages: vectors, words (BM25), or both, fused by their ranks", choices=RETRIEVERS
    )
    reranker: str = param(
        NO_RERANKER,
        "cross-encoder that puts the first 50 in order: a folder, or a name that was downloaded; none: none",
    )
    language: str = param(
        "english",
        "what lexical and hybrid read words with: a text search configuration of Postgres; simple: as they are",
    )
    index: str = param(
        "exact", "how vectors are searched: exact, all of them; hnsw, for more than a million passages", choices=INDEXES
    )
    min_recall: float = param(
        0.99, "with index=hnsw: least share it must find of what exact search finds", minimum=0.0, maximum=1.0
    )

    def __post_init__(self) -> None:
        """Check that the index is of what is searched."""
        super().__post_init__()
        if self.index != "exact" and self.retriever == "lexical":
            raise ConfigError(
                f"index is {self.index}, but retriever is lexical, which searches no vectors: leave index out"
            )
        if not self.reranker.strip():
            raise ConfigError("reranker is empty: name a cross-encoder, or give none")


@dataclass(frozen=True, kw_only=True)
class BaseParams(DataParams):
    """The base model that adapters are made for."""

    retrieved: str = param(
        "", "file of the passages that another search found for the questions; empty: they are retrieved here"
    )
    base: str = param("pocket", "base model: pocket, smollm2, a hub name, or the path of a folder or a GGUF file")
    revision: str = param("", "revision of a hub model; empty: its main branch")
    dtype: str = param(
        "auto", "precision of the base's weights; auto: bfloat16 on CUDA, float32 elsewhere", choices=DTYPES
    )

    def __post_init__(self) -> None:
        """Check that nothing says how to find passages that are given."""
        super().__post_init__()
        usual = {"retriever": "dense", "reranker": NO_RERANKER, "index": "exact"}
        asked = [f"{name}={value}" for name, value in self.as_dict().items() if name in usual and value != usual[name]]
        if self.retrieved.strip() and asked:
            raise ConfigError(
                f"{', '.join(asked)} was given with retrieved={self.retrieved}, whose passages another search found: "
                "give one or the other"
            )


@dataclass(frozen=True, kw_only=True)
class PrepareParams(DataParams):
    """Load, split, cut into passages, embed, and freeze what is retrieved."""

    check: bool = param(False, "only look: columns, errors, duplicates, three rows, sizes; nothing is prepared")
    export_retrieved: str = param("", "file to write what is retrieved for every question to, as -P retrieved reads it")


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
        return _listed("split", self.split, SPLITS)  # type: ignore[return-value]  # each is one of SPLITS

    def __post_init__(self) -> None:
        """Check the list too, so that a typing error is found before any work."""
        super().__post_init__()
        self.splits()


@dataclass(frozen=True, kw_only=True)
class ScoringParams(BaseParams):
    """How answers are made and judged; the two sides of a comparison must share all of it."""

    dataset: str = param("", "as in prepare; empty: what the version was trained on, or telecom")
    base: str = param("", "as in finetune; empty: the version's own, or pocket")
    split: str = param("test", "which questions", choices=SPLITS)
    context: str = param(
        "",
        f"what the model sees, joined by commas: {', '.join(CONTEXTS)}; empty: all for pocket, else retrieved,withheld",
    )
    questions: int = param(0, "how many questions; 0: all of the split", minimum=0)
    prompt: str = param("default", "prompt template: default, or a file with $passages and $question")
    quantization: str = param("none", "how the base's weights are held while generating", choices=QUANTIZATIONS)
    max_new_tokens: int = param(128, "maximum tokens of an answer", minimum=1)
    context_window: int = param(
        0,
        "maximum tokens of prompt and answer together; 0: what the model takes; passages are dropped to fit",
        minimum=0,
    )
    engine: str = param(
        "local",
        "what answers, and judges where judge=base: local, this process; vllm, a server that holds the base",
        choices=ENGINES,
    )
    engine_url: str = param("", "with engine=vllm: the server's address up to and with /v1")
    engine_folder: str = param(
        "",
        "with engine=vllm: folder that adapters are put into, which the server sees under the same path; empty: one of "
        "the home",
    )
    judge: str = param(
        "base",
        "judge model: base (of the model under test), none, a hub name or a path; with judge_url, its name there",
    )
    judge_url: str = param("", "OpenAI-protocol server that holds the judge, up to and with /v1; empty: in process")
    criteria: str = param("accuracy,completeness", "criteria joined by commas: built-in names or .md files")
    estimator: str = param("sampled", "how a score is estimated from the judge", choices=ESTIMATORS)
    repeats: int = param(10, "judgements per answer and criterion, for the sampled estimator", minimum=1)
    judge_max_new_tokens: int = param(200, "maximum tokens of one reply of the judge", minimum=1)
    top_logprobs: int = param(
        20,
        "candidates a served judge lists for the expected estimators; fewer leave more unscored",
        minimum=1,
        maximum=20,
    )
    concurrency: int = param(8, "maximum calls in flight to a served model", minimum=1)
    timeout_s: float = param(120.0, "maximum seconds for one attempt of a call to a served model", minimum=0.1)
    deadline_s: float = param(600.0, "maximum seconds for a call with all its attempts and waits", minimum=0.1)
    traces: str = param(
        AUTO,
        "each answer as a trace in MLflow, with its passages, scores and reasons: True, False; auto: where a judge "
        "samples, beside whose work they cost little",
        choices=TRACES,
    )

    def contexts(self) -> tuple[str, ...]:
        """Return the contexts asked for, in that order; if none is, those that suit the base.

        Raises:
            ConfigError: If one does not exist or is named twice.
        """
        if not self.context.strip():
            return CONTEXTS if self.base in ("", POCKET) else (DECIDING, WITHHELD)
        return _listed("context", self.context, CONTEXTS)

    def __post_init__(self) -> None:
        """Check the lists too, so that a typing error is found before any work."""
        super().__post_init__()
        self.contexts()
        _check_address("judge_url", self.judge_url)
        _check_engine(self.engine, self.engine_url, self.engine_folder, self.dtype)
        if self.engine == VLLM and self.quantization != "none":
            raise ConfigError(
                f"quantization is {self.quantization}, but engine=vllm answers with the weights as its server holds "
                "them: leave quantization out"
            )
        if not self.judge_url and (self.base if self.judge == "base" else self.judge) == SMOLLM2:
            raise ConfigError(
                f"judge is {self.judge!r} and base {self.base!r}: {SMOLLM2} answers, it never judges, since its scores "
                "have nothing to do with the truth; add -P judge=none, or name another judge, a hub name or a path"
            )
        if self.judge_url and self.judge in ("base", "none"):
            raise ConfigError(
                f"judge_url is {self.judge_url} and judge {self.judge!r}: give the name by which that server knows it"
            )


@dataclass(frozen=True, kw_only=True)
class EvaluateParams(ScoringParams):
    """Retrieve, generate, judge; the results are a run, and the base a version."""

    model: str = param(
        "base", "base, a registered version (models:/<name>@challenger, models:/<name>/3), or served (see model_url)"
    )
    model_url: str = param("", "with model=served: OpenAI-protocol server that answers, up to and with /v1")
    served_model: str = param("", "with model=served: the model's name on that server")
    answers: str = param(
        "", "file of answers made elsewhere (input, output, expected_output, context); empty: generate"
    )

    def __post_init__(self) -> None:
        """Check that a served model has an address and a name, and no other model has."""
        super().__post_init__()
        if self.answers.strip() and self.retrieved.strip():
            raise ConfigError(
                f"answers is {self.answers!r} and retrieved {self.retrieved!r}: answers made elsewhere bring their own "
                "passages as context, leave retrieved out"
            )
        _check_address("model_url", self.model_url)
        given = bool(self.model_url), bool(self.served_model)
        if given != (SERVED in self.models(),) * 2:
            raise ConfigError(
                f"model is {self.model!r}, model_url {self.model_url!r}, served_model {self.served_model!r}: "
                "a served model needs all three, -P model=served -P model_url=... -P served_model=..."
            )
        if given[0] and self.engine == VLLM:
            raise ConfigError(
                "model is served and engine vllm: a served model is known by its name alone; name base or a version "
                "with engine=vllm, or leave engine out"
            )
        if given[0] and self.context_window:
            raise ConfigError(
                f"context_window is {self.context_window}, which cannot be kept for a served model, whose tokens "
                "cannot be counted here: use a smaller top_k"
            )

    def models(self) -> tuple[str, ...]:
        """Return what is under test."""
        return (self.model,)


@dataclass(frozen=True, kw_only=True)
class VerifyParams(EvaluateParams):
    """Retrieve, generate, judge; the results are a run, and the base a version. verify=True checks what may leave."""

    verify: bool = param(
        False, "check answers before they leave: choose a threshold on dev, report risk and coverage on the split"
    )
    verifier: str = param(
        OVERLAP,
        "what checks them: overlap, a rule; base, the base without adapter; a hub name or a path; with verifier_url, "
        "its name there",
    )
    verifier_url: str = param("", "OpenAI-protocol server that holds the verifier, up to and with /v1")
    max_false_answers: float = param(
        0.1, "the most of the answers that leave which may be wrong, a share", minimum=0.001, maximum=0.999
    )
    confidence: float = param(0.9, "how sure that is, a share", minimum=0.5, maximum=0.999)

    def __post_init__(self) -> None:
        """Check what a promise can be made of."""
        super().__post_init__()
        _check_address("verifier_url", self.verifier_url)
        if not self.verify:
            return
        if self.answers.strip():
            raise ConfigError(
                f"answers is {self.answers!r} and verify true: a threshold is chosen on the dev questions of the data "
                "set, whose answers a file does not hold; name a model, or leave verify out"
            )
        if self.split == DEV:
            raise ConfigError(
                "split is dev and verify true: the threshold is chosen on dev, so what it does is seen on another split"
            )
        if DECIDING not in self.contexts():
            raise ConfigError(f"context is {self.context!r} and verify true: add {DECIDING}, in which answers leave")
        if self.verifier_url and self.verifier in (OVERLAP, "base"):
            raise ConfigError(
                f"verifier_url is {self.verifier_url} and verifier {self.verifier!r}: give the name by which that "
                "server knows it"
            )
        if not self.verifier_url and SMOLLM2 in (self.verifier, self.base if self.verifier == "base" else ""):
            raise ConfigError(
                f"verifier is {self.verifier!r} and base {self.base!r}: what {SMOLLM2} says of answers has nothing to "
                f"do with the truth; use verifier={OVERLAP}, or name another model"
            )


@dataclass(frozen=True, kw_only=True)
class JudgeParams(EvaluateParams):
    """Calibrate the judge: write a blind sheet for people, or hold their ratings against its scores."""

    model: str = param("base", "whose answers, as in evaluate; several joined by commas")
    ratings: str = param(
        "", "filled-in sheets joined by commas, or one table with people's numbers; empty: write a sheet"
    )
    estimators: str = param("", "two estimators joined by a comma: report how far they agree, without people")
    sheet: str = param("", "where the sheet is written; empty: under sheets in the home folder")
    rows: int = param(100, "maximum answers on the sheet, chosen by a hash; 0: all", minimum=0)
    human_columns: str = param("", "ratings from a table: columns of people's numbers or yes/no; empty: found by name")
    score_column: str = param("", "ratings from a table: column of a metric's scores; then nothing is judged")
    question_column: str = param("", "ratings from a table: column of the question; empty: found by name")
    answer_column: str = param("", "ratings from a table: column of the answer; empty: found by name")
    reference_column: str = param("", "ratings from a table: column of the reference; empty: found by name")
    passages_column: str = param("", "ratings from a table: column of the passages; empty: found by name")
    group_column: str = param("", "ratings from a table: what rows belong to, such as a document; empty: found by name")

    def __post_init__(self) -> None:
        """Check that either people or two estimators are compared."""
        super().__post_init__()
        if not self.estimators:
            return
        if self.ratings or len(_listed("estimators", self.estimators, ESTIMATORS)) != 2:
            raise ConfigError(
                f"estimators is {self.estimators!r} and ratings {self.ratings!r}: give two of {', '.join(ESTIMATORS)}, "
                "or ratings"
            )

    def models(self) -> tuple[str, ...]:
        """Return what is under test, in the order given."""
        return entries(self.model)


@dataclass(frozen=True, kw_only=True)
class VerdictParams(ScoringParams):
    """What is compared with what, and what decides."""

    model: str = param("challenger", "the version: challenger, models:/<name>@<alias>, models:/<name>/3")
    against: str = param("champion", "what it should replace: champion, or a version")
    margin: float = param(0.05, "non-inferiority margin, as a share of a criterion's range", minimum=0.001, maximum=0.5)
    primary: str = param(
        "",
        f"what says whether it is better, joined by commas: criteria, or {', '.join(MEASURES)}; empty: right where the "
        "data have short answers or nothing is judged, else accuracy,completeness",
    )
    guards: str = param(
        ",".join(GUARDS),
        f"harm that must not rise, joined by commas, as name or name=points (usual margin: {GUARD_MARGIN:g} percentage "
        "points); none: no guard",
    )
    advisory: bool = param(False, "let a judge that is only advisory promote (recorded)")
    uniform_labels: bool = param(
        False,
        "people's labels of which it is not known how their questions were drawn are a uniform sample: let them count "
        "(recorded)",
    )

    def primaries(self) -> tuple[str, ...]:
        """Return the primaries that were named, none where the usual ones are meant.

        Raises:
            ConfigError: If one is named twice.
        """
        named = entries(self.primary)
        if len(set(named)) < len(named):
            raise ConfigError(f"primary is {self.primary!r}: name each once")
        return named

    def guard_margins(self) -> dict[str, float]:
        """Return guard -> by how many percentage points its rate may rise.

        Raises:
            ConfigError: If a guard does not exist or is named twice, or its margin is not above 0 and below 100.
        """
        if self.guards.strip() == "none":
            return {}
        split = [entry.partition("=") for entry in entries(self.guards)]
        names = _listed("guards", ",".join(name.strip() for name, _, _ in split), GUARDS)
        return {
            name: _points(name, margin) if equals else GUARD_MARGIN
            for name, (_, equals, margin) in zip(names, split, strict=True)
        }

    def __post_init__(self) -> None:
        """Check both lists too, so that a typing error is found before any work."""
        super().__post_init__()
        self.primaries()
        self.guard_margins()


@dataclass(frozen=True, kw_only=True)
class SidesParams(VerdictParams):
    """Two sides: a version and what it should replace, or two files of answers."""

    against: str = param("champion", "what it should replace: champion, a version, or with answers a file of answers")
    answers: str = param(
        "",
        "compare two files instead of versions, this one and against (input, output, expected_output, context); then "
        "no model answers",
    )

    def __post_init__(self) -> None:
        """Check that a file is not compared with a version."""
        super().__post_init__()
        if self.answers.strip() and (self.against == "champion" or self.against.startswith("models:/")):
            raise ConfigError(
                f"answers is {self.answers!r} and against is {self.against!r}: name the file of the other answers, "
                "-P against=base.jsonl"
            )


@dataclass(frozen=True, kw_only=True)
class CompareParams(SidesParams):
    """Compare a version with the champion, or two files of answers, question by question; the verdict is a run."""

    on_reject: str = param("record", "what the verdict reject does to the exit code", choices=ON_REJECT)
    verify: bool = param(
        False,
        "the version's answers that its promise (evaluate -P verify=True) lets not leave count as abstentions; the "
        "other side's too, if it has one",
    )

    def __post_init__(self) -> None:
        """Check that what is verified is a version."""
        super().__post_init__()
        if self.verify and self.answers.strip():
            raise ConfigError(
                f"answers is {self.answers!r} and verify true: a promise is kept with a version, and files are "
                "compared as they are; leave verify out"
            )


@dataclass(frozen=True, kw_only=True)
class LabelParams(SidesParams):
    """Ask people about the answers whose labels say most about a verdict, or read what they said."""

    budget: int = param(60, "how many questions people are asked about, both answers of each", minimum=1)
    asked_twice: int = param(5, "questions of these that are asked a second time, for a person's own noise", minimum=0)
    sheet: str = param(
        "", "where the sheet is written (.csv), and the page beside it (.html); empty: under sheets in the home folder"
    )
    ratings: str = param("", "filled-in sheets, or files that the page saved, joined by commas; empty: write them")

    def __post_init__(self) -> None:
        """Check that the page does not overwrite the sheet."""
        super().__post_init__()
        if self.sheet.strip() and not self.sheet.endswith(".csv"):
            raise ConfigError(f"sheet is {self.sheet!r}, expected a name that ends in .csv; the page lies beside it")


@dataclass(frozen=True, kw_only=True)
class PromoteParams(VerdictParams):
    """Compare, and act on the verdict: move the champion, or mark the version with the reasons."""

    force: bool = param(False, "promote against the verdict (recorded for ever; needs a reason)")
    reason: str = param("", "why the verdict is overruled")
    on_reject: str = param("record", "what a verdict other than promote does to the exit code", choices=ON_REJECT)
    verify: bool = param(
        False, "as in compare; needed for a version with a promise, whose answers are checked where it is served"
    )

    def __post_init__(self) -> None:
        """Check that whoever overrules the verdict says why, and that what is verified is compared as it is served."""
        super().__post_init__()
        if self.verify and (self.collection != ALL or self.retrieved.strip()):
            raise ConfigError(
                f"verify is true, collection {self.collection!r} and retrieved {self.retrieved!r}: a version is served "
                f"with passages of all documents, and so its answers are checked there; add -P collection={ALL} and "
                "leave retrieved out"
            )
        if self.force != bool(self.reason.strip()):
            raise ConfigError(f"force is {self.force} and reason is {self.reason!r}: give both, or neither")


@dataclass(frozen=True, kw_only=True)
class FingerprintParams(Params):
    """Compute once, where a version fits into memory, what an engine is held against elsewhere."""

    model: str = param("", "the version: models:/<name>@<alias>, models:/<name>/3")
    dtype: str = param("auto", "precision to compute in, as in finetune", choices=DTYPES)

    def __post_init__(self) -> None:
        """Check that a version is named."""
        super().__post_init__()
        if not self.model.strip():
            raise ConfigError("model is empty: name a version, -P model=models:/<name>@challenger")


@dataclass(frozen=True, kw_only=True)
class RollbackParams(NameParams):
    """Make the previous champion champion again."""

    base: str = param("pocket", "as in finetune")
    to: int = param(0, "number of the earlier champion to go back to; 0: the previous one", minimum=0)
    reason: str = param("", "why; kept with the version that is rolled back")


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
        _check_engine(self.engine, self.engine_url, self.engine_folder, self.dtype)
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


def _check_address(name: str, url: str) -> None:
    """Refuse a secret in an address before anything is logged; the message does not repeat it."""
    if "@" in url or "?" in url:
        raise ConfigError(
            f"{name} holds a password or a query, expected http(s)://host/v1: give the key as RAGFT_API_KEY"
        )


def _check_engine(engine: str, url: str, folder: str, dtype: str) -> None:
    """Refuse an engine without its address or precision, and these without an engine."""
    _check_address("engine_url", url)
    if engine == LOCAL and (url or folder):
        raise ConfigError(f"engine is local, but engine_url is {url!r} and engine_folder {folder!r}: add engine=vllm")
    if engine == VLLM and not url:
        raise ConfigError("engine is vllm without engine_url: give its address, -P engine_url=http://host:8000/v1")
    if engine == VLLM and dtype == "auto":
        raise ConfigError(
            "engine is vllm and dtype auto: say in which precision the server computes, -P dtype=bfloat16 (what "
            "`vllm serve --dtype` was given)"
        )


def _points(guard: str, text: str) -> float:
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


def _listed(name: str, value: str, allowed: Sequence[str]) -> tuple[str, ...]:
    items = entries(value)
    if not items or len(set(items)) < len(items) or not set(items) <= set(allowed):
        raise ConfigError(f"{name} is {value!r}, expected some of {', '.join(allowed)}, joined by commas, each once")
    return items


STEPS: dict[str, type[Params]] = {
    "prepare": PrepareParams,
    "probe": ProbeParams,
    "finetune": FinetuneParams,
    "evaluate": VerifyParams,
    "judge": JudgeParams,
    "label": LabelParams,
    "compare": CompareParams,
    "promote": PromoteParams,
    "rollback": RollbackParams,
    "fingerprint": FingerprintParams,
    "study": StudyParams,
    "tune": TuneParams,
    "remedy": RemedyParams,
}
