"""The report of a study: its figures, its tables, and what they say in words."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ragft.analysis.study.factors import MainEffect
from ragft.analysis.study.findings import AGREEMENT, Change, EstimatorComparison, SeedGroup, Study
from ragft.judging.terse import MOST_TOO_LOW
from ragft.report.study_plot import BASE, PlotScale, PlotSection, PlottedInterval, colour_of, plot, scale_of_changes
from ragft.report.words import CONTEXTS, clean, clip, count, number, signed
from ragft.report.words import label as words
from ragft.types import DECIDING

# Mean scores the study (arXiv 2406.11201) states in its text: (data set, base, samples, measure) -> score.
PUBLISHED = {
    ("natural_questions", "mixtral", 0, "accuracy"): 4.87,
    ("natural_questions", "mixtral", 500, "accuracy"): 4.87,
    ("qasper", "llama-2", 0, "accuracy"): 4.38,
    ("qasper", "llama-2", 200, "accuracy"): 3.14,
    ("qasper", "llama-2", 0, "completeness"): 4.55,
    ("qasper", "llama-2", 200, "completeness"): 2.35,
    ("qasper", "mixtral", 500, "accuracy"): 4.04,
    ("qasper", "mixtral", 1000, "accuracy"): 3.28,
    ("qasper", "mixtral", 500, "completeness"): 3.75,
    ("qasper", "mixtral", 1000, "completeness"): 2.58,
}
PAPER = "paper"
LEAST_SCORE, MOST_SCORE = 1.0, 5.0
ROBUSTNESS = ("judge", "estimator", "prompt")
ALWAYS = ("samples", "format")
MOST_CHARACTERS = 2000


def label(axes: Mapping[str, str], varied: Sequence[str], without: Sequence[str] = ()) -> str:
    """Return what distinguishes an adapter from the others: its format, its samples, and the axes that vary."""
    shown = [f"{axes['format']}, {axes['samples']} samples"]
    shown += [
        f"{words(name)} {_short(axes[name])}"
        for name in varied
        if name not in (*ALWAYS, "seed", *without) and name in axes
    ]
    return ", ".join(shown)


def figures(study: Study) -> dict[str, str]:
    """Return name -> SVG: scores by base, changes, and the effects of each property where they were asked for."""
    made: dict[str, str] = {}
    measures = _measures(study)
    for measure in measures:
        for base, groups in _by_axis(study.groups, "base").items():
            name = f"{measure}-{_slug(base)}"
            made[name] = _scores(measure, base, groups, study)
    made["changes"] = _changes(study)
    if study.effects:
        made["causes"] = _causes(study.effects)
    return made


def findings(study: Study) -> list[str]:
    """Return what was found for each adapter and each property, in one sentence each, null results included."""
    sentences = [_finding(group, change, study) for group in study.groups for change in group.changes if change.decides]
    return sentences + effects(study)


def effects(study: Study) -> list[str]:
    """Return the main effects, in one sentence each; none where the study crossed nothing."""
    return [_effect(effect) for effect in study.effects]


def agreements(study: Study) -> list[str]:
    """Return how the estimators agree on the same answers."""
    return [_agreement(agreement) for agreement in study.agreement]


def fairness(study: Study) -> list[str]:
    """Return to whom the rule that says what is right may be unfair, in one sentence each; none where to nobody."""
    counts = Counter(cell.terse for cell in study.cells if cell.role == "cell")
    said = {
        "version": ("adapters answer in less than half the words of the base", "for such an adapter"),
        "base": ("adapters answer in more than twice the words of the base", "for the base beside it"),
    }
    return [
        f"{counts[side]} of {counts.total()} {what}, and a rule that compares words says what is right: {whom} it may "
        f"be up to {MOST_TOO_LOW} points of 100 too low, which people's labels correct."
        for side, (what, whom) in said.items()
        if counts[side]
    ]


def robustness(study: Study) -> list[tuple[str, str, dict[str, str]]]:
    """Return (adapter, axis, value -> verdicts) for every setting of asking and judging that was varied."""
    strips = []
    for axis in (name for name in ROBUSTNESS if name in study.varied):
        rows: dict[str, dict[str, str]] = defaultdict(dict)
        for group in study.groups:
            rows[label(group.axes, study.varied, (axis,))][_short(group.axes[axis])] = counted(group.outcomes)
        strips += [(name, axis, verdicts) for name, verdicts in rows.items()]
    return strips


def counted(outcomes: Sequence[str]) -> str:
    """Return the verdicts with how many seeds have each."""
    return ", ".join(f"{name} {list(outcomes).count(name)} of {len(outcomes)}" for name in dict.fromkeys(outcomes))


def page(study: Study) -> str:
    """Return the report as one HTML file without scripts; every text in it is escaped."""
    template = _environment().from_string((files("ragft.report") / "study.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        study=study,
        figures={name: Markup(svg) for name, svg in figures(study).items()},
        findings=findings(study),
        agreements=agreements(study),
        robustness=robustness(study),
        rows=[(group, change) for group in study.groups for change in group.changes],
        published=[(*key, score) for key, score in _published(study).items()],
        size=_size(study),
        several_seeds=_several_seeds(study),
        fairness=fairness(study),
        advisory=sorted({reason for cell in study.cells for reason in cell.advisory}),
        agreement=AGREEMENT,
    )


def _published(study: Study) -> Mapping[tuple[str, str, int, str], float]:
    """Return what the published study states, but only where this study is made like it."""
    return PUBLISHED if study.preset == PAPER else {}


def _size(study: Study) -> str:
    """Return how many adapters were compared, as the start of a sentence."""
    if len(study.cells) == 1:
        return "One adapter, compared with its base"
    sorts = "One sort of adapter" if len(study.groups) == 1 else f"{len(study.groups)} sorts of adapters"
    return f"{sorts} in {len(study.cells)} cells, each compared with its base"


def _several_seeds(study: Study) -> bool:
    return any(len(group.seeds) > 1 for group in study.groups)


def _scores(measure: str, base: str, groups: Sequence[SeedGroup], study: Study) -> str:
    """Return one of the study's figures 1 to 4: base and adapters on each data set."""
    blocks, values, stated = [], [LEAST_SCORE, MOST_SCORE], _published(study)
    for (data, context), entries in _panels(groups, measure).items():
        published = [stated.get((data, _family(base), int(g.axes["samples"]), measure)) for g, _ in entries]
        first = entries[0][1]
        lines = [
            PlottedInterval(
                "base", first.base.mean, first.base.low, first.base.high, colour=BASE,
                published=stated.get((data, _family(base), 0, measure)),
            )
        ]  # fmt: skip
        lines += [
            PlottedInterval(
                label(g.axes, study.varied, ("dataset", "base")), c.version.mean, c.version.low, c.version.high, (),
                known, colour_of(c.gain.low, c.gain.high),
            )
            for (g, c), known in zip(entries, published, strict=True)
        ]  # fmt: skip
        values += [end for line in lines for end in (line.low, line.high) if end is not None]
        blocks.append(PlotSection(f"{data}, {CONTEXTS.get(context, context)}", tuple(lines)))
    is_share = measure.startswith("truth")
    scale = PlotScale(0.0, 1.0, "share") if is_share else PlotScale(LEAST_SCORE, MOST_SCORE, "mean score, 1 to 5")
    return plot(f"{words(measure).capitalize()} of {_short(base)} and its adapters", blocks, scale)


