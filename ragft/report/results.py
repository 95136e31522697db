"""The pages of results: every table, figure and sentence with a number is made from the studies' exported JSON."""

import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ragft.analysis.read_record import read_record
from ragft.analysis.study.factors import held_together
from ragft.analysis.study.findings import Study
from ragft.errors import DataError
from ragft.report import study_page as report
from ragft.report.words import number, signed

BLOCK = re.compile(r"<!-- made of (?P<study>[\w-]+): (?P<what>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
# The figure of main effects, as `ragft.report.study_page.figures` calls it.
EFFECTS = "causes"
STAGES = {
    "train": ("training", "tokens"),
    "forget": ("asking adapters what they forgot", "adapters"),
    "answer": ("answering", "answers"),
    "judge": ("judging", "verdicts"),
    "embed": ("embedding", "passages"),
    "rest": ("the rest (loading, runs, tables, registering)", "cells"),
}


def regenerate(page: Path) -> dict[Path, str]:
    """Return every file of a page of results as it should be: the page itself, and the figures that it shows.

    The studies are the JSON files in the folder that has the page's name. The page's own words stay; everything
    between ``made of`` and ``end`` is replaced.

    Raises:
        DataError: If a block names a study or a content that does not exist.
    """
    folder = page.parent / page.stem
    studies = {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    text = page.read_text(encoding="utf-8")
    shown = {(block["study"], block["what"]) for block in BLOCK.finditer(text)}
    made = {
        folder / f"{name}-{figure}.svg": svg
        for name, study in studies.items()
        for figure, svg in report.figures(study).items()
        if (name, "figures") in shown or ((name, "effects") in shown and figure == EFFECTS)
    }

    def fill(block: re.Match[str]) -> str:
        name, what = block["study"], block["what"]
        if name not in studies or what not in CONTENTS:
            raise DataError(f"{page}: there is no {what!r} of {name!r}; studies: {', '.join(studies)}")
        lines = "\n".join(CONTENTS[what](name, studies[name], folder.name))
        return f"<!-- made of {name}: {what} -->\n{lines}\n<!-- end -->"

    return {page: BLOCK.sub(fill, text), **made}


def _read(path: Path) -> Study:
    study = read_record(Study, json.loads(path.read_text(encoding="utf-8")), path.name)
    return dataclasses.replace(study, effects=tuple(held_together(study.effects)))


def _table(_: str, study: Study, __: str) -> Iterator[str]:
    yield ""
    yield from report.lines_of(study)
    yield ""


def _verdicts(_: str, study: Study, __: str) -> Iterator[str]:
    """Yield every cell's own verdict, with the bounds that decided it."""
    yield "\n| seed | verdict | accuracy | completeness | reason |\n|---|---|---|---|---|"
    for cell in study.cells:
        gains = {each.measure: each.gain for each in cell.changes if each.decides}
        shown = " | ".join(f"{signed(each.mean)} [{signed(each.low)}, {signed(each.high)}]" for each in gains.values())
        yield f"| {cell.axes['seed']} | {cell.outcome} | {shown} | {cell.because or cell.headline} |"
    yield ""


def _findings(_: str, study: Study, __: str) -> Iterator[str]:
    yield from (f"- {sentence}" for sentence in (*report.findings(study), *report.agreements(study)))


def _effects(name: str, study: Study, folder: str) -> Iterator[str]:
    """Yield the main effects alone: in words, and as a figure."""
    yield from (f"- {sentence}" for sentence in report.effects(study))
    yield f"\n![main effects of the study {name}]({folder}/{name}-{EFFECTS}.svg)\n"


def _figures(name: str, study: Study, folder: str) -> Iterator[str]:
    for figure in report.figures(study):
        yield f"![{figure} of the study {name}]({folder}/{name}-{figure}.svg)\n"


def _judge(_: str, study: Study, __: str) -> Iterator[str]:
    for estimator in dict.fromkeys(cell.axes["estimator"] for cell in study.cells):
        cells = [cell for cell in study.cells if cell.axes["estimator"] == estimator]
        reasons = sorted({reason for cell in cells for reason in cell.advisory})
        said = "; ".join(reasons) or "passed its canaries and agrees with the programmatic truth"
        yield f"- {estimator}, on {cells[0].questions} questions: {said}"


def _power(_: str, study: Study, __: str) -> Iterator[str]:
    for cell in study.cells:
        shown = ", ".join(f"{name} {number(value)}" for name, value in sorted(cell.smallest.items()))
        said = f"gains from {shown} points on" if shown else "no gain"
        yield f"- {cell.name}: {cell.questions} questions show, with 80 % chance, {said}"


def _time(_: str, study: Study, __: str) -> Iterator[str]:
    done: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for work in (work for cell in study.cells for work in cell.work):
        done[work.stage] += work.done
        seconds[work.stage] += work.seconds
    yield "\n| stage | done | seconds |\n|---|---|---|"
    for stage, (words, unit) in STAGES.items():
        if stage in done:
            yield f"| {words} | {done[stage]:,} {unit} | {seconds[stage]:,.0f} |"
    yield f"| all {len(study.cells)} cells | | {sum(cell.seconds for cell in study.cells):,.0f} |\n"


CONTENTS = {
    "table": _table,
    "verdicts": _verdicts,
    "findings": _findings,
    "effects": _effects,
    "figures": _figures,
    "judge": _judge,
    "power": _power,
    "time": _time,
}
