"""Says while data are prepared, not a day later, whether what will be retrieved fits the base's context window."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence

from entrypoints.steps.shared.bases import require_base
from ragft.errors import PrerequisiteError
from ragft.models.chat import prompt_ids
from ragft.models.window import Reader, read_window
from ragft.params.scoring import EvaluateParams
from ragft.prompts.answer import load_answer_prompt
from ragft.retrieval.chunking import chunk
from ragft.types import Dataset

# Only this much is looked at; documents of any number and length are prepared.
DOCUMENTS, PASSAGES, QUESTIONS = 50, 200, 40
LEAST_CHARS = 100


def warning(dataset: Dataset, chunk_chars: int, top_k: int, base: str, revision: str = "") -> str:
    """Return what is left out of the messages, and the way out; "" if everything fits or the base is not here."""
    try:
        reader = read_window(require_base(base, revision).folder)
    except (PrerequisiteError, OSError, ValueError):
        # A base that is missing or cannot be read is refused, with its reason, by the step that needs it.
        return ""
    texts = _texts(dataset, chunk_chars)
    questions = [question.text for question in dataset.questions[:QUESTIONS]]
    if not texts or not questions:
        return ""
    room = reader.window - EvaluateParams().max_new_tokens
    kept = [
        _fitting(reader, question, [texts[(number * top_k + place) % len(texts)] for place in range(top_k)], room)
        for number, question in enumerate(questions)
    ]
    if min(kept) >= top_k:
        return ""
    return (
        f"warning: with passages of up to {chunk_chars:,} characters, about {statistics.fmean(kept):.1f} of the "
        f"{top_k} retrieved for a question fit {base}'s window of {reader.window:,} tokens beside question and answer; "
        f"the rest would be left out. {_way_out(reader, texts, questions, top_k, room, min(kept))}"
    )


def _texts(dataset: Dataset, chunk_chars: int) -> list[str]:
    """Return the passages of documents from all over the data set."""
    step = max(1, len(dataset.documents) // DOCUMENTS)
    chosen = (dataset.documents[place] for place in range(0, len(dataset.documents), step))
    each = PASSAGES // DOCUMENTS
    found = []
    for document in itertools.islice(chosen, DOCUMENTS):
        # A document may be a gigabyte: only its beginning is cut into passages.
        start = document.text[: (each + 1) * chunk_chars].split("\n\n")
        short = dataclasses.replace(document, paragraphs=tuple(part for part in start if part.strip()))
        found += chunk(short, chunk_chars)[:each]
    return [passage.text for passage in found]


def _fitting(reader: Reader, question: str, texts: Sequence[str], room: int) -> int:
    """Return how many of the passages fit, the last ones left out first."""
    render = load_answer_prompt().render
    fits = (kept for kept in range(len(texts), 0, -1) if _size(reader, render(question, texts[:kept])) <= room)
    return next(fits, 0)


def _way_out(reader: Reader, texts: Sequence[str], questions: Sequence[str], top_k: int, room: int, least: int) -> str:
    empty = max(_size(reader, load_answer_prompt().render(question, ["."] * top_k)) for question in questions)
    densest = max(_size(reader, text) / len(text) for text in texts)
    chars = int((room - empty) / top_k / densest) // 50 * 50
    ways = [f"Prepare with -P chunk_chars={chars}"] if chars >= LEAST_CHARS else []
    ways += [f"retrieve fewer (-P top_k={least})"] if least else []
    said = ", ".join([*ways, "use a base with a larger window"])
    return f"{said[:1].upper()}{said[1:].replace(', use', ', or use')}."


def _size(reader: Reader, message: str) -> int:
    return len(prompt_ids(reader.tokenizer, message))