def _panels(groups: Sequence[SeedGroup], measure: str) -> dict[tuple[str, str], list[tuple[SeedGroup, Change]]]:
    panels: dict[tuple[str, str], list[tuple[SeedGroup, Change]]] = defaultdict(list)
    for group in groups:
        for change in group.changes:
            if change.measure == measure and change.n:
                panels[group.axes["dataset"], change.context].append((group, change))
    return panels


def _changes(study: Study) -> str:
    blocks = []
    seeds: dict[tuple[tuple[tuple[str, str], ...], str, str], list[float]] = defaultdict(list)
    for cell in study.cells:
        if cell.role != AGREEMENT:
            for change in cell.changes:
                key = tuple((k, v) for k, v in cell.axes.items() if k != "seed")
                seeds[key, change.context, change.measure].append(change.gain.mean)
    for measure in [name for name in _measures(study) if not name.startswith("truth")]:
        lines = []
        for group in study.groups:
            for change in group.changes:
                if change.measure == measure and change.n:
                    dots = tuple(seeds[tuple(group.axes.items()), change.context, measure])
                    name = label(group.axes, study.varied)
                    name += "" if change.context == DECIDING else f", {CONTEXTS.get(change.context, change.context)}"
                    gain = change.gain
                    shown = dots if len(dots) > 1 else ()
                    lines.append(
                        PlottedInterval(
                            name, gain.mean, gain.low, gain.high, shown, None, colour_of(gain.low, gain.high)
                        )
                    )
        blocks.append(PlotSection(words(measure).capitalize(), tuple(lines)))
    scale = scale_of_changes(
        [line for block in blocks for line in block.lines], "change against the base, score points"
    )
    note = " (small circles: single seeds)" if _several_seeds(study) else ""
    return plot(f"What fine-tuning changes{note}", blocks, scale)


