"""What test and confirm share with train and dev: documents, questions, answer passages, the same or nearly."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ragft.data.similarity import Near, groups_of, near_passages, near_questions, words
from ragft.types import Dataset, Document, Question, Split

Kind = Literal["document", "question", "passage"]
SEEN: tuple[Split, ...] = ("train", "dev")
HELD_OUT: tuple[Split, ...] = ("test", "confirm")
# A passage of fewer words ("Results", "Yes.") is found everywhere and gives nothing away.
LEAST_WORDS = 6
SHOWN_CHARS = 160


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that a held-out question shares with a question that training sees.

    Attributes:
        same: Equal word by word (for documents: of one id, or equal); otherwise nearly so.
        score: Similarity in (0, 1]; 1.0 when it is the same.
        held_out: Id of the held-out question; ``seen`` of the one in train or dev.
        held_out_text: The beginning of what is shared, as the held-out side has it.
    """

    kind: Kind
    same: bool
    score: float
    held_out: str
    seen: str
    held_out_text: str
    seen_text: str


@dataclass(frozen=True, slots=True)
class LeakReport:
    """All leaks of a division into splits: for each held-out question the closest of each kind.

    Attributes:
        checked: Held-out questions that were looked at.
        asked_elsewhere: Held-out questions whose words are asked of other documents in train or dev too. Where a
            question is about its document ("Which baselines do they use?") that is no leak.
        moved: Questions that the data set holds out itself and that went to ``test_seen``, because train or dev
            has questions about their documents.
    """

    leaks: tuple[Leak, ...]
    checked: int
    asked_elsewhere: int = 0
    moved: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.leaks

    @property
    def questions(self) -> frozenset[str]:
        """Ids of the held-out questions that leak."""
        return frozenset(leak.held_out for leak in self.leaks)

    def counts(self) -> dict[str, int]:
        """Return how many held-out questions leak, by kind and by how: ``{"question_same": 1, ...}``."""
        found = Counter(f"{leak.kind}_{'same' if leak.same else 'near'}" for leak in self.leaks)
        return {f"{kind}_{how}": found[f"{kind}_{how}"] for kind in KINDS for how in ("same", "near")}

    def as_json(self) -> dict[str, Any]:
        """Return the whole report as JSON values."""
        return {
            "checked": self.checked,
            "leaking": len(self.questions),
            "asked_elsewhere": self.asked_elsewhere,
            "moved_to_test_seen": self.moved,
            "counts": self.counts(),
            "leaks": [asdict(leak) for leak in self.leaks],
        }

    def text(self, examples: int = 3) -> str:
        """Return the report to be read: a line for each count and, for each kind, some examples."""
        lines = [f"{len(self.questions)} of {self.checked} held-out questions share something with train or dev"]
        for kind in KINDS:
            found = [leak for leak in self.leaks if leak.kind == kind]
            same = sum(leak.same for leak in found)
            lines.append(f"  {NOUNS[kind]}: {same} the same, {len(found) - same} nearly the same")
            for leak in sorted(found, key=lambda leak: (-leak.score, leak.held_out))[:examples]:
                lines.append(f"    {leak.score:.2f} {leak.held_out}: {leak.held_out_text}")
                lines.append(f"         {leak.seen}: {leak.seen_text}")
        if self.asked_elsewhere:
            lines.append(f"  {self.asked_elsewhere} ask of their document what train asks of another: no leak")
        if self.moved:
            lines.append(f"  {self.moved} held-out questions about documents of train were moved to test_seen")
        return "\n".join(lines)


NOUNS: Mapping[Kind, str] = {"document": "documents", "question": "questions", "passage": "answer passages"}
KINDS = tuple(NOUNS)


@dataclass(frozen=True, slots=True)
class _Item:
    """A text that a question has: itself, a document it asks about, or a passage with its answer."""

    question: Question
    text: str
    held_out: bool


def find_leaks(splits: Mapping[Split, Sequence[Question]], documents: Iterable[Document] = ()) -> LeakReport:
    """Return what ``test`` and ``confirm`` share with ``train`` and ``dev``.

    ``documents`` are those of the data set; only the ones that questions name are compared. ``test_seen`` is about
    documents of train by design and is not looked at.
    """
    questions = [(question, split in HELD_OUT) for split in (*SEEN, *HELD_OUT) for question in splits.get(split, ())]
    texts = {document.id: document.text for document in _named(documents, [question for question, _ in questions])}
    leaks = [*_shared_ids(questions, texts)]
    elsewhere: set[str] = set()
    for kind, items in _items(questions, texts).items():
        leaks += _leaks(kind, items, elsewhere)
    best: dict[tuple[str, Kind], Leak] = {}
    for leak in leaks:
        known = best.get((leak.held_out, leak.kind))
        if known is None or (leak.same, leak.score) > (known.same, known.score):
            best[leak.held_out, leak.kind] = leak
    moved = sum(question.split in HELD_OUT for question in splits.get("test_seen", ()))
    checked = sum(held_out for _, held_out in questions)
    ordered = sorted(best.values(), key=lambda leak: (KINDS.index(leak.kind), leak.held_out))
    return LeakReport(tuple(ordered), checked, len(elsewhere), moved)


