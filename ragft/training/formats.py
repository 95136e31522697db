"""What a training example shows beside its question: nothing, retrieved passages, or the evidence."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from ragft.errors import ConfigError
from ragft.types import UNANSWERABLE, Passage, Question, digest

Format = Literal["closed_book", "retrieved", "oracle", "raft"]
# What is learnt where the passages cannot answer, or nobody can, unless the base has words of its own for it.
REFUSAL = "The answer is not in the passages."
NO_ANSWER = "I do not know the answer."
ABSTENTIONS = (REFUSAL, NO_ANSWER)


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """A question, the passages it is asked with (none when closed-book), and the answer to learn.

    Attributes:
        ranks: The rank of each passage, 0 for the nearest to the question; empty where they are shown in that order.
        golden: The positions of the passages that the format shows for the evidence they hold.
    """

    question_id: str
    question: str
    passages: tuple[str, ...]
    answer: str
    ranks: tuple[int, ...] = ()
    golden: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Withheld:
    """Examples that teach to abstain: they show passages that cannot answer, and learn `REFUSAL`.

    Attributes:
        passages: Question id -> such passages; a question without an entry keeps its own.
        share: How many of the examples are made so, in [0, 1].
    """

    passages: Mapping[str, Sequence[Passage]] = field(default_factory=dict)
    share: float = 0.0


NOTHING_WITHHELD = Withheld()


def build_examples(
    questions: Sequence[Question],
    format: Format,  # noqa: A002 - the parameter's name
    *,
    retrieved: Mapping[str, Sequence[Passage]] | None = None,
    golden: Mapping[str, Sequence[Passage]] | None = None,
    withheld: Withheld = NOTHING_WITHHELD,
    without_golden: float = 0.0,
    seed: int = 0,
) -> list[TrainingExample]:
    """Return one example per question; it depends on the question and the seed alone, so subsets nest.

    Args:
        questions: The answer learnt is the first reference; where a question has no answer and the data say so by a
            mark alone, it is one of `ABSTENTIONS`, since a mark is nobody's way of saying it.
        format: closed_book shows no passages; retrieved the retrieved ones in their order; oracle the
            golden ones (none for a question without evidence); raft the golden ones among retrieved
            distractors, shuffled, as many as were retrieved (RAFT, arXiv 2403.10131).
        retrieved: Question id -> ranked passages; for retrieved and raft.
        golden: Question id -> passages that hold the evidence; for oracle and raft.
        withheld: Which examples show passages that cannot answer; none for closed_book, which shows none.
        without_golden: For raft, the share of examples whose golden passages are left out (the paper's 1 - P).
        seed: The seed of the draws, of raft's and of what is withheld.

    Raises:
        ConfigError: If the passages that a format needs were not given for a question.
    """
    if format not in get_args(Format):
        raise ConfigError(f"format is {format!r}, expected closed_book, retrieved, oracle or raft")
    examples = []
    for question in questions:
        if format != "closed_book" and _is_withheld(question, withheld, seed):
            texts = tuple(passage.text for passage in withheld.passages[question.id])
            examples.append(TrainingExample(question.id, question.text, texts, REFUSAL))
            continue
        evidence: Sequence[Passage] = ()
        shown: Sequence[Passage] = ()
        if format in ("oracle", "raft"):
            shown = evidence = _of(question, golden, "golden", format)
        if format in ("retrieved", "raft"):
            shown = _of(question, retrieved, "retrieved", format)
        if format == "raft":
            draw = random.Random(digest(["raft", seed, question.id]))
            shown = _mix(evidence, shown, without_golden, draw)
        examples.append(_example(question, shown, evidence, retrieved or {}))
    return examples


def _is_withheld(question: Question, withheld: Withheld, seed: int) -> bool:
    draw = random.Random(digest(["withheld", seed, question.id]))
    return question.id in withheld.passages and draw.random() < withheld.share


def _example(
    question: Question,
    shown: Sequence[Passage],
    evidence: Sequence[Passage],
    retrieved: Mapping[str, Sequence[Passage]],
) -> TrainingExample:
    gold = {passage.id for passage in evidence}
    rank = {passage.id: number for number, passage in enumerate(retrieved.get(question.id, ()))}
    return TrainingExample(
        question.id,
        question.text,
        tuple(passage.text for passage in shown),
        _answer(question, shown),
        tuple(rank.get(passage.id, len(rank)) for passage in shown),
        tuple(place for place, passage in enumerate(shown) if passage.id in gold),
    )


def _answer(question: Question, shown: Sequence[Passage]) -> str:
    if question.answerable or question.references != (UNANSWERABLE,):
        return question.references[0]
    return REFUSAL if shown else NO_ANSWER


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
    """Return as many passages as were retrieved (more only if more are golden), in random order."""
    golden_ids = {passage.id for passage in golden}
    distractors = [passage for passage in retrieved if passage.id not in golden_ids]
    kept = [] if draw.random() < without else list(golden)
    mixed = [*kept, *distractors[: max(0, len(retrieved) - len(kept))]]
    draw.shuffle(mixed)
    return mixed
