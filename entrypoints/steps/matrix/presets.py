"""The named studies, each a record of lists, and how lists on the command line change them."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.params.searches import StudyParams
from ragft.params.values import DEFAULT_DATASET, ESTIMATORS, FORMATS, METHODS, NO_RERANKER
from ragft.types import CONTEXTS, DECIDING, RETRIEVERS, SPLITS, WITHHELD

T = TypeVar("T", str, int, float)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The lists whose combinations are a study.

    Attributes:
        path: Where the preset's own data sets lie, seen from the project; empty where they are made or not shipped.
        context: What the models see, all in every cell; `DECIDING` is one of them.
        questions: How many questions of a split; 0 for all.
        agreement: Questions that one adapter and its base are scored on by the sampled estimator too; 0 for none.
        crossed: True for all combinations of how answers are made and judged; False to vary one list at a time
            from the first value of each.
        factors: True where main effects are asked for.
    """

    dataset: tuple[str, ...] = (DEFAULT_DATASET,)
    path: tuple[str, ...] = ()
    base: tuple[str, ...] = ("pocket",)
    method: tuple[str, ...] = ("lora",)
    samples: tuple[int, ...] = (200,)
    format: tuple[str, ...] = ("closed_book", "retrieved")
    epochs: tuple[int, ...] = (3,)
    learning_rate: tuple[float, ...] = (1e-3,)
    unknown_share: tuple[float, ...] = (-1.0,)
    unanswerable_share: tuple[float, ...] = (-1.0,)
    withheld_share: tuple[float, ...] = (0.0,)
    seeds: tuple[int, ...] = (0, 1)
    context: tuple[str, ...] = (DECIDING, WITHHELD)
    split: tuple[str, ...] = ("test",)
    embedder: tuple[str, ...] = ("default",)
    top_k: tuple[int, ...] = (0,)
    retriever: tuple[str, ...] = ("dense",)
    reranker: tuple[str, ...] = (NO_RERANKER,)
    chunk_chars: tuple[int, ...] = (0,)
    context_window: tuple[int, ...] = (0,)
    prompt: tuple[str, ...] = ("default",)
    judge: tuple[str, ...] = ("base",)
    estimator: tuple[str, ...] = ("expected_no_rationale",)
    questions: int = 0
    agreement: int = 0
    crossed: bool = True
    factors: bool = False


MISTRAL, MIXTRAL = "mistralai/Mistral-7B-Instruct-v0.2", "mistralai/Mixtral-8x7B-Instruct-v0.1"
LLAMA_2, LLAMA_1B = "meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-3.2-1B-Instruct"

PRESETS: dict[str, Matrix] = {
    # The default: what fits into half an hour on two cores.
    "embedded": Matrix(agreement=40),
    # The published study.
    "paper": Matrix(
        dataset=("bioasq", "natural_questions", "qasper"),
        base=(MISTRAL, MIXTRAL, LLAMA_2),
        method=("lora",),
        samples=(0, 200, 500, 1000),
        format=("closed_book",),
        learning_rate=(2e-4,),
        seeds=(0,),
        judge=(MISTRAL,),
        estimator=("sampled",),
    ),
    # Twenty pairs, with and without passages, on questions near the training set and on new ones. With hardware for
    # it, -P base=meta-llama/Llama-3.2-1B-Instruct -P method=qlora is the published one.
    "tiny": Matrix(
        samples=(20,),
        format=("closed_book",),
        epochs=(5,),
        seeds=(0,),
        context=("none", DECIDING, WITHHELD),
        split=("test_seen", "test"),
    ),
    # How answers are made, one thing at a time.
    "context": Matrix(
        format=("closed_book",),
        seeds=(0,),
        context=("none", DECIDING, WITHHELD, "oracle"),
        top_k=(3, 1, 5),
        chunk_chars=(400, 200, 800),
        context_window=(0, 256),
        crossed=False,
    ),
    # A real language model and real questions, decided without a judge; -P seeds=0 -P questions=200 for a first look.
    "real": Matrix(
        dataset=("squad",),
        path=("tests/data/squad",),
        base=("smollm2",),
        unanswerable_share=(0.0, 0.33),
        learning_rate=(5e-4,),
        seeds=(0, 1, 2),
        context=("none", DECIDING, WITHHELD, "oracle"),
        top_k=(2,),
        judge=("none",),
        questions=600,
    ),
    # Which property of fine-tuning does the damage. After probe, -P unknown_share=0,0.5 crosses it with the dose.
    "causes": Matrix(
        samples=(200, 500),
        epochs=(1, 3),
        learning_rate=(2e-4, 1e-3),
        seeds=(0, 1, 2),
        factors=True,
    ),
}
LEAST_SEEDS_FOR_CAUSES = 3


