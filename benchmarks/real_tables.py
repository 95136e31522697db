"""What was counted of the studies in docs/real.md, as that page and the README show it."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.real_answers import LOST
from ragft.report.study_plot import PlotSection, PlottedInterval, colour_of, plot, scale_of_changes
from ragft.report.words import number, signed

CONTEXTS = ("oracle", "retrieved", "none", "withheld")
WORDS = {"closed_book": "on questions alone", "retrieved": "with passages"}


def tables(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the tables of docs/real.md by name, as Markdown."""
    ordered = sorted(rows, key=_order)
    answerable = [row for row in ordered if row["change"]]
    return {
        "reading": [
            "| trained | seed | context | right | change | words an answer | quote |",
            "|---|---|---|---|---|---|---|",
            *(_reading(row) for row in answerable),
        ],
        "abstaining": [
            "| trained | seed | context | abstains | words an answer | quote |",
            "|---|---|---|---|---|---|",
            *(_abstaining(row) for row in ordered if "adapter unanswerable" in row and row["context"] != "none"),
        ],
        "lost": [
            f"| trained | seed | context | lost | {' | '.join(LOST)} | gained |",
            f"|---|---|---|---|{'---|' * len(LOST)}---|",
            *(_losses(row) for row in answerable),
        ],
    }


def verdicts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of verdicts: what decides, and the guards, with the bounds that decide."""
    return [
        "| trained | seed | verdict | right, of all | false answers | false refusals |",
        "|---|---|---|---|---|---|",
        *(_verdict(row) for row in sorted(rows, key=_order) if row.get("verdict")),
    ]


def _verdict(row: Mapping[str, Any]) -> str:
    found = row["verdict"]
    cells = (bounded(found[name], sign) for name, sign in (("right", 1), ("false_answers", -1), ("false_refusals", -1)))
    recipe, seed, _ = _named(row).split(" | ")
    return f"| {recipe} | {seed} | {found['outcome']} | {' | '.join(cells)} |"


def bounded(found: Mapping[str, float], sign: int) -> str:
    """Return base, version and change in points; a guard's change is that of the harm."""
    ends = sorted(sign * 100 * found[name] for name in ("low", "high"))
    change = f"{signed(sign * 100 * found['gain'], 0)} [{signed(ends[0], 0)}, {signed(ends[1], 0)}]"
    return f"{_percent(found['base'])} → {_percent(found['version'])} ({change}) of {found['n']}"


def figure(first: Sequence[Mapping[str, Any]], declared: Sequence[Mapping[str, Any]]) -> str:
    """Return the changes of right answers among questions with an answer, of both runs, as an SVG."""
    sections = []
    for rows, run in ((declared, "the declared command"), (first, "the first run, answers cut at 64 tokens")):
        for context, words in (("oracle", "with the right passage"), ("retrieved", "with retrieved passages")):
            asked = [row for row in sorted(rows, key=_order) if row["context"] == context and _is_main(row)]
            sections.append(PlotSection(f"{words}: {run}", tuple(_plotted(row) for row in asked)))
    lines = [line for section in sections for line in section.lines]
    title = "Right answers, change from the base: SmolLM2-135M, 200 pairs of SQuAD"
    scale = scale_of_changes(lines, "share of the questions with an answer, 95 % interval")
    return plot(title, [section for section in sections if section.lines], scale)


def _is_main(row: Mapping[str, Any]) -> bool:
    """Return whether an adapter belongs to the main study: 200 pairs, 3 passes."""
    axes = row["axes"]
    return (axes["dataset"], axes["samples"], axes["epochs"]) == ("squad", "200", "3") and float(
        axes["withheld_share"]
    ) == 0


def _plotted(row: Mapping[str, Any]) -> PlottedInterval:
    found = row["change"]
    ends = found["low"], found["high"]
    return PlottedInterval(_recipe(row), found["gain"], *ends, colour=colour_of(*ends))