def _causes(effects: Sequence[MainEffect]) -> str:
    blocks = []
    for measure in dict.fromkeys(effect.measure for effect in effects):
        lines = tuple(
            PlottedInterval(_exchange(e), e.gain, e.low_all, e.high_all, colour=colour_of(e.low_all, e.high_all))
            for e in effects
            if e.measure == measure
        )
        blocks.append(PlotSection(words(measure).capitalize(), lines))
    scale = scale_of_changes([line for block in blocks for line in block.lines], "main effect, points of the measure")
    return plot("Which property of fine-tuning does it (intervals that hold together)", blocks, scale)


def _finding(group: SeedGroup, change: Change, study: Study) -> str:
    gain = change.gain
    margin = next(cell.margin for cell in study.cells)
    if not change.n:
        return (
            f"{label(group.axes, study.varied)}: {words(change.measure)} was not scored on both sides of any question."
        )
    if gain.low is None or gain.high is None:
        said = "one document cannot show anything"
    elif gain.high < 0:
        said = "shown to be worse"
    elif gain.low > 0:
        said = "shown to be better"
    elif gain.low > -margin:
        said = f"no change is shown, and a loss of more than {margin:g} is ruled out"
    else:
        said = f"no change is shown, and a loss of more than {margin:g} is not ruled out"
    return (
        f"{label(group.axes, study.varied)}: {words(change.measure)} {number(change.base.mean)} to "
        f"{number(change.version.mean)}, a change of {signed(gain.mean)} (95 % interval {signed(gain.low)} to "
        f"{signed(gain.high)}; {count(change.n, 'question')} in {count(change.clusters, 'group')} of documents, "
        f"{count(len(group.seeds), 'seed')}): {said}. "
        f"Verdicts: {counted(group.outcomes)}."
    )


def _exchange(effect: MainEffect) -> str:
    """Return which level takes the place of which, and among which adapters where the study has several groups."""
    among = ", ".join(f"{words(name)} {_short(value)}" for name, value in effect.among.items())
    return f"{words(effect.factor)} {effect.level} instead of {effect.against}" + (f" ({among})" if among else "")


def _effect(effect: MainEffect) -> str:
    said = "shown, also together with all effects asked for" if effect.shown else "not shown"
    exchange = _exchange(effect)
    return (
        f"{exchange[:1].upper()}{exchange[1:]} changes "
        f"{words(effect.measure)} by {signed(effect.gain)} (95 % interval {signed(effect.low)} to "
        f"{signed(effect.high)}; one of {count(effect.together, 'effect')}, with which it holds together from "
        f"{signed(effect.low_all)} to {signed(effect.high_all)}; {count(effect.pairs, 'pair')} of adapters, "
        f"{count(effect.seeds, 'seed')}, {count(effect.n, 'question')}): {said}."
    )


def _agreement(agreement: EstimatorComparison) -> str:
    one, other = agreement.estimators
    if not agreement.n:
        return f"{agreement.measure.capitalize()}: no answer was scored by both {one} and {other}."
    rank = "unknown, since one of them never varies" if agreement.spearman is None else number(agreement.spearman)
    return (
        f"{agreement.measure.capitalize()} of the same {agreement.n} answers by {one} and by {other}: means "
        f"{number(agreement.means[0])} and {number(agreement.means[1])}, rank correlation {rank}."
    )


def _measures(study: Study) -> list[str]:
    return list(dict.fromkeys(change.measure for group in study.groups for change in group.changes))


def _by_axis(groups: Sequence[SeedGroup], axis: str) -> dict[str, list[SeedGroup]]:
    sorted_: dict[str, list[SeedGroup]] = defaultdict(list)
    for group in groups:
        sorted_[group.axes[axis]].append(group)
    return sorted_


def _family(base: str) -> str:
    name = base.lower()
    return next((family for family in ("mixtral", "llama-2") if family in name), name)


def _short(value: str) -> str:
    """Return the last part of a path or a hub name, else the value."""
    return PurePosixPath(value).name or value


def _slug(name: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in _short(name).lower()).strip("-")


@cache
def _environment() -> Environment:
    made = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_finalize, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"number": number, "signed": signed, "words": words}
    made.globals |= {"label": label, "counted": counted, "contexts": CONTEXTS}
    return made


def _finalize(value: object) -> object:
    return clip(clean(value), MOST_CHARACTERS) if type(value) is str else value


def lines_of(study: Study) -> Iterator[str]:
    """Yield the table of the means over seeds as Markdown."""
    yield "| adapter | context | measure | base | fine-tuned | change | 95 % interval | n | verdicts |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for group in study.groups:
        for change in group.changes:
            gain = change.gain
            ends = f"{signed(gain.low)} to {signed(gain.high)}" if gain.low is not None else "none"
            verdicts = counted(group.outcomes) if change.decides else ""
            yield (
                f"| {label(group.axes, study.varied)} | {change.context} | {words(change.measure)} | "
                f"{number(change.base.mean)} | {number(change.version.mean)} | {signed(gain.mean)} | {ends} | "
                f"{change.n} | {verdicts} |"
            )
