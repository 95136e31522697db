"""What a search for a remedy found, as a table and in sentences; made from its record, `remedy.json` of its run.

The record holds JSON values: `version` and `against` (addresses), `causes` (name, words), `before` (figures on test),
`trials` (remedies, changes, value, failure, version, figures on dev), `chosen` (number of a trial), `verdict` (of the
comparison on test). Figures are those of `ragft.analysis.verdict.worth`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ragft.params.values import DEV, GUARDS
from ragft.report.words import count, number, signed

Record = Mapping[str, Any]
FILE = "remedy.json"
NONE = "–"


def table(record: Record) -> list[str]:
    """Return the table as lines of Markdown: the version as it was, each remedy on dev, and the chosen one on test."""
    measures = list(dict.fromkeys(name for figures in _all_figures(record) for name in figures))
    head = ["cause", "remedy", "adapter", "asked", *(name.replace("_", " ") for name in measures), "worth", "verdict"]
    rows = [head, *(_cells(row, measures) for row in _rows(record))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    lines = [_line([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]) for row in rows]
    return [lines[0], _line(["-" * width for width in widths]), *lines[1:]]


def why(record: Record) -> str:
    """Return why the chosen adapter was chosen, as a sentence."""
    trials = record["trials"]
    chosen = trials[record["chosen"]]
    tried = [each for each in trials if each["value"] is not None]
    rises = [
        f"{name.replace('_', ' ')} {signed(100 * figure['change'], 1)}"
        for name, figure in chosen["figures"].items()
        if name in GUARDS
    ]
    gains = [
        f"{name.replace('_', ' ')} {signed(figure['change'])}"
        for name, figure in chosen["figures"].items()
        if name not in GUARDS
    ]
    changed = f"{' and '.join(gains)}; {', '.join(rises) or 'no guard was measured'}{' points' if rises else ''}"
    return (
        f"{_short(chosen['version'])} was chosen, of {count(len(tried), 'adapter')}, for its worth on {DEV}: "
        f"{signed(chosen['value'], 3)}, the mean gain less each guard's rise in parts of its margin ({changed})."
    )


def outcome(record: Record) -> str:
    """Return whether a remedy did what it should, as far as guards were measured: an adapter that is worse in none."""
    verdict, tried = record["verdict"], len(record["trials"])
    name = verdict["version"]
    if "figures" not in verdict:
        return f"The best of {tried} is {name}, which is what it should replace."
    lost = [*verdict["harmful"], *verdict["worse"]]
    if lost:
        return f"No remedy did: {name}, the best of {tried}, is still worse in {_listed(lost)}."
    measured = [each for each in GUARDS if each in verdict["figures"]]
    if not measured:
        return f"No guard was measured, so whether {name} does harm is not known."
    left = [each for each in GUARDS if each not in measured]
    more = f" Not measured: {_listed(left)}." if left else ""
    doubt = [each for each in verdict["unsafe"] if each in GUARDS]
    if doubt:
        return (
            f"{name} is not shown to be worse in any guard, and harm is not ruled out in {_listed(doubt)}: these "
            f"questions are too few.{more}"
        )
    little = [each for each in verdict["slipped"] if each in GUARDS]
    if little:
        others = "in no other guard that was measured" if left else "in no other guard"
        return f"{name} is a little worse in {_listed(little)}, by less than its margin, and {others}.{more}"
    return f"{name} is not worse in {_listed(measured)}: a rise beyond the margin is ruled out.{more}"


def _all_figures(record: Record) -> Iterator[Record]:
    yield record["before"]["figures"]
    yield from (trial["figures"] for trial in record["trials"])
    yield record["verdict"].get("figures", {})


def _rows(record: Record) -> Iterator[dict[str, Any]]:
    causes = ", ".join(each["name"].replace("_", " ") for each in record["causes"])
    yield {
        "cause": causes,
        "remedy": "none: as it was",
        "version": record["version"],
        "asked": "test",
        "figures": record["before"]["figures"],
        "verdict": "reject",
    }
    for place, trial in enumerate(record["trials"]):
        failed = f"failed: {trial['failure']}" if trial["value"] is None else NONE
        yield {
            **trial,
            "cause": causes,
            "remedy": " + ".join(trial["remedies"]),
            "asked": DEV,
            "verdict": "chosen" if place == record["chosen"] else failed,
        }
    verdict = record["verdict"]
    yield {
        "cause": causes,
        "remedy": " + ".join(record["trials"][record["chosen"]]["remedies"]),
        "version": verdict["version"],
        "asked": "test",
        "figures": verdict.get("figures", {}),
        "verdict": verdict["verdict"],
    }


def _cells(row: Mapping[str, Any], measures: Sequence[str]) -> list[str]:
    value = row.get("value")
    return [
        row["cause"],
        row["remedy"],
        _short(row["version"]) or NONE,
        row["asked"],
        *(_figure(name, row["figures"].get(name)) for name in measures),
        NONE if value is None else signed(value, 3),
        " ".join(row["verdict"].replace("|", "/").split()),
    ]


def _figure(name: str, figure: Mapping[str, Any] | None) -> str:
    """Return both sides, the interval of the change, and of how many questions: guards in percent.

    Where people's labels decide, no side has a mean, and the change is shown in their place.
    """
    if figure is None:
        return NONE
    scale, digits, unit = (100, 0, " %") if name in GUARDS else (1, 2, "")
    low, high = (signed(scale * figure[end], digits) for end in ("low", "high"))
    if "base" in figure:
        seen = " → ".join(number(scale * figure[side], digits) for side in ("base", "version")) + unit
    else:
        seen = f"change {signed(scale * figure['change'], digits)}"
    return f"{seen} [{low}, {high}] of {figure['n']:,}"


def _short(uri: str) -> str:
    return f"v{uri.rpartition('/')[2]}" if uri else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
