"""What test and confirm share with train and dev: the same or nearly the same documents, questions, answer passages."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ragft.data.similarity import Near, Runs, key_of, near_questions, words
from ragft.types import Document, Question, Split

Kind = Literal["document", "question", "passage"]
SEEN: tuple[Split, ...] = ("train", "dev")
HELD_OUT: tuple[Split, ...] = ("test", "confirm")
# A passage of fewer words ("Results", "Yes.") is found everywhere and gives nothing away.
LEAST_WORDS = 6
SHOWN_CHARS = 160


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that a held-out question shares with a question of train or dev.

    Attributes:
        same: True if equal word by word (for documents: equal, or with one id); False if nearly equal.
        score: Similarity in (0, 1]; 1.0 when it is the same.
        held_out: Id of the held-out question; ``seen``: id of the one in train or dev.
        held_out_text: The beginning of what is shared, in the held-out side's words.
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
        checked: How many held-out questions were looked at.
        asked_elsewhere: How many held-out questions are asked in the same words about other documents in train or dev.
            Where a question is about its document ("Which baselines do they use?"), this is no leak.
        moved: How many questions that the data set itself holds out went to ``test_seen``, because train or dev
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
        counts = Counter(f"{leak.kind}_{'same' if leak.same else 'near'}" for leak in self.leaks)
        return {f"{kind}_{how}": counts[f"{kind}_{how}"] for kind in KINDS for how in ("same", "near")}

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
        """Return the report as text: a line for each count and, for each kind, some examples."""
        lines = [f"{len(self.questions)} of {self.checked} held-out questions share something with train or dev"]
        for kind in KINDS:
            of_kind = [leak for leak in self.leaks if leak.kind == kind]
            same = sum(leak.same for leak in of_kind)
            lines.append(f"  {NOUNS[kind]}: {same} the same, {len(of_kind) - same} nearly the same")
            for leak in sorted(of_kind, key=lambda leak: (-leak.score, leak.held_out))[:examples]:
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
    """Part of a question: its own text, a document, or a passage with its answer; ``shown`` is how the text begins."""

    question: Question
    shown: str


_Group = Sequence[_Item]
"""Items whose texts are equal word by word."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Which questions of a data set have equal or nearly equal texts, measured once over the whole of it.

    How much a word weighs depends on the texts among which it is measured. The splitter and the leak check read the
    same numbers from here, so the check never refuses a division that the splitter made.

    Attributes:
        groups: For each kind, the items in groups of equal texts.
        near: For each kind, the pairs of these groups that are nearly the same.
        beginnings: The beginnings of the documents that questions name, by id.
    """

    groups: Mapping[Kind, Sequence[_Group]]
    near: Mapping[Kind, Sequence[Near]]
    beginnings: Mapping[str, str]


def compare(questions: Iterable[Question], documents: Iterable[Document] = ()) -> Likeness:
    """Return which questions are alike, whatever their order; only ``documents`` that they name count.

    Documents are read once, one at a time, and not kept in memory.
    """
    ordered = sorted(questions, key=lambda question: question.id)
    beginnings, alike_documents = _compare_documents(ordered, documents)
    alike = {
        "document": alike_documents,
        "question": _compare_questions(ordered),
        "passage": _compare_passages(ordered),
    }
    return Likeness(
        {kind: groups for kind, (groups, _) in alike.items()},  # type: ignore[misc]  # the keys are kinds
        {kind: near for kind, (_, near) in alike.items()},  # type: ignore[misc]
        beginnings,
    )


_Alike = tuple[list[_Group], list[Near]]


def _compare_documents(questions: Sequence[Question], documents: Iterable[Document]) -> tuple[dict[str, str], _Alike]:
    named = {name for question in questions for name in question.documents}
    keys: dict[str, bytes] = {}
    beginnings: dict[str, str] = {}
    ranks: dict[bytes, int] = {}
    runs = Runs()
    for document in documents:
        if document.id in named:
            text = document.text
            key = key_of(text)
            beginnings[document.id], keys[document.id] = _shown(text), key
            if key and key not in ranks:
                ranks[key] = len(ranks)
                runs.add(text)
    groups: list[list[_Item]] = [[] for _ in ranks]
    for question in questions:
        for name in question.documents:
            if keys.get(name):
                groups[ranks[keys[name]]].append(_Item(question, beginnings[name]))
    return beginnings, (list(groups), list(runs.near()))


def _compare_questions(questions: Sequence[Question]) -> _Alike:
    sharing = _by_key((question, question.text) for question in questions)
    # Capitals mark names, so of equal texts always the same one is measured.
    measured = [min(text for _, text in group) for group in sharing]
    return [_items(group) for group in sharing], list(near_questions(measured))


def _compare_passages(questions: Sequence[Question]) -> _Alike:
    texts = ((question, text) for question in questions for text in question.evidence)
    sharing = _by_key((question, text) for question, text in texts if len(words(text)) >= LEAST_WORDS)
    runs = Runs()
    for group in sharing:
        runs.add(group[0][1])
    return [_items(group) for group in sharing], list(runs.near())


def _by_key(texts: Iterable[tuple[Question, str]]) -> list[list[tuple[Question, str]]]:
    """Return questions and texts in groups of equal words, in an order that depends on the words alone."""
    sharing: defaultdict[bytes, list[tuple[Question, str]]] = defaultdict(list)
    for question, text in texts:
        sharing[key_of(text)].append((question, text))
    return [sharing[key] for key in sorted(sharing) if key]


def _items(group: Iterable[tuple[Question, str]]) -> list[_Item]:
    return [_Item(question, _shown(text)) for question, text in group]


def links(likeness: Likeness) -> list[tuple[str, str]]:
    """Return pairs of ids of questions that must stay in one split, for ``assign_splits(linked=...)``.

    They have (nearly) the same words, documents or answer passages. Not every such pair is listed, but all of
    them are connected.
    """
    pairs: dict[tuple[str, str], None] = {}
    for kind, groups in likeness.groups.items():
        hubs = [_hub(kind, group) for group in groups]
        for group, hub in zip(groups, hubs, strict=True):
            _connect(hub, group, pairs)
        for near in likeness.near[kind]:
            _connect(hubs[near.one], groups[near.other], pairs)
            _connect(hubs[near.other], groups[near.one], pairs)
    return list(pairs)


def _hub(kind: Kind, group: _Group) -> _Item | None:
    """Return the member that can be compared with any other; None where all are tied to documents, which join them."""
    return next((item for item in group if kind != "question" or not _bound(item)), None)


def _connect(hub: _Item | None, group: _Group, pairs: dict[tuple[str, str], None]) -> None:
    if hub is not None:
        for item in group:
            if item.question.id != hub.question.id:
                pairs[hub.question.id, item.question.id] = None


def find_leaks(splits: Mapping[Split, Sequence[Question]], likeness: Likeness) -> LeakReport:
    """Return what ``test`` and ``confirm`` share with ``train`` and ``dev``.

    ``likeness`` is that of the whole data set. ``test_seen`` is about documents of train by design and is not
    looked at.
    """
    sides = _Sides(splits)
    leaks = [*_shared_ids(splits, likeness.beginnings)]
    elsewhere: set[str] = set()
    for kind, groups in likeness.groups.items():
        for group in groups:
            leaks += _leaks(kind, sides.of(group), sides.of(group), 1.0, elsewhere)
        for near in likeness.near[kind]:
            one, other = sides.of(groups[near.one]), sides.of(groups[near.other])
            leaks += _leaks(kind, one, other, near.score, elsewhere, same=False)
            leaks += _leaks(kind, other, one, near.score, elsewhere, same=False)
    best: dict[tuple[str, Kind], Leak] = {}
    for leak in leaks:
        known = best.get((leak.held_out, leak.kind))
        if known is None or (leak.same, leak.score) > (known.same, known.score):
            best[leak.held_out, leak.kind] = leak
    moved = sum(question.split in HELD_OUT for question in splits.get("test_seen", ()))
    ordered = sorted(best.values(), key=lambda leak: (KINDS.index(leak.kind), leak.held_out))
    return LeakReport(tuple(ordered), len(sides.held_out), len(elsewhere), moved)


class _Sides:
    """Which questions are held out, and which are seen, in a division."""

    def __init__(self, splits: Mapping[Split, Sequence[Question]]) -> None:
        self.held_out = {question.id for split in HELD_OUT for question in splits.get(split, ())}
        self.seen = {question.id for split in SEEN for question in splits.get(split, ())}

    def of(self, group: _Group) -> tuple[list[_Item], list[_Item]]:
        """Return the members that are held out and those that are seen."""
        return (
            [item for item in group if item.question.id in self.held_out],
            [item for item in group if item.question.id in self.seen],
        )


def _shared_ids(splits: Mapping[Split, Sequence[Question]], beginnings: Mapping[str, str]) -> Iterator[Leak]:
    seen: dict[str, Question] = {}
    for split in SEEN:
        for question in splits.get(split, ()):
            for name in question.documents:
                seen.setdefault(name, question)
    for split in HELD_OUT:
        for question in splits.get(split, ()):
            for name in question.documents:
                if name in seen:
                    shown = _shown(f"{name}: {beginnings.get(name, '')}")
                    yield Leak("document", True, 1.0, question.id, seen[name].id, shown, shown)


def _leaks(
    kind: Kind,
    one: tuple[list[_Item], list[_Item]],
    other: tuple[list[_Item], list[_Item]],
    score: float,
    elsewhere: set[str],
    *,
    same: bool = True,
) -> Iterator[Leak]:
    """Yield a leak for each held-out item of ``one`` with a seen item of ``other``; note pairs that are not leaks."""
    (held_out, _), (_, seen) = one, other
    for item in held_out:
        mate = next((mate for mate in seen if _comparable(kind, item, mate)), None)
        if mate is not None:
            yield Leak(kind, same, score, item.question.id, mate.question.id, item.shown, mate.shown)
        elif seen:
            elsewhere.add(item.question.id)


def _comparable(kind: Kind, one: _Item, other: _Item) -> bool:
    """Return whether equal words mean the same; not where each question speaks of "the paper" and has its own."""
    if kind != "question" or not (_bound(one) and _bound(other)):
        return True
    return not set(one.question.documents).isdisjoint(other.question.documents)


def _bound(item: _Item) -> bool:
    return bool(item.question.metadata.get("bound_to_document"))


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 3] + "..."
