"""Which data, how they are cut and searched, and the base model that reads them."""

from dataclasses import dataclass
from pathlib import PurePath

from ragft.errors import ConfigError
from ragft.params.base import Params, param
from ragft.params.values import COLLECTIONS, DEFAULT_DATASET, DTYPES, NO_RERANKER, ROWS, USUAL_CHUNK_CHARS, USUAL_TOP_K
from ragft.types import INDEXES, RETRIEVERS


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
