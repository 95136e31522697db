"""SQuAD 2.0 and 1.1: questions about paragraphs of Wikipedia, answered by spans of them, or not at all.

Read from the original layout (articles with paragraphs with questions), the hub's columns, JSON lines of either, and
Parquet.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragft.data.collector import Collector
from ragft.data.files import JSON_SUFFIXES, PARQUET_SUFFIXES, records_by_split
from ragft.data.record_files import Fields, Problems, Record, named_places, shown
from ragft.types import ARTICLE, SCORER, UNANSWERABLE, Document, Question, Split, digest

NAME = "squad"
SUFFIXES = JSON_SUFFIXES + PARQUET_SUFFIXES
EXPECTED = (
    "SQuAD 2.0 or 1.1: data, a list of articles with title and paragraphs (the original layout), or rows with id, "
    "title, context, question and answers (the hub's columns)"
)
# Up to a full stop, or whatever closes a sentence, before white space.
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”’»)\]]*(?=\s)|$)", re.DOTALL)


def read(path: Path) -> Collector:
    """Read a file, or every JSON and Parquet file of a folder, into paragraphs and questions.

    A document is a paragraph with its article's title. A question's references are the annotators' answers, equal
    ones once; plausible answers are no answers and are kept in the metadata. Its evidence is the sentences in which
    the answers stand. The metadata say which article it belongs to: a split keeps articles whole.

    Raises:
        ConfigError: If nothing is at ``path``.
        DataError: With every bad record, or when no question has an answer.
    """
    collector = Collector(Problems(), name=NAME)
    read_parts(records_by_split(path, SUFFIXES, collector.problems), collector)
    return collector.finish(path, EXPECTED)


def read_parts(parts: Iterable[tuple[Split | None, Iterator[Record]]], collector: Collector) -> None:
    """Add the questions of each split, and their paragraphs."""
    reader = _Reader(collector)
    for split, records in parts:
        for record in records:
            row = Fields(record.value, record.place, collector.problems, "articles of SQuAD, or a row of it")
            if row.valid:
                reader.add(row, split)
    reader.account()


@dataclass
class _Reader:
    """What was read so far.

    Attributes:
        taken: Id -> the question that has it, and its place.
        untitled: Paragraphs without a title.
        moved: Answers that stand elsewhere than their ``answer_start`` says.
    """

    collector: Collector
    taken: dict[str, tuple[Question, str]] = field(default_factory=dict)
    untitled: set[str] = field(default_factory=set)
    moved: int = 0

    def add(self, row: Fields, split: Split | None) -> None:
        """Add a record: a file in the original layout, an article of one, or a row in the hub's columns."""
        if "data" in row.values:
            for article in row.children("data", "article"):
                self._add_article(article, split)
        elif "paragraphs" in row.values:
            self._add_article(row, split)
        else:
            title = row.text("title", required=False).strip()
            self._add_question(row, self._paragraph(row, title), title, split, empty_is_unanswerable=True)

    def account(self) -> None:
        """Note what a person should know; if no question has an answer, that is a problem."""
        problems, notes = self.collector.problems, self.collector.notes
        questions = [question for question, _ in self.taken.values()]
        without = sum(not question.answerable for question in questions)
        if questions and without == len(questions) and not problems.count:
            problems.add(
                NAME, f"none of the {without} questions has an answer: nothing can be learned from these alone"
            )
        if without:
            notes.append(
                f"{without} of {len(questions)} questions have no answer in their paragraph: right is who says so"
            )
        if self.untitled:
            notes.append(
                f"{len(self.untitled)} paragraphs have no title; where articles are not listed either, a split may "
                "divide the paragraphs of one"
            )
        if self.moved:
            notes.append(f"{self.moved} answers stand elsewhere in their paragraph than answer_start says")

    def _add_article(self, article: Fields, split: Split | None) -> None:
        if not article.valid:
            return
        title = article.text("title", required=False).strip()
        whole = title
        for paragraph in article.children("paragraphs", "paragraph"):
            document = self._paragraph(paragraph, title)
            # An article without a title is known by its first paragraph.
            whole = whole or document.id
            for question in paragraph.children("qas", "question"):
                self._add_question(question, document, whole, split, empty_is_unanswerable=False)

    def _paragraph(self, row: Fields, title: str) -> Document:
        """Return the document of a row or paragraph, added; its text is kept as it is, since answers count in it."""
        context = row.text("context")
        identifier = f"{title or 'paragraph'}-{digest([title, context])[:12]}"
        document = Document(identifier, title.replace("_", " "), (context,))
        if context.strip():
            self.collector.add_document(document, row.place, shared=True)
            if not title:
                self.untitled.add(identifier)
        return document

    def _add_question(
        self, row: Fields, document: Document, article: str, split: Split | None, *, empty_is_unanswerable: bool
    ) -> None:
        if not row.valid:
            return
        identifier, text = row.identifier("id"), row.text("question").strip()
        answers = self._answers(row, document.paragraphs[0])
        impossible = _impossible(row, answers, empty_is_unanswerable=empty_is_unanswerable)
        metadata: dict[str, Any] = {SCORER: NAME} | ({ARTICLE: article} if article else {})
        if not impossible:
            metadata["short_answers"] = list(answers)
        elif plausible := _plausible(row):
            metadata["plausible_answers"] = plausible
        question = Question(
            id=identifier,
            text=text,
            references=(UNANSWERABLE,) if impossible else tuple(answers),
            documents=(document.id,),
            evidence=() if impossible else tuple(dict.fromkeys(answers.values())),
            kind="unanswerable" if impossible else "extractive",
            answerable=not impossible,
            split=split,
            metadata=metadata,
        )
        known, place = self.taken.setdefault(identifier, (question, row.place))
        if known == question:
            self.collector.add_question(question, row.place)
        elif identifier:
            same = f"has the id {shown(identifier)} of another question ({named_places([place], 1)})"
            row.problems.add(row.place, f"{same}; give every question an id of its own", "duplicate id")

    def _answers(self, row: Fields, context: str) -> dict[str, str]:
        """Return answer -> the sentence in which it stands; one that stands nowhere in the paragraph is a problem."""
        found: dict[str, str] = {}
        for answer in row.children("answers", "answer", required=False):
            text = answer.text("text")
            start = answer.whole("answer_start") if answer.value("answer_start") is not None else None
            place = start if start is not None and context[start : start + len(text)] == text else context.find(text)
            if not text.strip():
                continue
            if place < 0:
                answer.problems.add(
                    answer.place,
                    f"is {shown(text)}, which does not stand in the paragraph: an answer is a span of it",
                    "answer outside the paragraph",
                )
                continue
            self.moved += start is not None and place != start
            found.setdefault(text.strip(), _sentences(context, place, place + len(text)))
        return found


