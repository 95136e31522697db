"""Natural Questions with its pages: the simplified format, and the copy on the Hugging Face hub.

The spans of answers count the tokens of ``document_text.split(" ")``; tokens that are HTML tags are not text.
"""

import html
import re
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ragft.data.collector import Collector
from ragft.data.record_files import Fields
from ragft.types import UNANSWERABLE, Document, Question, Split

# NQ-open keeps answers of at most five tokens as short ones.
SHORT_TOKENS = 5
# With five annotators the official evaluation asks for two who gave an answer.
SEVERAL_ANNOTATORS = 3
OTHER_TAG = "other"
_TAG = re.compile(r"^</?([A-Za-z][A-Za-z0-9]*)(?:[_\s][^>]*)?/?>$")
# Tags that begin or end a paragraph of their own, and tags that begin a line inside one.
_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl"})
_NESTING = frozenset({"table", "ul", "ol", "dl"})
_LINES = frozenset({"tr", "li", "dd", "dt", "p", "br"})


class Token(NamedTuple):
    """A token of a page; ``tag`` is "p", "/p" and so on for HTML, "" for text."""

    text: str
    tag: str


@dataclass(frozen=True, slots=True)
class _Annotation:
    """What one annotator marked: texts of the long answer, short ones joined, yes or no; "" for none."""

    long: str
    short: str
    yes_no: str
    short_tokens: int


def is_page(row: Fields) -> bool:
    """Return whether the record includes a page."""
    return "document_text" in row.values or "document_tokens" in row.values or "document" in row.values


def add_page(row: Fields, split: Split | None, collector: Collector) -> None:
    """Add the page and the question of one record.

    The page's title is the first id of the question's documents, even when the page is another revision of an
    earlier one and so has an id of its own: revisions of a page belong together.
    """
    found = row.problems.count
    identifier = row.identifier("example_id", "id")
    question = row.child("question") if "question" in row.values else row
    text = question.text("question_text", "text").strip()
    page = row.child("document") if "document" in row.values else row
    tokens = _tokens(page)
    annotations = [_annotation(mark, tokens) for mark in row.children("annotations", "annotation") if mark.valid]
    if not annotations and row.problems.count == found:
        row.wrong("annotations", "at least one annotation")
    document = _document(page, identifier, tokens)
    if not document.paragraphs and row.problems.count == found:
        row.wrong("document_text", "a text with words")
    if row.problems.count > found:
        return
    title = document.id
    known = collector.documents.get(title)
    if known is not None and known != document:
        document = Document(f"{title} (page of {identifier})", document.title, document.paragraphs)
    collector.add_document(document, row.place, shared=True)
    documents = tuple(dict.fromkeys((title, document.id)))
    collector.add_question(_question(identifier, text, documents, annotations, split), row.place)


def _tokens(page: Fields) -> list[Token]:
    """Return the tokens of a page; the copy on the hub and the original say themselves which are HTML."""
    name = "document_tokens" if "document_tokens" in page.values else "tokens"
    if name not in page.values:
        return [Token(text, _tag_of(text)) for text in page.text("document_text").split(" ")]
    marked = [(token.text("token", required=False), token) for token in page.children(name, "token")]
    return [
        Token(text, (_tag_of(text) or OTHER_TAG) if token.values.get("is_html", token.values.get("html_token")) else "")
        for text, token in marked
    ]


def _tag_of(text: str) -> str:
    match = _TAG.match(text)
    return f"{'/' if text.startswith('</') else ''}{match[1].lower()}" if match else ""


def _document(page: Fields, identifier: str, tokens: Sequence[Token]) -> Document:
    url = page.text("document_url", "url", required=False)
    title = page.text("document_title", "title", required=False).strip() or _title_of(url)
    return Document(title or f"page of {identifier}", title, tuple(paragraphs_of(tokens)))


