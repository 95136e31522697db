"""How answers are made, judged and checked before they leave."""

from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.params.base import param
from ragft.params.checks import check_address, check_engine, listed
from ragft.params.data import BaseParams
from ragft.params.values import (
    AUTO,
    DEV,
    ENGINES,
    ESTIMATORS,
    OTHER_ENGINES,
    OVERLAP,
    POCKET,
    QUANTIZATIONS,
    SERVED,
    SMOLLM2,
    TRACES,
    VLLM,
)
from ragft.types import CONTEXTS, DECIDING, SPLITS, WITHHELD


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
        "what answers: local, this process; openvino, this process by OpenVINO on the CPU; vllm, a server that holds "
        "the base, and judges where judge=base",
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

    @property
    def estimator_name(self) -> str:
        """The estimator with everything that would make it another measurement."""
        return f"sampled x {self.repeats}" if self.estimator == "sampled" else self.estimator

    def contexts(self) -> tuple[str, ...]:
        """Return the contexts asked for, in that order; if none is, those that suit the base.

        Raises:
            ConfigError: If one does not exist or is named twice.
        """
        if not self.context.strip():
            return CONTEXTS if self.base in ("", POCKET) else (DECIDING, WITHHELD)
        return listed("context", self.context, CONTEXTS)

    def __post_init__(self) -> None:
        """Check the lists too, so that a typing error is found before any work."""
        super().__post_init__()
        self.contexts()
        check_address("judge_url", self.judge_url)
        check_engine(self.engine, self.engine_url, self.engine_folder, self.dtype)
        if self.engine in OTHER_ENGINES and self.quantization != "none":
            held = "its server holds them" if self.engine == VLLM else "they are"
            raise ConfigError(
                f"quantization is {self.quantization}, but engine={self.engine} answers with the weights as {held}: "
                "leave quantization out"
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
        check_address("model_url", self.model_url)
        given = bool(self.model_url), bool(self.served_model)
        if given != (SERVED in self.models(),) * 2:
            raise ConfigError(
                f"model is {self.model!r}, model_url {self.model_url!r}, served_model {self.served_model!r}: "
                "a served model needs all three, -P model=served -P model_url=... -P served_model=..."
            )
        if given[0] and self.engine in OTHER_ENGINES:
            raise ConfigError(
                f"model is served and engine {self.engine}: a served model is known by its name alone; name base or a "
                f"version with engine={self.engine}, or leave engine out"
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
        check_address("verifier_url", self.verifier_url)
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
        if self.ratings or len(listed("estimators", self.estimators, ESTIMATORS)) != 2:
            raise ConfigError(
                f"estimators is {self.estimators!r} and ratings {self.ratings!r}: give two of {', '.join(ESTIMATORS)}, "
                "or ratings"
            )

    def models(self) -> tuple[str, ...]:
        """Return what is under test, in the order given."""
        return entries(self.model)
