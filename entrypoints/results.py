"""Writes the tables and figures of the docs again from their stored studies; `make results` runs it."""

from pathlib import Path

from ragft.report.results import regenerate

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = (DOCS / "results.md", DOCS / "outcomes.md")

if __name__ == "__main__":
    for page in PAGES:
        for path, text in regenerate(page).items():
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(DOCS))
