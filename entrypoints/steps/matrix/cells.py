"""The cells of a study: which adapter, asked and judged how, and the hash of everything that makes its result."""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from entrypoints.steps.matrix.presets import Matrix
from entrypoints.steps.shared.bases import require_base
from entrypoints.steps.shared.sources import read_dataset, with_top_k
from entrypoints.steps.shared.workspace import Workspace
from ragft.data.files import JSON_SUFFIXES, find_files
from ragft.errors import ConfigError
from ragft.models.fingerprint import fingerprint_weights
from ragft.models.precision import computable
from ragft.params.data import DataParams, PrepareParams
from ragft.params.searches import StudyParams
from ragft.params.training import FinetuneParams
from ragft.params.values import LOCAL, NO, NO_RERANKER, OPENVINO, SEARCHING, VLLM
from ragft.params.verdict import CompareParams
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criteria
from ragft.result_versions import OTHER_LIBRARIES, TRAINING_LIBRARIES, VERSIONS, libraries
from ragft.types import DECIDING, Dataset, digest

Role = Literal["cell", "agreement"]
# Where the data of presets lie.
CHECKOUT = Path(__file__).resolve().parents[3]
# How answers are made and judged; the rest of a matrix is how adapters are made.
SETTINGS = (
    "split", "embedder", "top_k", "retriever", "reranker", "chunk_chars", "context_window", "prompt", "judge",
    "estimator",
)  # fmt: skip
TRAINING = (
    "method", "format", "samples", "epochs", "learning_rate", "unknown_share", "unanswerable_share", "withheld_share",
    "seed",
)  # fmt: skip
AXES = ("dataset", "base", *TRAINING, *SETTINGS)
# Which file data were read from, and which versions are compared, are no part of what a cell is. What the data are
# called stands with their hash. Traces only show what a result is made of.
ADDRESSES = ("path", "name", "documents", "model", "against", "engine_url", "engine_folder", "traces")
# Parameters that came later, with the values that every earlier result was made with: its key does not name them.
LATER = {
    "dtype": "auto", "dev_questions": 0, "unanswerable_share": -1.0, "engine": LOCAL, "processes": 1, "retrieved": "",
    "retriever": "dense", "reranker": NO_RERANKER, "language": "english", "index": "exact", "min_recall": 0.99,
    "uniform_labels": False, "verify": False, "batch_tokens": 0, "shard": False,
}  # fmt: skip
# What an adapter that was trained on questions alone does not see.
OF_RETRIEVAL = (
    "embedder", "top_k", "chunk_chars", "collection", "raft_without_golden", "allow_low_hit_rate", "retrieved",
    *SEARCHING,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One adapter, compared with its base under one way of asking and judging.

    Attributes:
        compare: Everything of the comparison but the two versions.
        role: "agreement" for the cell in which another estimator scores the same answers.
        varied: The axes in which the cells of the study differ.
    """

    finetune: FinetuneParams
    compare: CompareParams
    role: Role = "cell"
    varied: tuple[str, ...] = ()

    @property
    def axes(self) -> dict[str, Any]:
        """Axis -> value, all of them."""
        values = {**self.compare.as_dict(), **self.finetune.as_dict()}
        return {name: values[name] for name in AXES}

    @property
    def name(self) -> str:
        """What distinguishes the cell from the others."""
        axes = self.axes
        shown = f"{self.finetune.data_name}|n{axes['samples']}|{axes['method']} {axes['format']} s{axes['seed']}"
        rest = [name for name in self.varied if name not in ("dataset", "samples", "method", "format", "seed")]
        extra = [f"{name} {axes[name]}" for name in rest]
        extra += ["sampled, for agreement"] if self.role == "agreement" else []
        return ", ".join([shown, *extra])

    @property
    def group(self) -> tuple[tuple[str, Any], ...]:
        """The name that cells share when they differ only in their seed."""
        return (*((name, value) for name, value in self.axes.items() if name != "seed"), ("role", self.role))


def cells_of(params: StudyParams, matrix: Matrix) -> list[Cell]:
    """Return the cells: those that share a base and its evaluation follow each other; the agreement check is last.

    Raises:
        ConfigError: If there are not as many paths as data sets, nothing is trained, or two cells are the same.
    """
    sources = _sources(params, matrix)
    settings = list(_settings(matrix))
    varied = tuple(
        name for name in AXES if len(getattr(matrix, "seeds" if name == "seed" else name)) > 1
    )  # fmt: skip
    cells = []
    for source, base, setting in itertools.product(sources, matrix.base, settings):
        shared = {**source, "base": base, **{name: value for name, value in setting.items() if name in _DATA}}
        for training in _trainings(matrix):
            finetune = with_top_k(params.pick(FinetuneParams, **{**shared, **training}))
            if finetune.samples:
                compare = _compare(params, matrix, finetune, setting)
                cells.append(Cell(finetune, compare, varied=varied))
    if params.engine == VLLM and (len(matrix.base) > 1 or set(matrix.method) != {"lora"}):
        raise ConfigError(
            f"engine is vllm with base {', '.join(matrix.base)} and method {', '.join(matrix.method)}: a server holds "
            "one base, and adapters of method lora alone; ask for these, or leave engine out"
        )
    if params.engine == OPENVINO and set(matrix.method) != {"lora"}:
        raise ConfigError(
            f"engine is openvino with method {', '.join(matrix.method)}: it computes adapters of method lora alone; "
            "ask for these, or leave engine out"
        )
    if twice := next((cell for number, cell in enumerate(cells) if cell in cells[:number]), None):
        raise ConfigError(
            f"the study holds the cell {twice.name} twice: top_k 0 stands for the usual number of passages, "
            f"{twice.finetune.top_k} here, and top_k is {','.join(map(str, matrix.top_k))}: leave one out"
        )
    if not cells:
        raise ConfigError("samples is 0 alone: a study needs at least one size that is trained on")
    if matrix.agreement:
        first = cells[0]
        checked = dataclasses.replace(first.compare, questions=matrix.agreement, estimator="sampled", context=DECIDING)
        cells.append(Cell(first.finetune, checked, "agreement", varied))
    return cells


def factors_of(matrix: Matrix) -> dict[str, list[str]]:
    """Return the properties of training whose main effects are asked for: factor -> its levels, at least two."""
    levels = {name: [str(value) for value in _values(matrix, name)] for name in TRAINING if name != "seed"}
    return {name: found for name, found in levels.items() if len(found) > 1} if matrix.factors else {}


_DATA = {field.name for field in dataclasses.fields(DataParams)}


def _trainings(matrix: Matrix) -> list[dict[str, Any]]:
    """Return how adapters are made, each way once: nothing is withheld where no passages are shown."""
    made = []
    for values in itertools.product(*(_values(matrix, name) for name in TRAINING)):
        training = dict(zip(TRAINING, values, strict=True))
        if training["format"] == "closed_book":
            training["withheld_share"] = 0.0
        if training not in made:
            made.append(training)
    return made


def _values(matrix: Matrix, name: str) -> tuple[Any, ...]:
    if name == "samples":
        # A base is what every adapter is compared with, not a cell.
        return tuple(value for value in matrix.samples if value)
    return tuple(getattr(matrix, "seeds" if name == "seed" else name))


def _sources(params: StudyParams, matrix: Matrix) -> list[dict[str, str]]:
    found = [{"dataset": name} for name in matrix.dataset]
    for name in ("path", "name", "documents", "retrieved"):
        given = getattr(params, name)
        values = [part.strip() for part in given.split(",")] if given else []
        if name == "path" and not given and not params.dataset:
            values = [str(CHECKOUT / path) for path in matrix.path]
        if values and len(values) != len(found):
            raise ConfigError(
                f"{name} is {given!r}: {len(values)} for {len(found)} data sets ({', '.join(matrix.dataset)}); give "
                "one for each, in their order, empty where there is none"
            )
        for source, value in zip(found, values, strict=False):
            source[name] = value
    return found


def _settings(matrix: Matrix) -> Iterator[dict[str, Any]]:
    """Yield the settings of asking and judging: all combinations, or one change at a time."""
    lists = {name: getattr(matrix, name) for name in SETTINGS}
    if matrix.crossed:
        for values in itertools.product(*lists.values()):
            yield dict(zip(lists, values, strict=True))
        return
    usual = {name: values[0] for name, values in lists.items()}
    yield usual
    for name, values in lists.items():
        for value in values[1:]:
            yield {**usual, name: value}


def _compare(
    params: StudyParams, matrix: Matrix, finetune: FinetuneParams, setting: Mapping[str, Any]
) -> CompareParams:
    values = {**params.as_dict(), **finetune.as_dict(), **setting, "top_k": finetune.top_k}
    names = {field.name for field in dataclasses.fields(CompareParams)} - {"model", "against"}
    chosen = {name: value for name, value in values.items() if name in names}
    # A trace of every answer of every cell would be the larger part of MLflow's database.
    return CompareParams(**{**chosen, "context": ",".join(matrix.context), "questions": matrix.questions, "traces": NO})


@dataclass
class Identities:
    """Hashes of what cells are made of, each taken once."""

    workspace: Workspace
    _datasets: dict[tuple[str, ...], Dataset] = field(default_factory=dict)
    _engines: dict[str, str] = field(default_factory=dict)

    def dataset(self, cell: Cell) -> Dataset:
        """Return the data of a cell; a study has few, so they are kept."""
        asked = cell.finetune.pick(PrepareParams)
        key = (asked.dataset, asked.path, asked.name, asked.documents, str(asked.data_seed))
        if key not in self._datasets:
            self._datasets[key] = read_dataset(asked, self.workspace)
        return self._datasets[key]

    def cell(self, cell: Cell) -> str:
        """Return the hash of everything that makes the cell's result."""
        compare = cell.compare
        judge = (compare.base, compare.revision) if compare.judge == "base" else (compare.judge, "")
        criteria = [criterion.sha256 for criterion in load_criteria(compare.criteria)]
        return digest(
            {
                "training": self.training(cell),
                "compare": _made_of(compare, ADDRESSES),
                # A served judge is what its server says it is: its address and name stand in the parameters.
                "judge": "" if compare.judge == "none" or compare.judge_url else base_fingerprint(*judge),
                "prompt": load_answer_prompt(compare.prompt).sha256,
                "criteria": criteria,
                "versions": VERSIONS,  # it holds the outcome of all that comes before the decision, too
                "libraries": libraries(OTHER_LIBRARIES),
                "role": cell.role,
                # A cell in which nothing is judged once kept none of what decided it.
                **({"primaries": "kept"} if compare.judge == "none" else {}),
                **self._engine(compare),
            }
        )

    def base(self, cell: Cell) -> str:
        """Return the hash of what makes the evaluation of the cell's base, which other cells may share."""
        compare = cell.compare
        return digest(
            {
                "evaluated": base_fingerprint(cell.finetune.base, cell.finetune.revision),
                "data": self.dataset(cell).sha256,
                "compare": _made_of(compare, ADDRESSES),
                "prompt": load_answer_prompt(compare.prompt).sha256,
                "criteria": [criterion.sha256 for criterion in load_criteria(compare.criteria)],
                "versions": VERSIONS,
                "libraries": libraries((*TRAINING_LIBRARIES, *OTHER_LIBRARIES)),
                **self._engine(compare),
            }
        )

    def study(self, cells: Sequence[Cell]) -> str:
        """Return the hash of what a study asks, whatever code and libraries compute it."""
        return digest(
            [
                [
                    base_fingerprint(cell.finetune.base, cell.finetune.revision),
                    self.dataset(cell).sha256,
                    _made_of(cell.finetune, ADDRESSES),
                    _made_of(cell.compare, ADDRESSES),
                    cell.role,
                ]
                for cell in cells
            ]
        )

    def _engine(self, compare: CompareParams) -> dict[str, str]:
        """Return version and precision of what answers in place of this process, as a part of a key; none for none."""
        if compare.engine == LOCAL:
            return {}
        if compare.engine == OPENVINO:
            from ragft.models.openvino.model import engine_name

            return {"engine": engine_name(computable(compare.dtype))}
        if compare.engine_url not in self._engines:
            # It brings torch along, which a plan of what this process computes does not need.
            from entrypoints.steps.shared.engines import open_engine

            with ExitStack() as stack:
                server = open_engine(compare, self.workspace, stack)
                # Of a smaller window passages are dropped that another server would show.
                self._engines[compare.engine_url] = f"{server.version} window {server.window}"
        return {"engine": f"{compare.engine} {self._engines[compare.engine_url]} {compare.dtype}"}

    def training(self, cell: Cell) -> str:
        """Return the hash of everything that makes the cell's adapter."""
        blind = cell.finetune.format == "closed_book"
        unseen = OF_RETRIEVAL if blind else ()
        retrieval = [] if blind else [VERSIONS["embedding"], VERSIONS["retrieval"]]
        data = self.dataset(cell)
        return digest(
            {
                "params": _made_of(cell.finetune, (*ADDRESSES, *unseen)),
                "data": [data.name, data.sha256],
                "base": base_fingerprint(cell.finetune.base, cell.finetune.revision),
                "versions": [VERSIONS["preparation"], *retrieval, VERSIONS["training"]],
                "libraries": libraries(TRAINING_LIBRARIES),
            }
        )


def content_of(path: Path) -> str:
    """Return the hash of the passages that were given: of the bytes of the files, wherever they lie."""
    return digest([hashlib.sha256(file.read_bytes()).hexdigest() for file in find_files(path, JSON_SUFFIXES)])


@functools.cache
def base_fingerprint(name: str, revision: str) -> str:
    """Return the identity of a base's weights; the weights of a large model are read for it."""
    return fingerprint_weights(require_base(name, revision).folder)


def _made_of(params: FinetuneParams | CompareParams, left_out: tuple[str, ...]) -> dict[str, Any]:
    """Return the parameters that make a result; later ones only where they are not what all results were made with."""
    values = {name: value for name, value in params.as_dict().items() if name not in left_out}
    values |= {"dtype": computable(params.dtype)}
    if params.retrieved.strip() and "retrieved" in values:
        values["retrieved"] = content_of(Path(params.retrieved.strip()))
    if values.get("reranker", NO_RERANKER) != NO_RERANKER:
        # It brings torch along, which a plan does without where nothing is reranked.
        from entrypoints.steps.shared.searching import search_of

        values["reranker"] = search_of(params).reranker_sha256
    return {name: value for name, value in values.items() if name not in LATER or value != LATER[name]}
