"""The nouns of ragft, as frozen records that every layer shares."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Split = Literal["train", "dev", "test", "confirm", "test_seen"]
SPLITS: tuple[Split, ...] = get_args(Split)

Context = Literal["none", "retrieved", "withheld", "oracle", "oracle_distractors"]
CONTEXTS: tuple[Context, ...] = get_args(Context)

RetrieverKind = Literal["dense", "lexical", "hybrid"]
RETRIEVERS: tuple[RetrieverKind, ...] = get_args(RetrieverKind)
IndexKind = Literal["exact", "hnsw"]
INDEXES: tuple[IndexKind, ...] = get_args(IndexKind)

# The context that a verdict is given in, and the one that shows whether answers are invented.
DECIDING: Context = "retrieved"
WITHHELD: Context = "withheld"
# Of answers that another system gave: nobody here knows what it was shown.
AS_ANSWERED = "as answered"
# The reference of a question that the documents do not answer, as Qasper writes it.
UNANSWERABLE = "Unanswerable"
# Metadata of a question: what it belongs to beyond its documents, which a split keeps whole; and whose official scorer
# grades it.
ARTICLE, SCORER = "article", "scorer"


def digest(value: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Return the sha256 of ``value`` as canonical JSON (sorted keys, no spaces, UTF-8), 64 hex digits.

    Lone surrogates, which UTF-8 cannot hold, are hashed as their escapes.
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_json(value: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Return the canonical JSON of ``value``: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A text of the collection, as the user gave it; paragraphs are non-empty."""

    id: str
    title: str
    paragraphs: tuple[str, ...]

    @property
    def text(self) -> str:
        """The paragraphs, joined by blank lines."""
        return "\n\n".join(self.paragraphs)


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what is known about its answer.

    Attributes:
        references: Accepted answers, best first; at least one.
        documents: Ids of the documents it was asked about; the clusters of every statistic.
        evidence: Texts of the documents that hold the answer; empty when unknown.
        kind: What form of question it is, a slice of the results ("extractive", "yes_no", ...).
        answerable: False when the documents do not hold the answer.
        split: The split the data set itself assigns, or None.
        metadata: What the data set says beyond this (JSON values only); never shown to a model.
    """

    id: str
    text: str
    references: tuple[str, ...]
    documents: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    kind: str = ""
    answerable: bool = True
    split: Split | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Documents and questions under a name; the sha256 of the content is its identity."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]
    # The identity once it was asked for: for documents on disk it takes a while.
    _known_sha256: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """The identity of the content: independent of order, file layout and name.

        It is the `digest` of ``{"documents": [...], "questions": [...]}``, both sorted by id, made piece by piece:
        documents larger than memory, which their sequence reads one at a time, stay where they are.
        """
        if self._known_sha256:
            return self._known_sha256[0]
        found = hashlib.sha256(b'{"documents":[')
        for piece in _by_id(self.documents):
            found.update(piece)
        found.update(b'],"questions":[')
        for piece in _by_id(self.questions):
            found.update(piece)
        found.update(b"]}")
        self._known_sha256.append(found.hexdigest())
        return self._known_sha256[0]


def _by_id(records: Sequence[Document] | Sequence[Question]) -> Iterator[bytes]:
    """Yield the records as canonical JSON, sorted by id, with commas between them."""
    ids = [record.id for record in records]
    for rank, place in enumerate(sorted(range(len(ids)), key=ids.__getitem__)):
        yield (("," if rank else "") + canonical_json(asdict(records[place]))).encode()


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit retrieved: a piece of one document.

    Attributes:
        id: sha256 of document id, position and text.
        position: Its rank among the document's passages, from 0.
    """

    id: str
    document_id: str
    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Search:
    """How passages are found.

    Attributes:
        retriever: By vectors, by words, or by both, fused.
        language: Text search configuration of Postgres that words are read with.
        index: What finds vectors: all of them, or the graph of an HNSW index, which may miss some.
        reranker: Name or folder of a cross-encoder that puts the first ones in order; empty: none.
        reranker_sha256: What that is.
    """

    retriever: RetrieverKind = "dense"
    language: str = "english"
    index: IndexKind = "exact"
    reranker: str = ""
    reranker_sha256: str = ""

    @property
    def made_of(self) -> dict[str, str]:
        """What of it decides what is found, as a part of a key; nothing for an exact search by vectors alone."""
        parts: dict[str, str] = (
            {}
            if self.retriever == "dense"
            else {
                "retriever": self.retriever,
                "language": self.language,
            }
        )
        if self.retriever != "lexical" and self.index != "exact":
            parts["index"] = self.index
        return {**parts, "reranker": self.reranker_sha256} if self.reranker_sha256 else parts

    @property
    def words(self) -> str:
        """Say it: "hybrid, english, reranked by minilm"."""
        parts: list[str] = [self.retriever] if self.retriever == "dense" else [self.retriever, self.language]
        if self.retriever != "lexical" and self.index != "exact":
            parts.append(self.index)
        return ", ".join([*parts, f"reranked by {self.reranker}"] if self.reranker else parts)


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote in reply to one message, whoever asked; its key decides all of it.

    Attributes:
        key: Hash of everything that made it (model, message, generation settings).
        prompt: The rendered user message.
        cut: True when generation stopped at the length limit.
    """

    key: str
    prompt: str
    text: str = ""
    prompt_tokens: int = 0
    tokens: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model wrote in reply to one question in one context.

    Attributes:
        passages: Ids of the passages that were in the prompt, in order.
        dropped_passages: How many passages of the context did not fit the context window.
    """

    question_id: str
    written: Written
    passages: tuple[str, ...] = ()
    dropped_passages: int = 0

    @property
    def text(self) -> str:
        """The answer."""
        return self.written.text

    @property
    def prompt(self) -> str:
        """The rendered user message."""
        return self.written.prompt


@dataclass(frozen=True, slots=True)
class Judgement:
    """One reply of the judge to one rendered message.

    Attributes:
        key: Hash of judge, rendered message, estimator and repeat.
        value: The score read from the reply, or None when it is unscored.
        mass: Probability on the legal scores before masking, or None where it is not observed.
        served_by: What the judge's server called itself in the reply; "" for a judge in process.
    """

    key: str
    repeat: int
    reply: str
    value: float | None
    mass: float | None = None
    served_by: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One answer under one criterion: the mean over its readable repeats.

    Attributes:
        value: The score in the criterion's range, or None when no repeat could be read.
        reason: The judge's reasoning of the first readable repeat.
        n_scored: Repeats that were read.
        n_unscored: Repeats that were not.
        spread: Standard deviation between readable repeats, or of the probabilities where one expectation was taken of
            them; 0.0 where neither is known.
    """

    criterion: str
    value: float | None
    reason: str = ""
    n_scored: int = 0
    n_unscored: int = 0
    spread: float = 0.0