def _impossible(row: Fields, answers: Mapping[str, str], *, empty_is_unanswerable: bool) -> bool:
    """Return whether a question has no answer; the original layout says so, the hub's columns leave the list empty."""
    flag, given = row.flag("is_impossible"), row.value("answers")
    listed = given.get("text") if isinstance(given, Mapping) else given
    if flag and answers:
        row.problems.add(row.place, "has is_impossible true and answers; plausible ones belong into plausible_answers")
    if flag is None and empty_is_unanswerable and given is not None:
        return not listed
    if not flag and not listed:
        row.problems.add(
            row.place,
            "has no answer (field 'answers') and is not is_impossible; a test set without answers cannot be trained "
            "on or evaluated",
        )
    return bool(flag)


def _plausible(row: Fields) -> list[str]:
    """Return what looks like an answer and is none."""
    found = (
        answer.text("text", required=False) for answer in row.children("plausible_answers", "answer", required=False)
    )
    return list(dict.fromkeys(text.strip() for text in found if text.strip()))


def _sentences(context: str, start: int, end: int) -> str:
    """Return the sentences that a span touches, as one text of the paragraph."""
    touched = [m.span() for m in _SENTENCE.finditer(context) if m.start() < end and m.end() > start]
    return context[touched[0][0] : touched[-1][1]].strip() if touched else context.strip()
