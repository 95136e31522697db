"""What a training example shows beside its question: nothing, retrieved passages, or the evidence."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ragft.errors import ConfigError
from ragft.types import Passage, Question, digest

Format = Literal["closed_book", "retrieved", "oracle", "raft"]


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A question, the passages it is asked with (none when closed-book), and the answer to learn."""

    question_id: str
    question: str
    passages: tuple[str, ...]
    answer: str


def build_examples(
    questions: Sequence[Question],
    format: Format,  # noqa: A002 - the parameter's name
    *,
    retrieved: Mapping[str, Sequence[Passage]] | None = None,
    golden: Mapping[str, Sequence[Passage]] | None = None,
    without_golden: float = 0.0,
    seed: int = 0,
) -> list[TrainingExample]:
    """Return one example a question; what a question gets depends on it and the seed alone, so subsets nest.

    Args:
        questions: The answer learnt is the first reference.
        format: closed_book shows no passages; retrieved the retrieved ones in their order; oracle the
            golden ones (none for a question without evidence); raft the golden ones among retrieved
            distractors, shuffled, as many as were retrieved (RAFT, arXiv 2403.10131).
        retrieved: Question id -> ranked passages; for retrieved and raft.
        golden: Question id -> passages that hold the evidence; for oracle and raft.
        without_golden: raft: share of examples whose golden passages are left out (the paper's 1 - P), in [0, 1].
        seed: Of raft's draws.

    Raises:
        ConfigError: If the passages that a format needs were not given for a question.
    """
    shown: dict[str, Sequence[Passage]]
    if format == "closed_book":
        shown = {question.id: () for question in questions}
    elif format == "retrieved":
        shown = {question.id: _of(question, retrieved, "retrieved", format) for question in questions}
    elif format == "oracle":
        shown = {question.id: _of(question, golden, "golden", format) for question in questions}
    elif format == "raft":
        shown = {
            question.id: _mix(
                _of(question, golden, "golden", format),
                _of(question, retrieved, "retrieved", format),
                without_golden,
                random.Random(digest(["raft", seed, question.id])),
            )
            for question in questions
        }
    else:
        raise ConfigError(f"format is {format!r}, expected closed_book, retrieved, oracle or raft")
    return [
        TrainingExample(q.id, q.text, tuple(passage.text for passage in shown[q.id]), q.references[0])
        for q in questions
    ]


def _of(
    question: Question,
    passages: Mapping[str, Sequence[Passage]] | None,
    kind: str,
    format: str,  # noqa: A002
) -> Sequence[Passage]:
    if passages is None or question.id not in passages:
        raise ConfigError(f"format {format} needs the {kind} passages of every question; {question.id} has none given")
    return passages[question.id]


def _mix(golden: Sequence[Passage], retrieved: Sequence[Passage], without: float, draw: random.Random) -> list[Passage]:
    """Return as many passages as were retrieved (more only where more are golden), in random order."""
    golden_ids = {passage.id for passage in golden}
    distractors = [passage for passage in retrieved if passage.id not in golden_ids]
    kept = [] if draw.random() < without else list(golden)
    mixed = [*kept, *distractors[: max(0, len(retrieved) - len(kept))]]
    draw.shuffle(mixed)
    return mixed
