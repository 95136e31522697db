"""The layouts in which people keep Qasper, written from the original one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

Papers = dict[str, Any]
DATA = Path(__file__).parents[2] / "data"
PAPERS = DATA / "qasper" / "qasper-4papers-v0.3.json"


def columns(rows: Sequence[Mapping[str, Any]], names: list[str]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}


def columnar(identifier: str, paper: Mapping[str, Any]) -> dict[str, Any]:
    """One paper as the Hugging Face copy holds it: objects of equally long columns."""
    questions = []
    for question in paper["qas"]:
        answers = {
            "answer": [row["answer"] for row in question["answers"]],
            "annotation_id": [row.get("annotation_id", "") for row in question["answers"]],
        }
        questions.append({**question, "answers": answers})
    return {
        "id": identifier,
        "title": paper["title"],
        "abstract": paper["abstract"],
        "full_text": columns(paper["full_text"], ["section_name", "paragraphs"]),
        "qas": columns(questions, ["question", "question_id", "answers"]),
    }


def in_rows(identifier: str, paper: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": identifier, **paper}


def write_original(papers: Papers, folder: Path) -> Path:
    path = folder / "papers.json"
    path.write_text(json.dumps(papers), encoding="utf-8")
    return path


def write_indented(papers: Papers, folder: Path) -> Path:
    path = folder / "papers-indented.json"
    path.write_text(json.dumps(papers, indent=2, ensure_ascii=True), encoding="utf-8")
    return path


def write_json_lines(papers: Papers, folder: Path) -> Path:
    path = folder / "papers.jsonl"
    lines = [json.dumps(in_rows(*item)) for item in papers.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_columnar_lines(papers: Papers, folder: Path) -> Path:
    path = folder / "columnar.jsonl"
    path.write_text("".join(json.dumps(columnar(*item)) + "\n" for item in papers.items()), encoding="utf-8")
    return path


def write_concatenated(papers: Papers, folder: Path) -> Path:
    """What ``Dataset.to_json(indent=2)`` writes: pretty-printed objects without commas between them."""
    path = folder / "concatenated.json"
    path.write_text("\n".join(json.dumps(columnar(*item), indent=2) for item in papers.items()), encoding="utf-8")
    return path


def write_list(papers: Papers, folder: Path) -> Path:
    path = folder / "list.json"
    path.write_text(json.dumps([in_rows(*item) for item in papers.items()], indent=1), encoding="utf-8")
    return path


def write_parquet(papers: Papers, folder: Path) -> Path:
    path = folder / "papers.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([columnar(*item) for item in papers.items()]), path)
    return path


LAYOUTS = {
    write.__name__.removeprefix("write_"): write
    for write in (
        write_original,
        write_indented,
        write_json_lines,
        write_columnar_lines,
        write_concatenated,
        write_list,
        write_parquet,
    )
}