def _title_of(url: str) -> str:
    """Return the title in the URL of a Wikipedia page, whose ampersands may be escaped."""
    parts = urllib.parse.urlsplit(html.unescape(url))
    in_path = urllib.parse.unquote(parts.path.partition("/wiki/")[2])
    return urllib.parse.parse_qs(parts.query).get("title", [in_path])[0].replace("_", " ").strip()


def paragraphs_of(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the text between block tags: a paragraph, heading, list or table each, their rows as lines."""
    lines: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        if not token.tag:
            lines[-1] += [token.text] if token.text else []
            continue
        closing, name = token.tag.startswith("/"), token.tag.removeprefix("/")
        # A list in a table, or a paragraph in a list, is part of the block around it.
        if name in _BLOCKS and depth == (1 if closing and name in _NESTING else 0):
            if text := _joined(lines):
                yield text
            lines = [[]]
        elif name in _LINES and not closing:
            lines.append([])
        if name in _NESTING:
            depth = max(0, depth - 1) if closing else depth + 1
    if text := _joined(lines):
        yield text


def _joined(lines: list[list[str]]) -> str:
    return "\n".join(" ".join(line) for line in lines if line)


def _text_of(tokens: Sequence[Token]) -> str:
    return "\n".join(paragraphs_of(tokens))


def _annotation(mark: Fields, tokens: Sequence[Token]) -> _Annotation:
    long = _span(mark.child("long_answer"), tokens, "long_answer", may_be_none=True)
    spans = [
        _span(span, tokens, "short answer") for span in mark.children("short_answers", "short answer") if span.valid
    ]
    short = list(dict.fromkeys(text.replace("\n", " ") for text in spans if text))
    return _Annotation(long, ", ".join(short), _yes_no(mark), max((len(text.split()) for text in short), default=0))


def _span(span: Fields, tokens: Sequence[Token], noun: str, *, may_be_none: bool = False) -> str:
    start, end = span.whole("start_token"), span.whole("end_token")
    if start is None or end is None:
        return ""
    if may_be_none and start == -1:
        return ""
    if not 0 <= start < end <= len(tokens):
        expected = f"a span inside the {len(tokens)} tokens of the page"
        span.problems.add(span.place, f"the {noun} is tokens {start} to {end}, expected {expected}")
        return ""
    return _text_of(tokens[start:end])


def _yes_no(mark: Fields) -> str:
    """Return "Yes", "No" or "": written out in the original, a class (-1, 0, 1) on the hub."""
    value = mark.values.get("yes_no_answer", "NONE")
    answers = {"YES": "Yes", "NO": "No", "NONE": "", "": "", "1": "Yes", "0": "No", "-1": ""}
    key = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(key, str) or key.upper() not in answers:
        mark.wrong("yes_no_answer", "YES, NO or NONE")
        return ""
    return answers[key.upper()]


def _question(
    identifier: str, text: str, documents: tuple[str, ...], annotations: Sequence[_Annotation], split: Split | None
) -> Question:
    """Make the question; short answers and yes or no take precedence over long ones.

    With three or more annotators, at least two must have answered; else one.
    """
    needed = 2 if len(annotations) >= SEVERAL_ANNOTATORS else 1
    answered = [mark for mark in annotations if mark.long or mark.short or mark.yes_no]
    brief = [(mark.short or mark.yes_no, "short" if mark.short else "yes_no") for mark in answered]
    given = [pair for pair in brief if pair[0]] or [(mark.long, "long") for mark in answered]
    answerable = len(answered) >= needed
    short = [mark.short for mark in answered if 0 < mark.short_tokens <= SHORT_TOKENS]
    return Question(
        id=identifier,
        text=text,
        references=tuple(dict.fromkeys(answer for answer, _ in given)) if answerable else (UNANSWERABLE,),
        documents=documents,
        evidence=tuple(dict.fromkeys(mark.long for mark in answered if mark.long)) if answerable else (),
        kind=given[0][1] if answerable else "unanswerable",
        answerable=answerable,
        split=split,
        metadata={"short_answers": list(dict.fromkeys(short))} if answerable and short else {},
    )
