"""The figures as pictures, for MLflow's own pages: the same numbers as on the page."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ragft.analysis.verdict.comparison import Comparison
from ragft.report.figures import Track, forest
from ragft.report.page_data import Bars
from ragft.report.words import clip, label, number, signed

BASE, VERSION, WORSE, INK = "#8a9099", "#0072b2", "#c04d00", "#1b1d20"
COLOURS = {"better": VERSION, "worse": WORSE, "unclear": INK}


def forest_figure(comparison: Comparison) -> Figure:
    """Return the forest plot of a comparison."""
    plot = forest(comparison)
    lines: list[tuple[str, Track | None]] = []
    for group in plot.groups:
        lines.append((group.title, None))
        lines += [(f"{line.label}  ({line.n:,})", line) for line in group.tracks]
    figure = Figure(figsize=(9, 0.8 + 0.28 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for row, (_, line) in enumerate(lines):
        if line is not None:
            _draw(axes, -row, line, plot.reach)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks([-row for row in range(len(lines))], [plain(name) for name, _ in lines])
    for tick, (_, line) in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("normal" if line else "bold")
    axes.set_xlim(-plot.reach, plot.reach)
    axes.set_ylim(-len(lines) + 0.4, 0.6)
    axes.set_xlabel("change in score points with its 95 % interval; right of 0 is better; dashed: the margin")
    quiet(axes, ("top", "right", "left"))
    return figure


def bars_figure(bars: Bars, base: str, version: str) -> Figure:
    """Return base beside fine-tuned, each criterion a pair of bars, with the intervals of the means."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for side, (name, colour) in enumerate(((base, BASE), (version, VERSION))):
        for index, pair in enumerate(bars.means.values()):
            mean, x = pair[side], index + (side - 0.5) * 0.36
            if mean.value is None:
                continue
            shown = plain(name) if index == 0 else None
            axes.bar(x, mean.value - bars.least, 0.32, bottom=bars.least, color=colour, label=shown)
            if mean.low is not None and mean.high is not None:
                axes.plot([x, x], [mean.low, mean.high], color=INK, linewidth=1.2)
            axes.annotate(
                number(mean.value),
                (x, mean.value if mean.high is None else mean.high),
                ha="center",
                xytext=(0, 3),
                textcoords="offset points",
            )
    axes.set_xticks(range(len(bars.means)), [label(name) for name in bars.means])
    axes.set_ylim(bars.least, bars.most)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    quiet(axes, ("top", "right"))
    return figure


def _draw(axes: Axes, y: float, line: Track, reach: float) -> None:
    if line.margin is not None:
        axes.plot([-line.margin] * 2, [y - 0.5, y + 0.5], color=WORSE, linewidth=0.8, linestyle=(0, (3, 3)))
    if line.value is None:
        return
    colour = COLOURS[line.says]
    axes.plot([max(line.low, -reach), min(line.high, reach)], [y, y], color=colour, linewidth=1.6)
    axes.plot([line.value], [y], "o", color=colour, markersize=5)
    axes.annotate(
        f"{signed(line.value)}", (1.01, y), xycoords=("axes fraction", "data"), va="center", annotation_clip=False
    )


def quiet(axes: Axes, without: Sequence[str]) -> None:
    """Draw no ticks, and none of the sides ``without``."""
    for side in without:
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


def plain(text: str) -> str:
    """Return a name without what matplotlib would read as mathematics."""
    return clip(text, 60).replace("$", r"\$")