def summary(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the main table, as the README shows it: the recipes that were asked with the right passage alone."""
    asked = [row for row in sorted(rows, key=_order) if row["axes"]["dataset"] == "squad"]
    shown = [row for row in asked if row["context"] == "oracle"]
    retrieved = {_adapter(row): row for row in asked if row["context"] == "retrieved"}
    lines = [
        "| 200 pairs of SQuAD, SmolLM2-135M | right, with the right passage | right, with retrieved passages "
        "| abstains where no passage answers | right in all 600, with retrieved passages | verdict |",
        "|---|---|---|---|---|---|",
    ]
    first, other = shown[0], retrieved[_adapter(shown[0])]
    rights = [_percent(each["base answerable"]["right"]) for each in (first, other)]
    silent = _percent(other["base unanswerable"]["abstained"])
    lines.append(f"| the base | {' | '.join(rights)} | {silent} | {_in_all(other, 'base')} | |")
    for row in shown:
        other = retrieved[_adapter(row)]
        rights = [f"{_percent(each['adapter answerable']['right'])} ({_interval(each)})" for each in (row, other)]
        silent = _percent(other["adapter unanswerable"]["abstained"])
        told = f"{_in_all(other, 'adapter')} | {other['verdict']['outcome']}"
        lines.append(f"| {_recipe(row)} | {' | '.join(rights)} | {silent} | {told} |")
    return lines


def _recipe(row: Mapping[str, Any]) -> str:
    share = float(row["axes"]["unanswerable_share"])
    refusals = f" and {share:.0%} refusals".replace("%", " %") if share > 0 else ""
    return f"{WORDS[row['axes']['format']]}{refusals}, seed {row['axes']['seed']}"


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    axes = row["axes"]
    shares = float(axes["unanswerable_share"]), float(axes["withheld_share"])
    usual = axes["dataset"] != "squad", int(axes["samples"]) != 200
    recipe = (*usual, -int(axes["epochs"]), -float(axes["learning_rate"]), axes["format"], *shares)
    return (*recipe, int(axes["seed"]), CONTEXTS.index(row["context"]))


def _adapter(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row["axes"].values())


def _named(row: Mapping[str, Any]) -> str:
    axes = row["axes"]
    passes = "1 pass" if axes["epochs"] == "1" else f"{axes['epochs']} passes"
    shares = [
        f"{float(axes[name]):g} {word}"
        for name, word in (("unanswerable_share", "unanswerable"), ("withheld_share", "withheld"))
        if float(axes[name]) > 0
    ]
    data = [axes["dataset"]] if axes["dataset"] != "squad" else []
    rate = f"{float(axes['learning_rate']):.0e}"
    recipe = ", ".join([*data, axes["format"], axes["samples"], *shares, passes, rate])
    return f"{recipe} | {axes['seed']} | {row['context']}"


def _reading(row: Mapping[str, Any]) -> str:
    base, adapter = row["base answerable"], row["adapter answerable"]
    return (
        f"| {_named(row)} | {_percent(base['right'])} → {_percent(adapter['right'])} | {_interval(row)} "
        f"| {_pair(base, adapter)} |"
    )


def _abstaining(row: Mapping[str, Any]) -> str:
    base, adapter = row["base unanswerable"], row["adapter unanswerable"]
    silent = f"{_percent(base['abstained'])} → {_percent(adapter['abstained'])} of {base['n']}"
    return f"| {_named(row)} | {silent} | {_pair(base, adapter)} |"


def _pair(base: Mapping[str, float], adapter: Mapping[str, float]) -> str:
    words = f"{number(base['words'], 0)} → {number(adapter['words'], 0)}"
    return f"{words} | {_percent(base['quote'])} → {_percent(adapter['quote'])}"


def _losses(row: Mapping[str, Any]) -> str:
    found = row["lost"]
    counts = " | ".join(str(found[name]) for name in LOST)
    return f"| {_named(row)} | {sum(found[name] for name in LOST)} | {counts} | {found['gained']} |"


def _in_all(row: Mapping[str, Any], side: str) -> str:
    """Return the share of right answers to questions with an answer and without."""
    parts = [row[f"{side} {name}"] for name in ("answerable", "unanswerable")]
    return _percent(sum(part["right"] * part["n"] for part in parts) / sum(part["n"] for part in parts))


def _percent(share: float) -> str:
    """Return whole percents; what is not nothing does not round to it."""
    return f"{100 * share:.1f} %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _interval(row: Mapping[str, Any]) -> str:
    found = row["change"]
    return f"{signed(100 * found['gain'], 0)} [{signed(100 * found['low'], 0)}, {signed(100 * found['high'], 0)}]"
