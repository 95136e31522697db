"""What the study of docs/real.md shows where its answers are read, one by one, and not told right by a rule.

The rule for short answers knows words, and an adapter's few words can be right without being the annotators'. So the
answers to the test questions that have one, with the right passage and with retrieved ones, were read with their
passages (tests/data/graded/study.jsonl).

    python -m benchmarks.real_read
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real import stored
from ragft.analysis.statistics.mean_interval import mean_of
from ragft.judging.abstention import abstains
from ragft.judging.outcomes import is_right, outcome_of
from ragft.report.words import signed
from ragft.types import DECIDING, SCORER, Question

DATA = Path(__file__).parents[1] / "tests" / "data"
CONTEXTS = {"oracle": "the right passage", "retrieved": "retrieved passages"}
BASE = "base"
# The recipes of docs/real.md by format and share of samples without an answer, and their formats by first letter.
RECIPES = {
    ("closed_book", 0.0): "A", ("closed_book", 0.33): "B", ("retrieved", 0.0): "C", ("retrieved", 0.33): "D",
    ("retrieved", 0.1): "E",
}  # fmt: skip
FORMATS = {"b": BASE, "A": "closed_book", "B": "closed_book", "C": "retrieved", "D": "retrieved", "E": "retrieved"}


@dataclass(frozen=True)
class Reading:
    """An answer that was read.

    Attributes:
        group: The cluster of its question.
        by: Who gave it: ``base``, or an adapter's recipe and seed, such as ``A0``; the base again with the engine that
            computed it, where that is another than torch.
        read: Whether the reader calls it right.
        told: Whether the rule does.
    """

    context: str
    question: str
    group: int
    by: tuple[str, ...]
    read: bool
    told: bool

    @property
    def of(self) -> str:
        """What gave it, in a word: base, closed_book or retrieved."""
        return FORMATS[self.by[0][0]]


Side = Mapping[str, Reading]
"""Question id -> what was read of one side's answer to it."""


def readings() -> list[Reading]:
    """Return the answers that were read, told right or not by today's rule."""
    squad = json.loads((DATA / "squad" / "dev-v2.0.json").read_text(encoding="utf-8"))
    asked = {
        each["id"]: each
        for article in squad["data"]
        for paragraph in article["paragraphs"]
        for each in paragraph["qas"]
    }
    rows = map(json.loads, (DATA / "graded" / "study.jsonl").read_text(encoding="utf-8").splitlines())
    return [_reading(row, asked[row["id"]]) for row in rows]


def _reading(row: Mapping[str, Any], asked: Mapping[str, Any]) -> Reading:
    answers = [each["text"] for each in asked["answers"]]
    question = Question(
        row["id"], asked["question"], tuple(answers), metadata={SCORER: "squad", "short_answers": answers}
    )
    told = outcome_of(is_right(question, row["answer"]), None, abstained=abstains(row["answer"], asked["question"]))
    return Reading(row["context"], row["id"], row["group"], tuple(row["by"]), row["label"] == "right", told == "right")


def table(found: Sequence[Reading]) -> list[str]:
    """Return what each adapter changes, by the rule and as read, as Markdown."""
    lines = [
        "| adapter | shown | right by the rule | change | right as read | change | the rule is low by, points "
        "| right in all 600, as read |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for context, words in CONTEXTS.items():
        asked = [each for each in found if each.context == context]
        silent = _abstained() if context == DECIDING else {}
        for name, base, pair in compared(asked):
            low = " → ".join(_points(sum(each.read - each.told for each in side.values()) / len(side)) for side in pair)
            whole = " → ".join(_in_all(side, silent[by]) for side, by in zip(pair, (base, name), strict=True) if silent)
            lines.append(
                f"| {name} | {words} | {_change(*pair, 'told')} | {_change(*pair, 'read')} | {low} | {whole} |"
            )
    return lines


def compared(asked: Sequence[Reading]) -> Iterator[tuple[str, str, tuple[Side, Side]]]:
    """Yield each adapter of one context, the base by the same engine, and what was read of both."""
    sides: dict[str, dict[str, Reading]] = {}
    for each in asked:
        for by in each.by:
            sides.setdefault(by, {})[each.question] = each
    bases = {name: base for name, (base, _) in _abstained_beside().items()}
    for name in sorted(each for each in sides if not each.startswith(BASE)):
        yield name, bases[name], (sides[bases[name]], sides[name])


def _abstained() -> dict[str, tuple[int, int]]:
    """Return each base and adapter -> how often it abstained where no passage answers, and of how many."""
    found: dict[str, tuple[int, int]] = {}
    for name, (base, counts) in _abstained_beside().items():
        found |= dict(zip((base, name), counts, strict=True))
    return found


def _abstained_beside() -> dict[str, tuple[str, tuple[tuple[int, int], tuple[int, int]]]]:
    """Return each adapter -> the name of its base, and how often each of both abstained, and of how many."""
    found = {}
    for row in stored("declared"):
        axes = row["axes"]
        recipe = RECIPES.get((axes["format"], float(axes["unanswerable_share"])))
        if row["context"] == DECIDING and recipe and (axes["dataset"], axes["samples"]) == ("squad", "200"):
            base = " ".join((BASE, *([row["engine"]] if "engine" in row else [])))
            one, other = (row[f"{side} unanswerable"] for side in ("base", "adapter"))
            found[f"{recipe}{axes['seed']}"] = base, (_counts(one), _counts(other))
    return found


def _counts(row: Mapping[str, Any]) -> tuple[int, int]:
    return round(row["abstained"] * row["n"]), row["n"]


def _in_all(side: Mapping[str, Reading], silent: tuple[int, int]) -> str:
    return f"{(sum(each.read for each in side.values()) + silent[0]) / (len(side) + silent[1]):.0%}".replace("%", " %")


def _points(share: float) -> str:
    return f"{round(100 * share) + 0}".replace("-", "−")


def _change(base: Mapping[str, Reading], own: Mapping[str, Reading], what: str) -> str:
    """Return shares of both sides, and the change in points with its interval (cluster-robust t, CR2)."""
    pairs = [(getattr(base[key], what), getattr(each, what), each.group) for key, each in own.items()]
    mean = mean_of(np.array([float(new) - float(old) for old, new, _ in pairs]), [str(group) for *_, group in pairs])
    gain, *ends = (signed(100 * end, 0) for end in (mean.value, mean.low, mean.high) if end is not None)
    shares = " → ".join(f"{sum(pair[side] for pair in pairs) / len(pairs):.0%}" for side in (0, 1))
    return f"{shares.replace('%', ' %')} | {gain} [{', '.join(ends)}]"


def main() -> None:
    """Print the table."""
    print("\n".join(table(readings())))


if __name__ == "__main__":
    main()
