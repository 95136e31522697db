"""The page on which a person grades answers: one HTML file that works offline and saves what the sheet would hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ragft.judging.g_eval import Item
from ragft.prompts.criterion import Criterion
from ragft.report.packing import embeddable
from ragft.report.sealed import PLACE, policy_of, text_of, with_data
from ragft.report.words import clean
from ragft.types import digest

# What grades, in the order of a criterion's labels where these are no single digits; n, p and s do other things.
KEYS = "123456789abcdefghijklmoqrtuvwxyz"


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One answer to be graded.

    Attributes:
        cells: The row of the sheet, one for each of its columns; those of the criteria are empty.
        item: The same as the person reads it; nothing in it says which model answered.
    """

    cells: tuple[str, ...]
    item: Item


def render(title: str, columns: Sequence[str], rows: Sequence[LabelRow], criteria: Sequence[Criterion]) -> str:
    """Return the page.

    Every text may be hostile: it is data that no browser reads as a script or a tag, and a content security policy
    allows the page's own script and style and nothing else.

    Args:
        title: What is graded, in a few words.
        columns: Headings of the sheet, the criteria's and the annotator's among them.
        rows: In the order in which they are shown.
        criteria: Each has a column that begins with its name.
    """
    css, script = text_of("page.css") + text_of("label.css"), text_of("label.js")
    data = {
        "title": title,
        "columns": list(columns),
        "criteria": [_criterion(criterion, columns) for criterion in criteria],
        "rows": [_row(row) for row in rows],
    }
    # Under this name the browser keeps what was graded until it is saved.
    data["id"] = digest(data)
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(text_of("label.html.jinja"))
    shown = {"title": clean(title), "css": Markup(css), "script": Markup(script), "place": Markup(PLACE)}
    return with_data(template.render(**shown, policy=policy_of(script, css)), embeddable(data))


def _criterion(criterion: Criterion, columns: Sequence[str]) -> dict[str, Any]:
    labels = list(criterion.scores)
    keys = labels if all(len(label) == 1 and label.isdigit() for label in labels) else KEYS[: len(labels)]
    (column,) = [place for place, name in enumerate(columns) if name.startswith(f"{criterion.name} (")]
    return {
        "name": criterion.name,
        "asks": criterion.definition,
        "column": column,
        "labels": [[key, label, criterion.meanings[label]] for key, label in zip(keys, labels, strict=True)],
    }


def _row(row: LabelRow) -> dict[str, Any]:
    return {
        "cells": [clean(text) for text in row.cells],
        "question": clean(row.item.question),
        "references": [clean(text) for text in row.item.references],
        "passages": [clean(text) for text in row.item.passages],
        "answer": clean(row.item.answer),
    }
