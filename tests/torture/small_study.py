"""The studies that are killed: two adapters of a random little model over eight documents, or two of SmolLM2."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny_model import make_tiny_model

ROOT = Path(__file__).resolve().parents[2]
TOWNS = ("Aldor", "Brenk", "Corvin", "Dunmar", "Elsby", "Fernau", "Galten", "Harrow")
RIVERS = ("Ister", "Morva", "Selke", "Tarn", "Ulde", "Vanne", "Wirra", "Yrsa")
DAYS = ("Monday", "Tuesday", "Friday", "Sunday")


def make_data(folder: Path) -> dict[str, Any]:
    """Write eight documents and three questions of each under ``folder`` and return the parameters that name them."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    rows: list[dict[str, str]] = []
    for number, (town, river) in enumerate(zip(TOWNS, RIVERS, strict=True)):
        year, day = 1200 + 37 * number, DAYS[number % len(DAYS)]
        text = f"# {town}\n\n{town} lies on the river {river}. It was founded in {year}. Its market is on {day}.\n"
        (documents / f"{town}.md").write_text(text, encoding="utf-8")
        asked = {
            f"On which river does {town} lie?": river,
            f"When was {town} founded?": str(year),
            f"On which day is the market of {town} held?": day,
        }
        rows += [{"question": q, "answer": answer, "document": f"{town}.md"} for q, answer in asked.items()]
    questions = folder / "questions.jsonl"
    questions.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return {"dataset": "rows", "path": questions, "documents": documents}


def make_study(folder: Path) -> dict[str, Any]:
    """Write data and base under ``folder`` and return the parameters of the study."""
    return {
        **make_data(folder),
        "base": make_tiny_model(folder / "base"),
        "format": "closed_book",
        "samples": 4,
        "epochs": 2,
        "learning_rate": 0.01,
        "seeds": "0,1",
        "context": "none,retrieved",
        "questions": 4,
        "agreement": 0,
        "max_new_tokens": 8,
    }


def smollm2_study(_: Path) -> dict[str, Any]:
    """Return the parameters of a study of the preset ``real`` that is small enough to be run many times."""
    return {
        "preset": "real",
        "dataset": "squad",
        "path": ROOT / "tests" / "data" / "squad",
        "base": "smollm2",
        "unanswerable_share": "0.0",
        "samples": 8,
        "epochs": 1,
        "seeds": "0",
        "questions": 12,
        "dev_questions": 4,
        "max_new_tokens": 16,
    }


STUDIES: dict[str, Callable[[Path], dict[str, Any]]] = {"tiny": make_study, "smollm2": smollm2_study}


def words_of(params: dict[str, Any], out: Path) -> list[str]:
    """Return the command, which is the same at every attempt."""
    given = [word for key, value in {**params, "export": out}.items() for word in (f"--{key}", str(value))]
    return [sys.executable, "-m", "entrypoints.study", *given]
