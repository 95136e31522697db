"""What a user looks at before using questions: their kinds, those asked twice, and some examples."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from ragft.data.record_files import MOST_NAMED
from ragft.data.similarity import words
from ragft.types import Dataset, Document, Question

SAMPLES = 3
SHOWN_CHARS = 100


def question_lines(dataset: Dataset) -> list[str]:
    """Return the number of questions, their kinds and splits, those asked twice, and three of them."""
    questions = dataset.questions
    without = sum(not question.answerable for question in questions)
    lines = [f"{len(questions)} questions, {len(questions) - without} with an answer, {without} without"]
    for noun, values in (("kind", [q.kind for q in questions]), ("split", [q.split for q in questions])):
        missing = f"no {noun} given"
        counts = Counter(value or missing for value in values)
        if set(counts) != {missing}:
            lines.append(f"  {noun}s: {', '.join(f'{name} {count}' for name, count in counts.most_common())}")
    lines += [*_asked_twice(questions), *_naming(dataset)]
    for question in questions[:SAMPLES]:
        lines += _sample(question)
    return lines


def _asked_twice(questions: Sequence[Question]) -> list[str]:
    sharing: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for question in questions:
        sharing[words(question.text)].append(question.id)
    twice = [ids for ids in sharing.values() if len(ids) > 1]
    if not twice:
        return []
    named = "; ".join(", ".join(ids[:MOST_NAMED]) for ids in twice[:MOST_NAMED])
    return [f"  asked more than once: {len(twice)} questions ({named}{'; ...' if len(twice) > MOST_NAMED else ''})"]


def _naming(dataset: Dataset) -> list[str]:
    """Return how many questions name documents, and which documents no question asks about."""
    if not dataset.documents:
        return []
    named = {name for question in dataset.questions for name in question.documents}
    without = sum(not question.documents for question in dataset.questions)
    lines = [f"  {len(named)} of {len(dataset.documents)} documents are asked about"]
    if without:
        lines.append(
            f"  {without} questions name no document: whether the right one is found cannot be measured for them"
        )
    return lines


def _sample(question: Question) -> list[str]:
    parts = {
        "question": question.text,
        "answer": " | ".join(question.references),
        "documents": ", ".join(question.documents),
        "evidence": " | ".join(question.evidence),
    }
    return [f"  {question.id}", *(f"    {name}: {_shown(text)}" for name, text in parts.items() if text)]


def evidence_lines(questions: Sequence[Question], documents: Iterable[Document]) -> list[str]:
    """Return which questions have evidence that occurs in none of their documents, which are read once."""
    asked: defaultdict[str, list[Question]] = defaultdict(list)
    for question in questions:
        for name in question.documents if question.evidence else ():
            asked[name].append(question)
    lost = {(question.id, text) for sharing in asked.values() for question in sharing for text in question.evidence}
    count = len(lost)
    for document in documents:
        if document.id in asked:
            flat = " ".join(document.text.split())
            lost -= {(q.id, text) for q in asked[document.id] for text in q.evidence if " ".join(text.split()) in flat}
    if not count:
        return []
    ids = list(dict.fromkeys(identifier for identifier, _ in sorted(lost)))
    named = f" ({', '.join(ids[:MOST_NAMED])}{', ...' if len(ids) > MOST_NAMED else ''})" if ids else ""
    return [f"evidence: {count - len(lost)} of {count} texts stand in a document that their question names{named}"]


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 3] + "..."