def matrix_of(params: StudyParams) -> Matrix:
    """Return the preset's matrix, changed by the lists of the command line.

    Raises:
        ConfigError: If an entry of a list is wrong, occurs twice, or is missing.
    """
    preset = PRESETS[params.preset]
    names = {field.name for field in dataclasses.fields(Matrix)}
    given = {name: value for name, value in params.as_dict().items() if name in names and value != ""}
    # Paths keep their place beside the data sets, empty ones too.
    given.pop("path", None)
    changes: dict[str, Any] = {name: _read(name, value, getattr(preset, name)) for name, value in given.items()}
    matrix = dataclasses.replace(preset, **changes)
    _check(matrix)
    return matrix


def _read(name: str, text: str, old: object) -> object:
    if isinstance(old, int):
        (value,) = listed(name, text, int) if text.count(",") == 0 else (None,)
        if value is None or value < 0:
            raise ConfigError(f"{name} is {text!r}, expected one whole number of at least 0")
        return value
    kind: Callable[[str], str | int | float] = type(old[0])  # type: ignore[index]
    return listed(name, text, kind)  # type: ignore[type-var]


def listed(name: str, text: str, kind: Callable[[str], T]) -> tuple[T, ...]:
    """Return the entries of a list, each once.

    Raises:
        ConfigError: Naming the entry that is not a number, or that occurs twice.
    """
    found = []
    for entry in entries(text):
        try:
            found.append(kind(entry))
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise ConfigError(f"{name} is {text!r}: {entry!r} is not {what}") from None
    if len(set(found)) < len(found):
        raise ConfigError(f"{name} is {text!r}, expected entries joined by commas, each once")
    return tuple(found)


def _check(matrix: Matrix) -> None:
    choices = {
        "method": METHODS, "format": FORMATS, "context": CONTEXTS, "estimator": ESTIMATORS, "split": SPLITS,
        "retriever": RETRIEVERS,
    }  # fmt: skip
    for name, allowed in choices.items():
        if wrong := [value for value in getattr(matrix, name) if value not in allowed]:
            raise ConfigError(f"{name} holds {wrong[0]!r}, expected some of: {', '.join(allowed)}")
    for name in ("samples", "seeds", "top_k", "chunk_chars", "context_window"):
        if min(getattr(matrix, name)) < 0:
            raise ConfigError(f"{name} is {getattr(matrix, name)}, expected numbers of at least 0")
    if min(matrix.epochs) < 1 or not all(0 < rate <= 1 for rate in matrix.learning_rate):
        raise ConfigError("epochs are at least 1, and learning rates above 0 and at most 1")
    if not all(0 <= share <= 1 for share in matrix.withheld_share):
        raise ConfigError(f"withheld_share is {matrix.withheld_share}, expected shares from 0 to 1")
    if DECIDING not in matrix.context:
        raise ConfigError(f"context is {','.join(matrix.context)}: the verdict is given in {DECIDING}, add it")
    if "train" in matrix.split:
        raise ConfigError("split holds 'train': what a model was trained on says nothing of new questions")
    if matrix.factors and len(matrix.seeds) < LEAST_SEEDS_FOR_CAUSES:
        raise ConfigError(
            f"seeds is {','.join(map(str, matrix.seeds))}: main effects need at least {LEAST_SEEDS_FOR_CAUSES} seeds, "
            "since a seed stands for chance"
        )