def links(dataset: Dataset) -> list[tuple[str, str]]:
    """Return pairs of ids of questions that must not be divided, for ``assign_splits(linked=...)``.

    They have (nearly) the same words, documents or answer passages.
    """
    questions = [(question, False) for question in dataset.questions]
    texts = {document.id: document.text for document in _named(dataset.documents, dataset.questions)}
    found: dict[tuple[str, str], None] = {}
    for kind, items in _items(questions, texts).items():
        for one, other, _, _ in _pairs(kind, items, _chain):
            if one.question.id != other.question.id and _comparable(kind, one, other):
                found[one.question.id, other.question.id] = None
    return list(found)


def _named(documents: Iterable[Document], questions: Iterable[Question]) -> Iterator[Document]:
    named = {name for question in questions for name in question.documents}
    return (document for document in documents if document.id in named)


def _items(questions: Sequence[tuple[Question, bool]], texts: Mapping[str, str]) -> dict[Kind, list[_Item]]:
    """Return the texts to compare; a document once for each side that asks about it."""
    documents = {
        (name, held_out): _Item(question, texts[name], held_out)
        for question, held_out in questions
        for name in question.documents
        if name in texts
    }
    passages = [_Item(question, text, held_out) for question, held_out in questions for text in question.evidence]
    return {
        "document": list(documents.values()),
        "question": [_Item(question, question.text, held_out) for question, held_out in questions],
        "passage": [item for item in passages if len(words(item.text)) >= LEAST_WORDS],
    }


def _shared_ids(questions: Sequence[tuple[Question, bool]], texts: Mapping[str, str]) -> Iterator[Leak]:
    seen: dict[str, Question] = {}
    for question, held_out in questions:
        if not held_out:
            for name in question.documents:
                seen.setdefault(name, question)
    for question, held_out in questions:
        if held_out:
            for name in question.documents:
                if name in seen:
                    shown = _shown(f"{name}: {texts.get(name, '')}")
                    yield Leak("document", True, 1.0, question.id, seen[name].id, shown, shown)


Choose = Callable[[Sequence[_Item], Sequence[_Item]], Iterator[tuple[_Item, _Item]]]


def _pairs(kind: Kind, items: Sequence[_Item], choose: Choose) -> Iterator[tuple[_Item, _Item, bool, float]]:
    """Yield pairs of items that ``choose`` takes out of equal and out of nearly equal groups of items."""
    groups = [[items[rank] for rank in ranks] for ranks in groups_of([item.text for item in items]).values()]
    for group in groups:
        yield from ((one, other, True, 1.0) for one, other in choose(group, group))
    first = [group[0].text for group in groups]
    nearly: Iterator[Near] = near_questions(first) if kind == "question" else near_passages(first)
    for near in nearly:
        for one, other in choose(groups[near.one], groups[near.other]):
            yield one, other, False, near.score


def _chain(one: Sequence[_Item], other: Sequence[_Item]) -> Iterator[tuple[_Item, _Item]]:
    """Yield enough pairs to connect two groups, or the members of one."""
    if one is other:
        yield from itertools.pairwise(one)
    else:
        yield one[0], other[0]


def _leaks(kind: Kind, items: Sequence[_Item], elsewhere: set[str]) -> Iterator[Leak]:
    """Yield a leak for each held-out item with an item that training sees; note those that are none."""

    def across(one: Sequence[_Item], other: Sequence[_Item]) -> Iterator[tuple[_Item, _Item]]:
        sides = [(one, other)] if one is other else [(one, other), (other, one)]
        for held_out, seen in sides:
            for item in held_out:
                mates = [mate for mate in seen if item.held_out and not mate.held_out]
                leaking = next((mate for mate in mates if _comparable(kind, item, mate)), None)
                if leaking is not None:
                    yield item, leaking
                elif mates:
                    elsewhere.add(item.question.id)

    for item, mate, same, score in _pairs(kind, items, across):
        yield Leak(kind, same, score, item.question.id, mate.question.id, _shown(item.text), _shown(mate.text))


def _comparable(kind: Kind, one: _Item, other: _Item) -> bool:
    """Return whether equal words mean the same: not where questions speak of "the paper" and have another each."""
    if kind != "question":
        return True
    bound = one.question.metadata.get("bound_to_document") and other.question.metadata.get("bound_to_document")
    return not bound or not set(one.question.documents).isdisjoint(other.question.documents)


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 3] + "..."
