"""Writes the tables and figures of docs/results.md again from its stored studies: what `make results` runs."""

from pathlib import Path

from ragft.report.results import regenerate

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results.md"

if __name__ == "__main__":
    for path, text in regenerate(PAGE).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(PAGE.parent))
